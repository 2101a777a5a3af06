//! One person's delivery, from the claim to the record, and what all deliveries of a loop share.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::task::TaskTracker;

use super::attempt::report;
use super::places::Places;
use super::record::{Ended, write_down};
use super::{Delivery, Page};
use crate::domain::outcome::Outcome;
use crate::messenger::Sent;
use crate::messenger::gate::Gate;
use crate::store::claim::Claim;

/// How many people more than are in flight may be claimed and not yet recorded, for each place: those who wait for theirs,
/// and those whose outcome waits for the database. Then claiming stops.
const UNRECORDED_PER_FLIGHT: usize = 4;

/// The deliveries of one loop.
pub(super) struct Flights {
    delivery: Arc<Delivery>,
    pub(super) places: Places,
    unrecorded: Arc<Semaphore>,
    accepted: mpsc::UnboundedSender<Ended>,
}

/// Somebody who was claimed, until their outcome is recorded.
pub(super) struct Flight {
    claim: Claim,
    gate: Arc<Gate>,
    /// Boot time before the claim.
    since: Duration,
    unrecorded: Option<OwnedSemaphorePermit>,
}

impl Flights {
    /// Begins with nobody in flight. The recorder ends when these are dropped and everything is written down.
    pub(super) fn begin(delivery: &Arc<Delivery>, tracker: &TaskTracker) -> Arc<Self> {
        let most = delivery.limits.max_in_flight;
        // Bounded by what may be unrecorded.
        let (accepted, queue) = mpsc::unbounded_channel();
        tracker.spawn(write_down(Arc::clone(delivery), queue, tracker.clone()));
        Arc::new(Self {
            delivery: Arc::clone(delivery),
            places: Places::new(most),
            unrecorded: Arc::new(Semaphore::new(most * (1 + UNRECORDED_PER_FLIGHT))),
            accepted,
        })
    }

    /// How many may be claimed now, of whom so many ahead.
    pub(super) fn room(&self, ahead: usize) -> usize {
        self.places.room(ahead).min(self.unrecorded.available_permits())
    }

    /// Waits until somebody can be claimed.
    pub(super) async fn come_free(&self) {
        self.places.come_free().await;
        drop(self.unrecorded.acquire().await);
    }

    /// Somebody was claimed: from here on they can be stopped.
    pub(super) fn enter(&self, claim: Claim, since: Duration) -> Flight {
        let gate = self.delivery.gate(&claim, since);
        // There was room when we asked, and only one loop takes it.
        let unrecorded = Arc::clone(&self.unrecorded).try_acquire_owned().ok();
        self.places.expect();
        Flight { claim, gate, since, unrecorded }
    }

    /// Delivers to one person, in their turn and when a place is free.
    pub(super) async fn deliver(&self, page: Arc<Page>, flight: Flight) -> Ended {
        let Flight { claim, gate, since, unrecorded } = flight;
        self.delivery.turn(&claim, since).await;
        // The place in flight is free as soon as the answer is here; the record may share a commit with others.
        let sent = match self.places.take(&gate).await {
            Some(_place) => self.delivery.send(&page, &claim, gate).await,
            None => Sent::GIVEN_BACK,
        };
        let accepted = sent.ending.as_ref().is_some_and(|ending| matches!(ending.outcome, Outcome::Accepted { .. }));
        let usage = sent.usage;
        Ended { page, attempt: claim.attempt, accepted, usage, signal: report(&claim, sent), _unrecorded: unrecorded }
    }

    /// Writes an outcome down: an acceptance with the others that wait, anything else by itself.
    pub(super) async fn record(&self, ended: Ended) {
        if !ended.accepted {
            return self.delivery.finish(ended).await;
        }
        let (page, usage) = (Arc::clone(&ended.page), ended.usage);
        if let Err(mpsc::error::SendError(ended)) = self.accepted.send(ended) {
            return self.delivery.finish(ended).await;
        }
        if let Some(usage) = usage {
            self.delivery.heed(&page, usage).await;
        }
    }
}
