//! One person's delivery, from the claim to the record, and what all deliveries of a loop share.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::task::TaskTracker;

use super::attempt::report;
use super::places::{Onward, Place, Places};
use super::record::{Ended, write_down};
use super::{Delivery, Page};
use crate::domain::outcome::Outcome;
use crate::messenger::Sent;
use crate::messenger::gate::Gate;
use crate::store::claim::Claim;

/// How many people more than are in flight may be claimed and not yet recorded, for each place: those who wait for theirs,
/// and those whose outcome waits for the database. Then claiming stops.
const UNRECORDED_PER_FLIGHT: usize = 16;

/// The deliveries of one loop.
pub(super) struct Flights {
    delivery: Arc<Delivery>,
    tracker: TaskTracker,
    places: Arc<Places<Flight>>,
    unrecorded: Arc<Semaphore>,
    accepted: mpsc::UnboundedSender<Ended>,
}

/// Somebody who was claimed, until their outcome is recorded.
struct Flight {
    page: Arc<Page>,
    claim: Claim,
    gate: Arc<Gate>,
    /// Whether their page is held, and they find out whether it still must be.
    probes: bool,
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
            tracker: tracker.clone(),
            places: Places::new(most),
            unrecorded: Arc::new(Semaphore::new(most * (1 + UNRECORDED_PER_FLIGHT))),
            accepted,
        })
    }

    /// Begins a round of claims: how many may be claimed ahead in it.
    pub(super) fn ahead(&self) -> usize {
        self.places.ahead()
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

    /// Somebody was claimed: from here on they can be stopped. They go in their turn, as soon as a place is free.
    pub(super) fn launch(self: &Arc<Self>, page: &Arc<Page>, claim: Claim, since: Duration, probes: bool) {
        let gate = self.delivery.gate(&claim, since);
        // There was room when we asked, and only one loop takes it.
        let unrecorded = Arc::clone(&self.unrecorded).try_acquire_owned().ok();
        let turn = self.delivery.turn(&claim, since);
        let flight = Flight { page: Arc::clone(page), claim, gate, probes, unrecorded };
        self.places.expect();
        let flights = Arc::clone(self);
        if let Some(wait) = turn {
            self.tracker.spawn(async move {
                tokio::time::sleep(wait).await;
                flights.board(flight);
            });
        } else {
            flights.board(flight);
        }
    }

    /// It is somebody's turn: they leave with a place, or wait for one.
    fn board(self: Arc<Self>, flight: Flight) {
        if let Some((place, flight)) = self.places.come(flight) {
            self.take_off(place, flight);
        }
    }

    fn take_off(self: Arc<Self>, place: Place<Flight>, flight: Flight) {
        self.tracker.clone().spawn(async move { self.fly(place, flight).await });
    }

    /// Delivers to one person, and with the same place to those who wait for one.
    async fn fly(self: Arc<Self>, place: Place<Flight>, flight: Flight) {
        let mut aboard = Some((place, flight));
        while let Some((place, flight)) = aboard {
            let (ended, took) = self.deliver(flight).await;
            // The answer is here, so others may go; the record may share a commit with theirs.
            let Onward { next, other } = place.pass_on(took);
            if let Some((place, flight)) = other {
                Arc::clone(&self).take_off(place, flight);
            }
            aboard = next;
            self.record(ended);
        }
    }

    /// Sends to one person. What it came to, and how long the answer took if there was one to wait for.
    async fn deliver(&self, flight: Flight) -> (Ended, Option<Duration>) {
        if flight.gate.is_refused() || flight.is_late() {
            return (flight.given_back(), None);
        }
        let (sent, took) = self.delivery.send(&flight.page, &flight.claim, Arc::clone(&flight.gate)).await;
        let took = sent.ending.is_some().then_some(took);
        (flight.ended(sent), took)
    }

    /// Writes an outcome down: an acceptance with the others that wait, anything else by itself.
    fn record(&self, ended: Ended) {
        let delivery = Arc::clone(&self.delivery);
        let (page, usage) = (Arc::clone(&ended.page), ended.usage);
        let alone = if ended.accepted { self.accepted.send(ended).err().map(|refused| refused.0) } else { Some(ended) };
        if let Some(ended) = alone {
            self.tracker.spawn(async move { delivery.finish(ended).await });
        } else if let Some(usage) = usage.filter(|usage| delivery.heed(&page, *usage)) {
            self.tracker.spawn(async move { delivery.spread(&page, usage).await });
        }
    }

    /// Gives back whoever waited for a place until it was too late to start.
    pub(super) fn give_up_late(&self) {
        self.give_back(Flight::is_late);
    }

    /// Gives back everybody who waits for a place.
    pub(super) fn give_up_all(&self) {
        self.give_back(|_| true);
    }

    /// How long somebody who waits for a place can wait at most, if anybody does.
    pub(super) fn patience(&self) -> Option<Duration> {
        self.places.ask_first(|flight| flight.gate.left())
    }

    fn give_back(&self, whom: impl Fn(&Flight) -> bool) {
        self.places.give_up(whom).into_iter().for_each(|waiting| self.record(waiting.given_back()));
    }
}

impl Flight {
    /// Whether it is too late to start.
    fn is_late(&self) -> bool {
        self.gate.left().is_zero()
    }

    /// Nothing of it has left, and nothing will.
    fn given_back(self) -> Ended {
        self.gate.close();
        self.ended(Sent::GIVEN_BACK)
    }

    fn ended(self, sent: Sent) -> Ended {
        let Self { page, claim, probes, unrecorded, .. } = self;
        let accepted = sent.ending.as_ref().is_some_and(|ending| matches!(ending.outcome, Outcome::Accepted { .. }));
        let (attempt, usage) = (claim.attempt, sent.usage);
        Ended { page, attempt, accepted, probes, usage, signal: report(&claim, sent), _unrecorded: unrecorded }
    }
}
