//! What one dead connection says of the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};

/// How long an answer to a statement of the main path may take: the server itself gives up after five seconds.
pub(super) const ANSWER: Duration = Duration::from_secs(8);

/// When a connection was last found dead. Whatever idled at that moment is likely to be dead too, and finding that out
/// one by one would take a time-out each.
#[derive(Debug, Clone)]
pub(super) struct Suspicion {
    start: Instant,
    /// Milliseconds since `start`; zero is never.
    at: Arc<AtomicU64>,
    /// Heard by everybody who waits for an answer when one never came.
    silence: watch::Sender<()>,
}

impl Suspicion {
    pub(super) fn none() -> Self {
        Self { start: Instant::now(), at: Arc::default(), silence: watch::Sender::new(()) }
    }

    /// Waits for an answer as long as it may take; `None`, and the suspicion is raised, if none came. Many reports that
    /// wait for the dead would leave no connection to ask the living over: with the first silence in the meantime they
    /// have the time of the main path, and no more.
    pub(super) async fn within<T>(&self, patience: Duration, answer: impl Future<Output = T>) -> Option<T> {
        let (asked, mut silence) = (Instant::now(), self.silence.subscribe());
        let given_up = async {
            // The sender is ours: there is always one.
            if timeout_at(asked + patience, silence.changed()).await.is_ok() {
                sleep_until(asked + patience.min(ANSWER)).await;
            }
        };
        tokio::select! {
            biased;
            answer = answer => Some(answer),
            () = given_up => {
                self.raise();
                self.silence.send_replace(());
                None
            }
        }
    }

    /// Raises it.
    pub(super) fn raise(&self) {
        self.raise_at(self.start.elapsed());
    }

    /// Whether a connection that has idled this long is above it.
    pub(super) fn clears(&self, idle_for: Duration) -> bool {
        self.clears_at(self.start.elapsed(), idle_for)
    }

    fn raise_at(&self, now: Duration) {
        self.at.store(u64::try_from(now.as_millis()).unwrap_or(u64::MAX).max(1), Ordering::Relaxed);
    }

    fn clears_at(&self, now: Duration, idle_for: Duration) -> bool {
        let at = self.at.load(Ordering::Relaxed);
        at == 0 || now.saturating_sub(Duration::from_millis(at)) > idle_for
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_idled_when_one_was_found_dead_is_suspect() {
        let (suspicion, second) = (Suspicion::none(), Duration::from_secs(1));
        assert!(suspicion.clears(Duration::ZERO) && suspicion.clears(3600 * second));
        suspicion.raise_at(5 * second);
        assert!(suspicion.clears_at(7 * second, second), "used since");
        assert!(!suspicion.clears_at(7 * second, 3 * second));
    }
}
