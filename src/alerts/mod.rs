//! Floor 3: carries what waits in the outbox to whoever is to hear of it: alerts to the log, a webhook, a program; what
//! happened to opt-ins to the site. [`heartbeat`] is the other way round: an address that is called while all is well.
//!
//! The store raises alerts and queues notices; this room only carries them. A notice is taken under a lease, delivered
//! outside of any transaction, and deleted when it arrived; whoever dies in between leaves it to the next. So a notice
//! arrives at least once, in the order of its subject, whatever is killed. Nothing here is waited for by delivery.

mod command;
pub mod heartbeat;
mod sink;

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::domain::retry::{Next, Retry};
use crate::domain::time::Timestamp;
use crate::metrics::Metrics;
use crate::store::outbox::{Delivered, Taken};
use crate::store::{Result, Store};
pub use sink::{Format, Sink, Way};

/// How often to look for something to tell.
const LOOK: Duration = Duration::from_secs(1);
/// In every so many looks it is asked which alerts are over.
const END_EVERY: u32 = 5;
/// How much longer than a delivery its lease runs.
const GRACE: Duration = Duration::from_secs(30);
/// How long deliveries under way may go on after the stop; the rest is delivered after the next start.
const DRAIN: Duration = Duration::from_secs(3);
/// After so many tries a notice is dropped, however young.
const MOST_TRIES: i64 = 1000;

/// When a notice that did not arrive is tried again.
const AGAIN: Retry = Retry {
    initial_interval: Duration::from_secs(2),
    multiplier: 2.0,
    randomization_factor: 0.5,
    max_interval: Duration::from_mins(10),
};

/// Who hears, as the operator chose.
#[derive(Debug, Default)]
pub struct Hearers {
    /// Where notices go.
    pub sinks: Vec<Sink>,
    /// The dead-man's switch: an address that is called while all is well.
    pub heartbeat: Option<SecretString>,
}

/// Who hears, as it is now: a reload changes addresses and secrets.
pub type Hearing = watch::Receiver<Arc<Hearers>>;

/// Everything the courier works with.
#[derive(Debug, Clone)]
pub struct Courier {
    /// The store.
    pub store: Store,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Where notices go.
    pub hearing: Hearing,
    /// How often an alert that lasts is said again.
    pub repeat: Duration,
    /// After how much quiet an alert of single moments is over.
    pub calm_after: Duration,
    /// Metrics.
    pub metrics: Arc<Metrics>,
}

/// Carries notices until told to stop.
pub async fn run(courier: Courier, stop: CancellationToken) {
    let tracker = TaskTracker::new();
    for channel in sink::CHANNELS {
        let (courier, stop) = (courier.clone(), stop.clone());
        tracker.spawn(async move { courier.serve(channel, &stop).await });
    }
    for look in 0_u32.. {
        if stop.is_cancelled() {
            break;
        }
        if let Err(error) = courier.tend(look.is_multiple_of(END_EVERY)).await {
            tracing::debug!(error = error.chain(), "alerts wait for the database");
        }
        rest(&stop).await;
    }
    tracker.close();
    tracker.wait().await;
}

async fn rest(stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(LOOK) => {}
    }
}

impl Courier {
    /// Puts into the outbox what is to be told; where asked, ends first what is over.
    async fn tend(&self, ends: bool) -> Result<()> {
        let now = self.clock.now();
        let open = self.store.open_alerts().await?;
        self.metrics.alerts(|kind| open.iter().filter(|alert| alert.kind == kind).count());
        if ends && !open.is_empty() {
            self.store.resolve_what_is_over(now.minus(self.calm_after), now).await?;
        }
        let repeat_before = now.minus(self.repeat);
        if self.store.has_untold_alerts(repeat_before).await? {
            let hearers = self.hearers();
            let channels = hearers.sinks.iter().filter(|sink| sink.takes_alerts()).map(Sink::channel).collect();
            self.store.tell_alerts(channels, repeat_before, now).await?;
        }
        Ok(())
    }

