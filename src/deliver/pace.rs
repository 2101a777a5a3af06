//! Slow start: after the start of the process, and after a page was stopped, its sends begin one at a time, and each
//! acceptance doubles how many may be under way. Whatever is wrong for everybody is then met by one person, not by a
//! whole flight of them.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use crate::domain::allowance::Used;
use crate::domain::ids::PageId;
use crate::domain::time::Timestamp;

/// How fast this node goes for each page.
#[derive(Debug)]
pub struct Pace {
    /// From here on a page is no longer slowed.
    full: usize,
    pages: Mutex<HashMap<PageId, Stride>>,
    /// The pages that are being probed here.
    probing: Mutex<HashSet<PageId>>,
}

#[derive(Debug, Clone, Copy)]
struct Stride {
    limit: usize,
    under_way: usize,
    /// How much of its allowance the page has used.
    used: Used,
}

const FIRST: Stride = Stride { limit: 1, under_way: 0, used: Used { percent: 0, at: Timestamp::from_ms(0) } };

impl Pace {
    /// Every page begins slowly; one with `full` under way is at full speed.
    #[must_use]
    pub fn new(full: usize) -> Self {
        Self { full, pages: Mutex::default(), probing: Mutex::default() }
    }

    /// How many more attempts of a page may start.
    #[must_use]
    pub fn room(&self, page: &PageId) -> usize {
        self.with(
            page,
            |stride, full| {
                if stride.limit >= full { usize::MAX } else { stride.limit.saturating_sub(stride.under_way) }
            },
        )
    }

    /// Attempts of a page have started.
    pub(super) fn started(&self, page: &PageId, count: usize) {
        self.with(page, |stride, _| stride.under_way += count);
    }

    /// An attempt of a page has ended and is recorded. Returns whether the page was slowed: then others may start now.
    pub fn ended(&self, page: &PageId, accepted: bool) -> bool {
        self.with(page, |stride, full| {
            stride.under_way = stride.under_way.saturating_sub(1);
            let slowed = stride.limit < full;
            if accepted && slowed {
                stride.limit = stride.limit.saturating_mul(2);
            }
            slowed
        })
    }

    /// Something stopped a page: it begins again.
    pub(super) fn stopped(&self, page: &PageId) {
        self.with(page, |stride, _| stride.limit = 1);
    }

    /// How much of its allowance a page has used.
    pub(super) fn used(&self, page: &PageId) -> Used {
        self.with(page, |stride, _| stride.used)
    }

    /// Goes by a page's usage from now on. Returns whether that is news to the others.
    pub fn heed(&self, page: &PageId, used: Used, now: Timestamp) -> bool {
        self.with(page, |stride, _| {
            let news = used.is_news(stride.used, now);
            if news {
                stride.used = used;
            }
            news
        })
    }

    /// Begins to probe a page, unless this node does already.
    pub(super) fn begin_probe(&self, page: &PageId) -> bool {
        self.probing.lock().unwrap_or_else(PoisonError::into_inner).insert(page.clone())
    }

    /// The probe is over.
    pub(super) fn end_probe(&self, page: &PageId) {
        self.probing.lock().unwrap_or_else(PoisonError::into_inner).remove(page);
    }

    fn with<T>(&self, page: &PageId, change: impl FnOnce(&mut Stride, usize) -> T) -> T {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        match pages.get_mut(page) {
            Some(stride) => change(stride, self.full),
            None => change(pages.entry(page.clone()).or_insert(FIRST), self.full),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_begins_with_one_and_doubles_with_each_acceptance() {
        let (slow, page) = (Pace::new(8), PageId::new("1").unwrap());
        let mut rooms = Vec::new();
        for _ in 0..4 {
            rooms.push(slow.room(&page));
            slow.started(&page, 1);
            slow.ended(&page, true);
        }
        assert_eq!(rooms, [1, 2, 4, usize::MAX]);
        assert!(!slow.ended(&page, true), "a page at full speed needs no bell");
    }

    #[test]
    fn a_usage_that_is_news_is_kept_page_by_page() {
        let (slow, page, other) = (Pace::new(8), PageId::new("1").unwrap(), PageId::new("2").unwrap());
        let at = Timestamp::from_ms(1_790_000_000_000);
        let news = [60, 81, 81, 95].map(|percent| slow.heed(&page, Used { percent, at }, at));
        assert_eq!(news, [false, true, false, true]);
        assert_eq!((slow.used(&page), slow.used(&other).percent), (Used { percent: 95, at }, 0));
    }

    #[test]
    fn failures_keep_it_at_one_and_a_stop_begins_again() {
        let (slow, page, other) = (Pace::new(8), PageId::new("1").unwrap(), PageId::new("2").unwrap());
        for _ in 0..9 {
            assert_eq!(slow.room(&page), 1);
            slow.started(&page, 1);
            assert_eq!(slow.room(&page), 0);
            assert!(slow.ended(&page, false));
        }
        slow.started(&page, 1);
        slow.ended(&page, true);
        assert_eq!((slow.room(&page), slow.room(&other)), (2, 1));
        slow.stopped(&page);
        assert_eq!(slow.room(&page), 1);
    }
}
