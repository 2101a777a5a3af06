//! What the daemon keeps an eye on beside its work: the store's clock, and how many are in which state.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, SystemClock};
use crate::domain::optin::State;
use crate::lifecycle;
use crate::metrics::Metrics;
use crate::pulse::Pulse;
use crate::store::{self, Store};
use crate::watch::foresight::Foresight;

/// How often the store's clock is read.
const SAMPLE: Duration = Duration::from_secs(5);
/// How often it is noted that the delivery loop goes round.
const BEAT: Duration = Duration::from_secs(10);
/// How often opt-ins are counted for the metrics and the status line.
const COUNT: Duration = Duration::from_secs(30);

pub(super) async fn sample(store: &Store, clock: &SystemClock, pulse: &Pulse) -> store::Result<()> {
    // A file's clock is the machine's: only a shared database has one of its own.
    if store.is_shared() {
        let before = clock.boot();
        let now = store.time().await?;
        let after = clock.boot();
        clock.adopt(now, before + after.saturating_sub(before) / 2);
    }
    pulse.sampled(clock.boot());
    Ok(())
}

pub(super) async fn keep_time(store: Store, clock: Arc<SystemClock>, pulse: Arc<Pulse>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = sample(&store, &clock, &pulse).await {
            tracing::debug!(error = error.chain(), "the database's clock cannot be read");
        }
        stop.run_until_cancelled(tokio::time::sleep(SAMPLE)).await;
    }
}

/// Notes in the database that the delivery loop goes round, for whoever asks from outside.
pub(super) async fn note_beats(
    store: Store,
    clock: Arc<dyn Clock>,
    pulse: Arc<Pulse>,
    node: String,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        if pulse.silence(clock.boot()) < BEAT
            && let Err(error) = store.note_beat(node.clone(), clock.now()).await
        {
            tracing::debug!(error = error.chain(), "the beat cannot be noted");
        }
        stop.run_until_cancelled(tokio::time::sleep(BEAT)).await;
    }
}

/// Counts for the metrics and the status line.
pub(super) async fn count(store: Store, clock: Arc<dyn Clock>, metrics: Arc<Metrics>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let began = clock.boot();
        if let Ok(counts) = store.counts().await {
            let of =
                |state: State| counts.iter().filter(|count| count.state == state).map(|count| count.count).sum::<u64>();
            let waiting = counts.iter().filter(|count| count.state.is_waiting());
            let earliest = waiting.map(|count| store.policy().window.hard_stop(count.earliest)).min();
            metrics.counted(of, earliest.map(|stop| stop.since(clock.now())));
            let open = of(State::New) + of(State::Pending) + of(State::Retrying) + of(State::Sending);
            let alerts = store.open_alerts().await.map_or(0, |alerts| alerts.len());
            lifecycle::status(&format!(
                "{open} to send, {} sent, {} answered, {} uncertain, {} missed; {alerts} alerts",
                of(State::Sent),
                of(State::Answered),
                of(State::Uncertain),
                of(State::Missed)
            ));
        }
        if let Ok(doubts) = store.doubts(clock.now().minus(store.policy().settle_after)).await {
            metrics.doubts(doubts.iter().map(|page| (page.page.as_str(), page.held)));
        }
        until_next_look(clock.as_ref(), began, &stop).await;
    }
}

/// Looks ahead for the metrics.
pub(super) async fn foresee(
    foresight: Foresight,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        let began = clock.boot();
        match foresight.look(clock.now()).await {
            Ok(pages) => {
                for page in pages.iter() {
                    metrics.foreseen(page.page.as_str(), page.forecast.will_miss);
                }
            }
            Err(error) => tracing::debug!(error = error.chain(), "nobody can look ahead"),
        }
        until_next_look(clock.as_ref(), began, &stop).await;
    }
}

/// Waits until it is time to look again. A look that is dear is taken more rarely.
async fn until_next_look(clock: &dyn Clock, began: Duration, stop: &CancellationToken) {
    let took = clock.boot().saturating_sub(began);
    stop.run_until_cancelled(tokio::time::sleep(COUNT.max(took * 10))).await;
}