    /// Delivers what is due on every channel, until nothing is: for a process that ends by itself.
    pub async fn finish(&self) -> Result<()> {
        self.tend(false).await?;
        for sink in &self.hearers().sinks {
            while self.round(sink, &CancellationToken::new()).await? > 0 {}
        }
        Ok(())
    }

    fn hearers(&self) -> Arc<Hearers> {
        Arc::clone(&self.hearing.borrow())
    }

    async fn serve(&self, channel: &'static str, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            // Looked up each time: what was taken goes the old way to its end, the next goes the new one.
            let hearers = self.hearers();
            let told = match hearers.sinks.iter().find(|sink| sink.channel() == channel) {
                Some(sink) => self.round(sink, stop).await,
                None => Ok(0),
            };
            match told {
                Ok(1..) => {}
                Ok(0) => rest(stop).await,
                Err(error) => {
                    tracing::debug!(channel, error = error.chain(), "notices wait for the database");
                    rest(stop).await;
                }
            }
        }
    }

    /// Takes what is due on a channel and delivers it, all at once. Returns how many there were.
    async fn round(&self, sink: &Sink, stop: &CancellationToken) -> Result<usize> {
        let (channel, now) = (sink.channel(), self.clock.now());
        if !self.store.has_notices(channel, now).await? {
            return Ok(0);
        }
        let taken = self.store.take_notices(channel, sink.width(), sink.patience() + GRACE, now).await?;
        let count = taken.len();
        let mut under_way = JoinSet::new();
        for taken in taken {
            let (sink, now) = (sink.clone(), self.clock.now());
            under_way.spawn(async move {
                let said = sink.deliver(&taken, now).await;
                (taken, said)
            });
        }
        let mut ended = Vec::new();
        let drained = async {
            stop.cancelled().await;
            tokio::time::sleep(DRAIN).await;
        };
        tokio::pin!(drained);
        loop {
            tokio::select! {
                next = under_way.join_next() => match next {
                    None => break,
                    Some(Ok((taken, said))) => ended.push(self.judged(sink, taken, said)),
                    // It panicked: its lease ends, and it is taken again.
                    Some(Err(error)) => tracing::error!(channel, %error, "a delivery broke"),
                },
                () = &mut drained => break,
            }
        }
        // What is still under way is cut off, and comes again when its lease is over.
        self.store.end_notices(channel, ended, self.clock.now()).await?;
        Ok(count)
    }

    fn judged(&self, sink: &Sink, taken: Taken, said: std::result::Result<(), String>) -> (Taken, Delivered) {
        let Err(why) = said else { return (taken, Delivered::Yes) };
        let (now, attempt) = (self.clock.now(), taken.attempt);
        let next = again(&taken, sink.give_up_after(), now, fastrand::u64(..));
        tracing::warn!(channel = sink.channel(), attempt, why, dropped = next.is_none(), "a notice did not arrive");
        let delivered = next.map_or_else(|| Delivered::Never(why.clone()), |at| Delivered::Later(at, why.clone()));
        (taken, delivered)
    }
}

/// When a notice is tried again; `None` where it is too old, or was tried too often.
fn again(taken: &Taken, give_up_after: Duration, now: Timestamp, random: u64) -> Option<Timestamp> {
    if taken.attempt >= MOST_TRIES {
        return None;
    }
    match AGAIN.next(taken.attempt, now, taken.created_at.plus(give_up_after), None, random) {
        Next::At(at) => Some(at),
        Next::GiveUp => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_are_bounded_by_age_and_number() {
        let created_at = Timestamp::from_ms(1_780_000_000_000);
        let taken = |attempt| Taken { id: 1, attempt, event: None, body: String::new(), created_at };
        let day = Duration::from_hours(24);
        let (mut now, mut attempt) = (created_at, 1);
        while let Some(at) = again(&taken(attempt), day, now, u64::MAX / 2) {
            assert!(at > now && at < created_at.plus(day));
            (now, attempt) = (at, attempt + 1);
        }
        assert!(now > created_at.plus(day).minus(Duration::from_secs(5)), "it gave up at {now}");
        assert!((140..200).contains(&attempt), "{attempt} tries in a day");
        assert_eq!(again(&taken(MOST_TRIES), day, created_at, 0), None);
    }
}
