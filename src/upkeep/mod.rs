//! Floor 3: what time does to opt-ins. Each pass finds whose time has come and lets the state machine decide; what it
//! returns is how many it looked at. The loop runs them whatever the jobs say; a job only adds a run.

mod settle;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::domain::ids::{AttemptId, OptInId};
use crate::domain::job::TaskReport;
use crate::domain::signal::{Signal, Tick};
use crate::domain::time::Timestamp;
use crate::store::{Result, Store};

/// How many rows a pass takes at once.
const BATCH: i64 = 500;
/// How many tombstones are written in one transaction.
const PURGE_BATCH: i64 = 200;
/// How long what could not be understood, finished job runs and ended alerts are kept.
const KEPT_RAW: Duration = Duration::from_hours(14 * 24);
/// How often the slow passes run.
const SLOW: Duration = Duration::from_secs(10);

/// Whether this process still runs an attempt.
pub type Runs = Arc<dyn Fn(AttemptId) -> bool + Send + Sync>;

/// Everything upkeep works with.
#[derive(Clone)]
pub struct Upkeep {
    /// The store.
    pub store: Store,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Whether this process still runs an attempt.
    pub runs: Runs,
    /// How often to look.
    pub poll_interval: Duration,
}

impl std::fmt::Debug for Upkeep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upkeep").field("poll_interval", &self.poll_interval).finish_non_exhaustive()
    }
}

impl Upkeep {
    /// Admits rows that came in by SQL, or whose page was not configured.
    pub async fn admit(&self, now: Timestamp) -> Result<u64> {
        let (mut after, mut seen) = (OptInId(0), 0);
        loop {
            let ids = self.store.waiting_for_admission(after, BATCH).await?;
            let Some(last) = ids.last() else { return Ok(seen) };
            after = *last;
            seen += self.tick(ids, |_| Tick::Admit, now).await?;
        }
    }

    /// Puts retries that are due back in the queue.
    pub async fn promote(&self, now: Timestamp) -> Result<u64> {
        let ids = self.store.due(now, BATCH).await?;
        self.tick(ids, |_| Tick::Due, now).await
    }

    /// Gives up on attempts that did not report within their lease. Never on one that still runs here.
    pub async fn recover(&self, now: Timestamp) -> Result<u64> {
        let mut lapsed = self.store.lapsed(now, BATCH).await?;
        lapsed.retain(|(_, attempt)| !(self.runs)(*attempt));
        let count = u64::try_from(lapsed.len()).unwrap_or(0);
        if count > 0 {
            let signal = |(optin, attempt)| Signal::Time { optin, tick: Tick::Lease(attempt) };
            self.store.record(lapsed.into_iter().map(signal).collect(), now).await?;
            tracing::warn!(count, "attempts did not report within their lease; whether they arrived is not known");
        }
        Ok(count)
    }

    /// Ends the waiting of those whose hard stop has passed.
    pub async fn miss(&self, now: Timestamp) -> Result<u64> {
        let cutoff = self.store.policy().window.cutoff(now);
        let mut seen = 0;
        for page in self.store.pages().await? {
            loop {
                let ids = self.store.past_hard_stop(&page.page, cutoff, BATCH).await?;
                if ids.is_empty() {
                    break;
                }
                seen += self.tick(ids, |_| Tick::HardStop, now).await?;
            }
        }
        Ok(seen)
    }

    /// Retires login_ids that were never answered.
    pub async fn expire(&self, now: Timestamp) -> Result<u64> {
        let since = now.minus(self.store.policy().answer_window);
        let mut seen = 0;
        loop {
            let ids = self.store.unanswered(since, BATCH).await?;
            if ids.is_empty() {
                return Ok(seen);
            }
            seen += self.tick(ids, |_| Tick::AnswerOver, now).await?;
        }
    }

    /// Deletes what its retention has outlived; tombstones stay.
    pub async fn purge(&self, now: Timestamp) -> Result<u64> {
        let before = now.minus(self.store.policy().retention);
        let mut deleted = 0;
        loop {
            match self.store.purge(before, PURGE_BATCH, now).await? {
                0 => break,
                count => deleted += count,
            }
        }
        while self.store.forget_before(now.minus(KEPT_RAW), PURGE_BATCH).await? > 0 {}
        Ok(deleted)
    }

    /// The task `expire-unanswered`: ends what nobody answered and what can no longer be sent.
    pub async fn expire_unanswered(&self, now: Timestamp) -> Result<TaskReport> {
        Ok(TaskReport::of([("missed", self.miss(now).await?), ("expired", self.expire(now).await?)]))
    }

    /// The task `purge`.
    pub async fn purge_task(&self, now: Timestamp) -> Result<TaskReport> {
        Ok(TaskReport::of([("purged", self.purge(now).await?)]))
    }

    async fn tick(&self, ids: Vec<OptInId>, tick: impl Fn(OptInId) -> Tick, now: Timestamp) -> Result<u64> {
        let count = u64::try_from(ids.len()).unwrap_or(0);
        let signals = ids.into_iter().map(|optin| Signal::Time { optin, tick: tick(optin) }).collect::<Vec<_>>();
        if count > 0 {
            self.store.apply(signals, now).await?;
        }
        Ok(count)
    }

    /// Everything that must not wait.
    async fn quick(&self, now: Timestamp) -> Result<()> {
        self.admit(now).await?;
        self.promote(now).await?;
        self.recover(now).await?;
        self.miss(now).await.map(drop)
    }

    async fn slow(&self, now: Timestamp) -> Result<()> {
        let settled = self.settle_uncertain(now).await?;
        if let Some(again) = settled.counts.get("again").filter(|again| **again > 0) {
            tracing::warn!(again, "sending once more to people whose attempt is in doubt");
        }
        let expired = self.expire(now).await?;
        let purged = self.purge(now).await?;
        if expired + purged > 0 {
            tracing::info!(expired, purged, "retired what is over");
        }
        Ok(())
    }

    /// Runs the passes until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let mut slow_at = Duration::ZERO;
        let mut failing = false;
        while !stop.is_cancelled() {
            let now = self.clock.now();
            let mut result = self.quick(now).await;
            if result.is_ok() && self.clock.boot() >= slow_at {
                slow_at = self.clock.boot() + SLOW.min(self.poll_interval * 10);
                result = self.slow(now).await;
            }
            match &result {
                // Said once when it begins; the delivery loop tells how it goes on.
                Err(error) if !failing => tracing::warn!(error = error.chain(), "upkeep waits for the database"),
                _ => {}
            }
            failing = result.is_err();
            self.rest(&stop).await;
        }
    }

    /// Until the next look: the poll interval, or sooner if a retry is due.
    async fn rest(&self, stop: &CancellationToken) {
        let due = self.store.next_due().await.ok().flatten();
        let until_due = due.map_or(self.poll_interval, |at| at.since(self.clock.now()));
        let wait = until_due.clamp(Duration::from_millis(20), self.poll_interval);
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}
