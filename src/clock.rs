//! The only place that reads a clock. Everything else is told the time.
//!
//! *Store time* is the time all nodes agree on: the database's clock where several share one, the machine's own where
//! the database is a file. It runs on the boot-time clock, which goes on during suspend and is never set, so that a
//! wall clock stepped by somebody cannot make a lease or a deadline jump while we run.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use crate::domain::time::{Timestamp, millis};

/// Tells the time.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Store time, for everything that is stored or compared with something stored.
    fn now(&self) -> Timestamp;

    /// Time since the machine started, suspend included: for measuring how long something took.
    fn boot(&self) -> Duration;

    /// Takes over the database's clock, read at boot time `read_at`.
    fn adopt(&self, store_now: Timestamp, read_at: Duration);
}

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    /// Store time minus boot time, in milliseconds.
    offset: AtomicI64,
}

impl SystemClock {
    /// Anchors store time to the wall clock, until a database says otherwise.
    #[must_use]
    pub fn new() -> Self {
        Self { offset: AtomicI64::new(wall().ms() - millis(boot())) }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(millis(boot()) + self.offset.load(Ordering::Relaxed))
    }

    fn boot(&self) -> Duration {
        boot()
    }

    fn adopt(&self, store_now: Timestamp, read_at: Duration) {
        self.offset.store(store_now.ms() - millis(read_at), Ordering::Relaxed);
    }
}

/// A clock that stands still until it is told to move.
#[derive(Debug)]
pub struct ManualClock {
    now: AtomicI64,
    start: Timestamp,
}

impl ManualClock {
    /// A clock that shows `start`.
    #[must_use]
    pub fn at(start: Timestamp) -> Self {
        Self { now: AtomicI64::new(start.ms()), start }
    }

    /// Moves it on.
    pub fn advance(&self, by: Duration) {
        self.now.fetch_add(millis(by), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.now.load(Ordering::SeqCst))
    }

    fn boot(&self) -> Duration {
        self.now().since(self.start)
    }

    fn adopt(&self, _: Timestamp, _: Duration) {}
}

fn boot() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[expect(clippy::disallowed_methods, reason = "this is the module that may")]
fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(millis(since))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn store_time_follows_the_database() {
        let clock = SystemClock::new();
        let database = clock.now().plus(Duration::from_mins(10));
        clock.adopt(database, clock.boot());
        let ahead = clock.now().since(database);
        assert!(ahead < Duration::from_secs(5), "{ahead:?}");
        assert!(clock.now() >= database);
    }
}
