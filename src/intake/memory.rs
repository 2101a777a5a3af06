//! What intake remembers from one request to the next: enough to say a thing once instead of a thousand times. Nothing
//! here names a person, and every part of it is bounded.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::ids::PageId;
use crate::domain::time::Timestamp;

/// How many bad signatures in [`WINDOW`] are more than noise.
const MANY: u64 = 5;
/// The time in which they are counted.
const WINDOW: Duration = Duration::from_mins(10);
/// The least time between two words about the same thing.
const QUIET: Duration = Duration::from_mins(1);
/// How many different things of one sort are remembered.
const MOST: usize = 256;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    forged: HashMap<&'static str, Forged>,
    sources: HashSet<String>,
    told: HashMap<String, Timestamp>,
}

/// Bad signatures under one secret.
#[derive(Debug, Clone, Copy)]
struct Forged {
    since: Timestamp,
    count: u64,
    untold: i64,
    told_at: Option<Timestamp>,
}

impl Memory {
    /// Counts a well-formed signature that does not hold under this secret. `Some` once they are more than noise, at
    /// most once a minute: how many there were since the last word.
    pub(super) fn bad_signature(&self, secret: &'static str, now: Timestamp) -> Option<i64> {
        let mut inner = self.lock();
        let forged = inner.forged.entry(secret).or_insert(Forged { since: now, count: 0, untold: 0, told_at: None });
        if now.since(forged.since) > WINDOW {
            (forged.since, forged.count) = (now, 0);
        }
        forged.count += 1;
        forged.untold += 1;
        let quiet = forged.told_at.is_some_and(|told| now.since(told) < QUIET);
        if forged.count < MANY || quiet {
            return None;
        }
        forged.told_at = Some(now);
        Some(std::mem::take(&mut forged.untold))
    }

    /// Of these, the sources that were not noted yet.
    pub(super) fn new_sources(&self, sources: impl IntoIterator<Item = String>) -> Vec<String> {
        let inner = self.lock();
        sources.into_iter().filter(|source| !inner.sources.contains(source)).collect()
    }

    /// Notes a source. Once there are many, they are no longer told apart: somebody counts up.
    pub(super) fn know_source(&self, source: String) {
        let mut inner = self.lock();
        if inner.sources.len() < MOST {
            inner.sources.insert(source);
        }
    }

    /// Whether it is time to look at this page's unlinked replies (again).
    pub(super) fn may_look(&self, page: &PageId, now: Timestamp) -> bool {
        self.may_tell(format!("unlinked {page}"), now)
    }

    /// Whether it is time to say this (again).
    pub(super) fn may_tell(&self, what: String, now: Timestamp) -> bool {
        let mut inner = self.lock();
        if inner.told.get(&what).is_some_and(|told| now.since(*told) < QUIET) {
            return false;
        }
        if inner.told.len() >= MOST {
            inner.told.retain(|_, told| now.since(*told) < QUIET);
        }
        let room = inner.told.len() < MOST;
        if room {
            inner.told.insert(what, now);
        }
        room
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_780_315_200_000);

    #[test]
    fn a_few_bad_signatures_are_noise() {
        let memory = Memory::default();
        let told = |seconds: u64| memory.bad_signature("app", NOW.plus(Duration::from_secs(seconds)));
        assert_eq!([0, 1, 2, 3].map(told), [None; 4]);
        assert_eq!(told(4), Some(5));
        assert_eq!([5, 6, 63].map(told), [None; 3], "once a minute");
        assert_eq!(told(64), Some(4));
        assert_eq!(memory.bad_signature("login", NOW), None, "each secret by itself");
        assert_eq!([700, 701, 702, 703].map(told), [None; 4], "old ones do not count");
        assert_eq!(told(704), Some(5));
    }

    #[test]
    fn the_same_is_told_once_a_minute_and_little_is_kept() {
        let memory = Memory::default();
        let later = NOW.plus(QUIET);
        assert!(memory.may_tell("a".into(), NOW) && !memory.may_tell("a".into(), NOW));
        assert!(memory.may_tell("a".into(), later));
        let told = (0..1000).filter(|n| memory.may_tell(n.to_string(), later)).count();
        assert_eq!(told, MOST - 1);
        for n in 0..1000 {
            memory.know_source(n.to_string());
        }
        assert_eq!(memory.lock().sources.len(), MOST);
        assert_eq!(memory.new_sources(["0".to_owned(), "new".to_owned()]), ["new"]);
    }
}
