//! The places in flight, who waits for one, and how many people may be claimed for them.
//!
//! A claim takes about as long as a few answers do, and waits besides until what was asked of the store before it is
//! done. While it is under way places come free, and would stay empty until the next one: so a claim asks for twice as
//! many people more as were answered between two claims lately, who wait for their places, most urgent first. Where the
//! platform is slow few are answered, and few are claimed ahead.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// How long a claim under load waits for more room than for one.
const GATHER: Duration = Duration::from_micros(500);
/// How many are claimed ahead for each person answered between two claims lately: one for the time of the claim, and one
/// for that of the record it waits for.
const AHEAD: usize = 2;
/// How many are claimed ahead for each place in flight, at most.
const MOST_AHEAD: usize = 2;

/// The places in flight of one loop, and whoever waits for one of them.
#[derive(Debug)]
pub(super) struct Places<W> {
    most: usize,
    inner: Mutex<Inner<W>>,
    /// How many places came free since the last claim.
    answered: AtomicUsize,
    /// The most that came free between two claims lately. Answers come in bursts, as the requests went.
    lately: AtomicUsize,
    /// Rings when there is more room.
    freed: Notify,
}

#[derive(Debug)]
struct Inner<W> {
    taken: usize,
    /// How many were claimed and have not come yet.
    expected: usize,
    /// The first come first.
    waiting: VecDeque<W>,
}

/// One place, free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place<W> {
    places: Arc<Places<W>>,
    is_free: bool,
}

impl<W> Places<W> {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            inner: Mutex::new(Inner { taken: 0, expected: 0, waiting: VecDeque::new() }),
            answered: AtomicUsize::new(0),
            lately: AtomicUsize::new(0),
            freed: Notify::new(),
        })
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
        let inner = self.inner();
        (self.most + ahead).saturating_sub(inner.taken + inner.expected + inner.waiting.len())
    }

    /// Somebody was claimed and will [come](Self::come) for a place.
    pub(super) fn expect(&self) {
        self.inner().expected += 1;
    }

    /// Somebody who was [expected](Self::expect) is here. Where no place is free they wait, and are handed on by whoever
    /// [gives theirs up](Place::pass_on).
    pub(super) fn come(self: &Arc<Self>, who: W) -> Option<(Place<W>, W)> {
        let mut inner = self.inner();
        inner.expected -= 1;
        if inner.taken == self.most {
            inner.waiting.push_back(who);
            return None;
        }
        inner.taken += 1;
        Some((Place { places: Arc::clone(self), is_free: false }, who))
    }

    /// Takes out whoever waits at the head of the queue and has waited for too long.
    pub(super) fn give_up(&self, too_long: impl Fn(&W) -> bool) -> Vec<W> {
        let mut inner = self.inner();
        let count = inner.waiting.iter().take_while(|who| too_long(who)).count();
        let gone: Vec<W> = inner.waiting.drain(..count).collect();
        drop(inner);
        if !gone.is_empty() {
            self.freed.notify_one();
        }
        gone
    }

    /// What the first in the queue says, if anybody waits.
    pub(super) fn ask_first<T>(&self, ask: impl Fn(&W) -> T) -> Option<T> {
        self.inner().waiting.front().map(ask)
    }

    /// Waits until somebody can be claimed, and a moment longer for more: under load places come free one after the
    /// other, and many of them should share one claim.
    pub(super) async fn come_free(&self) {
        self.free(1).await;
        _ = tokio::time::timeout(GATHER, self.free((self.most / 4).max(1))).await;
    }

    async fn free(&self, several: usize) {
        while self.room(self.for_so_many(self.answered.load(Ordering::Relaxed))) < several {
            self.freed.notified().await;
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner<W>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W> Place<W> {
    /// Gives the place to whoever waits longest; it is free if nobody does.
    pub(super) fn pass_on(mut self) -> Option<(Self, W)> {
        let mut inner = self.places.inner();
        let next = inner.waiting.pop_front();
        if next.is_none() {
            // Under the same lock: whoever comes now must not wait for a place that nobody will pass on.
            inner.taken -= 1;
            self.is_free = true;
        }
        drop(inner);
        self.places.answered.fetch_add(1, Ordering::Relaxed);
        // Last: whoever is woken must see the room there is now.
        self.places.freed.notify_one();
        next.map(|who| (self, who))
    }
}

impl<W> Drop for Place<W> {
    fn drop(&mut self) {
        if !self.is_free {
            self.places.inner().taken -= 1;
            self.places.freed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(most: usize, come: usize) -> Arc<Places<usize>> {
        let places = Places::new(most);
        (0..come).for_each(|_| places.expect());
        places
    }

    #[test]
    fn twice_as_many_are_claimed_ahead_as_were_answered() {
        let places = places(2, 0);
        assert_eq!((places.ahead(), places.room(0)), (0, 2));
        (0..2).for_each(|_| places.expect());
        assert_eq!(places.room(0), 0, "both places are spoken for");
        let (first, second) = (places.come(1).unwrap().0, places.come(2).unwrap().0);
        assert_eq!((places.room(0), places.ahead()), (0, 0));
        assert!(first.pass_on().is_none() && second.pass_on().is_none());
        let ahead = places.ahead();
        assert_eq!((ahead, places.room(ahead)), (4, 6));
        assert_eq!((places.ahead(), places.ahead()), (2, 0), "a burst is soon forgotten");
        assert_eq!(places.for_so_many(1000), 4, "however fast the platform is");
    }

    #[test]
    fn a_place_goes_to_whoever_waits_longest() {
        let places = places(1, 4);
        let (place, first) = places.come(1).unwrap();
        assert!((2..=4).all(|who| places.come(who).is_none()));
        assert_eq!((first, places.room(3), places.room(4)), (1, 0, 1));
        let (place, second) = place.pass_on().unwrap();
        let (place, third) = place.pass_on().unwrap();
        assert_eq!((second, third, places.room(0)), (2, 3, 0));
        let (place, fourth) = place.pass_on().unwrap();
        assert_eq!((fourth, place.pass_on().is_none(), places.room(0)), (4, true, 1));
    }

    #[test]
    fn whoever_waits_too_long_is_taken_out() {
        let places = places(1, 4);
        let _place = places.come(1).unwrap();
        assert!((2..=4).all(|who| places.come(who).is_none()));
        assert_eq!(places.ask_first(|who| *who), Some(2));
        assert_eq!(places.give_up(|who| *who != 3), [2], "only from the head of the queue");
        assert_eq!(places.give_up(|_| true), [3, 4]);
        assert_eq!(places.ask_first(|who| *who), None);
        assert_eq!(places.room(1), 1);
    }

    #[tokio::test]
    async fn a_place_that_comes_free_wakes_whoever_waits_for_room() {
        let places = places(1, 1);
        let place = places.come(1);
        tokio::join!(places.come_free(), async { drop(place) });
        assert_eq!(places.room(0), 1);
    }
}
