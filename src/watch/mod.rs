//! Floor 3: looking out for deadlines; [`pages`] looks after tokens, subscriptions and clocks.

pub mod pages;

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::domain::ids::OptInId;
use crate::domain::job::TaskReport;
use crate::domain::time::Timestamp;
use crate::store::{Result, Store};

/// Where the last look ended, as `milliseconds:id`.
const CURSOR: &str = "watch_deadlines_cursor";
const BATCH: i64 = 500;

/// Everything the watch works with.
#[derive(Debug, Clone)]
pub struct Watch {
    /// The store.
    pub store: Store,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// How long before its hard stop an opt-in that still waits is at risk.
    pub at_risk: Duration,
}

impl Watch {
    /// The task `watch-deadlines`: tells of every miss since the last look, once, and counts who is at risk.
    pub async fn deadlines(&self) -> Result<TaskReport> {
        let now = self.clock.now();
        let missed = self.tell_misses(now).await?;
        let at_risk = self.count_at_risk(now).await?;
        Ok(TaskReport::of([("missed", missed), ("at_risk", at_risk)]))
    }

    async fn tell_misses(&self, now: Timestamp) -> Result<u64> {
        let stored = self.store.setting(CURSOR).await?;
        let mut cursor = stored.as_deref().and_then(read_cursor).unwrap_or((Timestamp::EARLIEST, OptInId(0)));
        let mut told = 0;
        loop {
            let misses = self.store.missed_since(cursor.0, cursor.1, BATCH).await?;
            let Some(last) = misses.last() else { return Ok(told) };
            cursor = (last.at, last.optin);
            for miss in &misses {
                let reason = miss.reason.as_deref().unwrap_or("unknown");
                tracing::error!(page = %miss.page, optin = %miss.optin, reason, at = %miss.at, "deadline missed");
            }
            for page in misses.iter().map(|miss| &miss.page).collect::<std::collections::BTreeSet<_>>() {
                let count = misses.iter().filter(|miss| miss.page == *page).count();
                self.store.raise("missed", page.to_string(), i64::try_from(count).unwrap_or(1), now).await?;
            }
            self.store.keep_setting(CURSOR, format!("{}:{}", cursor.0.ms(), cursor.1)).await?;
            told += u64::try_from(misses.len()).unwrap_or(0);
        }
    }

    async fn count_at_risk(&self, now: Timestamp) -> Result<u64> {
        let window = self.store.policy().window;
        let (gone, risky) = (window.cutoff(now), window.cutoff(now.plus(self.at_risk)));
        let mut total = 0;
        for page in self.store.pages().await? {
            let count = self.store.pending_between(&page.page, gone, risky).await?;
            if count > 0 {
                let within = crate::domain::span::show(self.at_risk);
                tracing::warn!(page = %page.page, count, within, "opt-ins wait and their hard stop is near");
            }
            total += count;
        }
        Ok(total)
    }
}

fn read_cursor(text: &str) -> Option<(Timestamp, OptInId)> {
    let (at, id) = text.split_once(':')?;
    Some((Timestamp::from_ms(at.parse().ok()?), OptInId(id.parse().ok()?)))
}
