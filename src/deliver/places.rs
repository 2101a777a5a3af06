//! The places in flight, and how many people may be claimed for them.
//!
//! A claim takes about as long as a few answers do, and waits besides until what was asked of the store before it is
//! done. While it is under way places come free, and would stay empty until the next one: so a claim asks for twice as
//! many people more as were answered between two claims lately, who wait for their places, most urgent first. Where the
//! platform is slow few are answered, and few are claimed ahead.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::messenger::gate::Gate;

/// How long a claim under load waits for more room than for one.
const GATHER: Duration = Duration::from_micros(500);
/// How many are claimed ahead for each person answered between two claims lately: one for the time of the claim, and one
/// for that of the record it waits for.
const AHEAD: usize = 2;
/// How many are claimed ahead for each place in flight, at most.
const MOST_AHEAD: usize = 2;

/// The places in flight of one loop.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    free: Arc<Semaphore>,
    /// How many were claimed and have no place yet.
    waiting: AtomicUsize,
    /// How many places came free since the last claim.
    answered: AtomicUsize,
    /// The most that came free between two claims lately. Answers come in bursts, as the requests went.
    lately: AtomicUsize,
    /// Rings when one does.
    freed: Notify,
}

/// One place, free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place<'p> {
    places: &'p Places,
    _permit: OwnedSemaphorePermit,
}

/// One person's wait for a place.
struct Waiting<'p>(&'p Places);

impl Places {
    pub(super) fn new(most: usize) -> Self {
        let free = Arc::new(Semaphore::new(most));
        Self {
            most,
            free,
            waiting: AtomicUsize::new(0),
            answered: AtomicUsize::new(0),
            lately: AtomicUsize::new(0),
            freed: Notify::new(),
        }
    }

    /// Begins a round of claims: how many may be claimed ahead in it. What was seen once counts less from round to round.
    pub(super) fn ahead(&self) -> usize {
        let (answered, lately) = (self.answered.swap(0, Ordering::Relaxed), self.lately.load(Ordering::Relaxed));
        let lately = answered.max(lately - lately.div_ceil(8));
        self.lately.store(lately, Ordering::Relaxed);
        self.for_so_many(lately)
    }

    /// How many are claimed ahead where so many were answered between two claims.
    fn for_so_many(&self, answered: usize) -> usize {
        (answered * AHEAD).min(self.most * MOST_AHEAD)
    }

    /// How many may be claimed now, of whom so many ahead.
    pub(super) fn room(&self, ahead: usize) -> usize {
        (self.free.available_permits() + ahead).saturating_sub(self.waiting.load(Ordering::Relaxed))
    }

    /// Somebody was claimed and will want a place.
    pub(super) fn expect(&self) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits for the place of somebody who was [expected](Self::expect). None if their gate closes first: because they
    /// were stopped, or because no place came free in time.
    pub(super) async fn take(&self, gate: &Gate) -> Option<Place<'_>> {
        let _waiting = Waiting(self);
        let permit = tokio::select! {
            biased;
            permit = Arc::clone(&self.free).acquire_owned() => permit.ok()?,
            _ = gate.timed_out() => return None,
        };
        Some(Place { places: self, _permit: permit })
    }

    /// Waits until somebody can be claimed, and a moment longer for more: under load places come free one after the
    /// other, and many of them should share one claim.
    pub(super) async fn come_free(&self) {
        self.come(1).await;
        _ = tokio::time::timeout(GATHER, self.come((self.most / 4).max(1))).await;
    }

    async fn come(&self, several: usize) {
        while self.room(self.for_so_many(self.answered.load(Ordering::Relaxed))) < several {
            self.freed.notified().await;
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.places.answered.fetch_add(1, Ordering::Relaxed);
        self.places.freed.notify_one();
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, SystemClock};
    use crate::domain::time::Timestamp;

    fn gate(start_within: Duration) -> Gate {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let since = clock.boot();
        Gate::new(clock, since, start_within, Timestamp::LATEST)
    }

    #[tokio::test]
    async fn twice_as_many_are_claimed_ahead_as_were_answered() {
        let (places, gate) = (Places::new(2), gate(Duration::from_mins(1)));
        assert_eq!((places.ahead(), places.room(0)), (0, 2));
        (0..2).for_each(|_| places.expect());
        assert_eq!(places.room(0), 0, "both places are spoken for");
        let (first, second) = (places.take(&gate).await, places.take(&gate).await);
        assert_eq!((places.room(0), places.ahead()), (0, 0));
        drop((first, second));
        let ahead = places.ahead();
        assert_eq!((ahead, places.room(ahead)), (4, 6));
        assert_eq!((places.ahead(), places.ahead()), (2, 0), "a burst is soon forgotten");
        assert_eq!(places.for_so_many(1000), 4, "however fast the platform is");
    }

    #[tokio::test]
    async fn whoever_is_stopped_or_waits_too_long_gets_no_place() {
        let places = Places::new(1);
        places.expect();
        let _taken = places.take(&gate(Duration::from_mins(1))).await.unwrap();
        let stopped = gate(Duration::from_mins(1));
        stopped.close();
        for gate in [stopped, gate(Duration::from_millis(20))] {
            places.expect();
            assert!(places.take(&gate).await.is_none());
            assert!(gate.is_refused());
        }
        assert_eq!(places.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_place_that_comes_free_wakes_whoever_waits_for_room() {
        let (places, gate) = (Places::new(1), gate(Duration::from_mins(1)));
        places.expect();
        let place = places.take(&gate).await;
        tokio::join!(places.come_free(), async { drop(place) });
        assert_eq!(places.room(0), 1);
    }
}
