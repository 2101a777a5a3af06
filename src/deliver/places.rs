//! The places in flight, who waits for one, and how many people may be claimed for them.
//!
//! A claim takes about as long as a few answers do, and waits besides until what was asked of the store before it is
//! done. While it is under way places come free, and would stay empty until the next one: so a claim asks for people
//! ahead, some for each that was answered between two claims lately, who wait for their places, most urgent first. Where
//! the platform is far away few are answered meanwhile, and few are claimed ahead.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::abreast::Abreast;

/// How long a claim under load waits for more room than for one.
const GATHER: Duration = Duration::from_micros(500);
/// How many are claimed ahead for each person answered between two claims lately: one for the time of the claim, one for
/// that of the record it waits for, and as many again, since some claims and records take twice as long as others.
const AHEAD: usize = 4;
/// How many are claimed ahead for each place in flight, at most.
const MOST_AHEAD: usize = 8;

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
    /// How many may be taken.
    open: Abreast,
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

/// Who goes next.
#[derive(Debug)]
pub(super) struct Onward<W> {
    /// With the place that was passed on.
    pub(super) next: Option<(Place<W>, W)>,
    /// With another that was opened.
    pub(super) other: Option<(Place<W>, W)>,
}

impl<W> Places<W> {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            inner: Mutex::new(Inner { taken: 0, open: Abreast::new(most), expected: 0, waiting: VecDeque::new() }),
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
        (inner.open.now() + ahead).saturating_sub(inner.taken + inner.expected + inner.waiting.len())
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
        if inner.taken >= inner.open.now() {
            inner.waiting.push_back(who);
            return None;
        }
        inner.taken += 1;
        Some((self.place(), who))
    }

    fn place(self: &Arc<Self>) -> Place<W> {
        Place { places: Arc::clone(self), is_free: false }
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
    /// Gives the place to whoever waits longest; it is free if nobody does, or if it is closed. An answer that was long in
    /// coming, after `took`, may have opened another place, with somebody for it.
    pub(super) fn pass_on(mut self, took: Option<Duration>) -> Onward<W> {
        let mut inner = self.places.inner();
        if let Some(took) = took {
            inner.open.answered(took);
        }
        let next = if inner.taken <= inner.open.now() { inner.waiting.pop_front() } else { None };
        let other = if inner.taken < inner.open.now() { inner.waiting.pop_front() } else { None };
        // Under the same lock: whoever comes now must not wait for a place that nobody will pass on.
        inner.taken = inner.taken + usize::from(other.is_some()) - usize::from(next.is_none());
        drop(inner);
        self.is_free = next.is_none();
        self.places.answered.fetch_add(1, Ordering::Relaxed);
        // Last: whoever is woken must see the room there is now.
        self.places.freed.notify_one();
        let other = other.map(|who| (self.places.place(), who));
        Onward { next: next.map(|who| (self, who)), other }
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
    fn more_are_claimed_ahead_than_were_answered() {
        let places = places(2, 0);
        assert_eq!((places.ahead(), places.room(0)), (0, 2));
        (0..2).for_each(|_| places.expect());
        assert_eq!(places.room(0), 0, "both places are spoken for");
        let (first, second) = (places.come(1).unwrap().0, places.come(2).unwrap().0);
        assert_eq!((places.room(0), places.ahead()), (0, 0));
        assert!(first.pass_on(None).next.is_none() && second.pass_on(None).next.is_none());
        let ahead = places.ahead();
        assert_eq!((ahead, places.room(ahead)), (8, 10));
        assert_eq!((places.ahead(), places.ahead()), (4, 0), "a burst is soon forgotten");
        assert_eq!(places.for_so_many(1000), 16, "however fast the platform is");
    }

    #[test]
    fn a_place_goes_to_whoever_waits_longest() {
        let places = places(1, 4);
        let (place, first) = places.come(1).unwrap();
        assert!((2..=4).all(|who| places.come(who).is_none()));
        assert_eq!((first, places.room(3), places.room(4)), (1, 0, 1));
        let (place, second) = place.pass_on(None).next.unwrap();
        let (place, third) = place.pass_on(None).next.unwrap();
        assert_eq!((second, third, places.room(0)), (2, 3, 0));
        let (place, fourth) = place.pass_on(None).next.unwrap();
        assert_eq!((fourth, place.pass_on(None).next.is_none(), places.room(0)), (4, true, 1));
    }

    #[test]
    fn answers_at_once_close_places_and_late_ones_open_them_for_whoever_waits() {
        const MOST: usize = 64;
        let places = places(MOST, 1000);
        let mut taken: VecDeque<_> = (0..1000).filter_map(|who| places.come(who)).collect();
        assert_eq!(taken.len(), MOST);
        let mut gone = 0;
        let mut answer = |took, count| {
            for _ in 0..count {
                let (place, _) = taken.pop_front().unwrap();
                let Onward { next, other } = place.pass_on(Some(took));
                taken.extend([next, other].into_iter().flatten());
                gone += 1;
            }
            (taken.len(), gone + taken.len() + places.inner().waiting.len())
        };
        assert_eq!(answer(Duration::ZERO, 50), (24, 1000), "nobody was lost");
        assert_eq!(answer(Duration::from_secs(1), 511), (24, 1000));
        assert_eq!(answer(Duration::from_secs(1), 8), (32, 1000), "each answer opens one place more");
        assert_eq!(answer(Duration::from_secs(1), 100), (MOST, 1000));
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
