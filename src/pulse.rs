//! Floor 2: the pulse of the process. The loops beat; health checks and the watchdog feel for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// When the loops were last seen alive, in boot time.
#[derive(Debug, Default)]
pub struct Pulse {
    delivery: AtomicU64,
    store_time: AtomicU64,
}

impl Pulse {
    /// The delivery loop is alive.
    pub fn beat(&self, boot: Duration) {
        self.delivery.store(ms(boot), Ordering::Relaxed);
    }

    /// The store's clock was read.
    pub fn sampled(&self, boot: Duration) {
        self.store_time.store(ms(boot), Ordering::Relaxed);
    }

    /// How long the delivery loop has been silent.
    #[must_use]
    pub fn silence(&self, boot: Duration) -> Duration {
        Duration::from_millis(ms(boot).saturating_sub(self.delivery.load(Ordering::Relaxed)))
    }

    /// How old the last reading of the store's clock is.
    #[must_use]
    pub fn sample_age(&self, boot: Duration) -> Duration {
        Duration::from_millis(ms(boot).saturating_sub(self.store_time.load(Ordering::Relaxed)))
    }
}

fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
