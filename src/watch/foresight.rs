//! The forecast: how many will miss their hard stop at the present rate, and when the first one will.
//!
//! The present rate of a page is the least of what it may send, as the claim sees it, what it did send while people
//! waited, and nothing while it is held or was asked to wait. All of it is read on a reader and kept for a moment: nobody who sends waits for it.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use serde::Serialize;

use crate::domain::budget::Budget;
use crate::domain::capacity::Capacity;
use crate::domain::forecast::{Bucket, Forecast, forecast, in_order};
use crate::domain::ids::PageId;
use crate::domain::time::Timestamp;
use crate::domain::window::Window;
use crate::store::backlog::Recent;
use crate::store::report::PageRow;
use crate::store::{Result, Store};

/// How long a forecast is kept at the longest, and which part of the window: where windows are short it is soon old.
const KEPT: (Duration, u32) = (Duration::from_secs(10), 100);
/// Over how long the present rate is measured.
const MEASURED: Duration = Duration::from_mins(1);
/// From how many attempts on it counts as measured.
const ENOUGH: i64 = 10;
/// Failures without any success count sooner.
const ENOUGH_FAILURES: i64 = 3;
/// A page that sent this share of what it may was held back by nothing else.
const NEARLY: f64 = 0.9;
/// Into how many buckets the window is cut.
const BUCKETS: u32 = 1440;
/// How far ahead of our clock an opt-in may be dated.
const AHEAD: Duration = Duration::from_mins(10);

/// The pages that are sent for, and how fast each may by its configuration.
pub type Budgets = Arc<dyn Fn() -> Vec<(PageId, Budget)> + Send + Sync>;

/// What will happen to a page's people.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PageForecast {
    /// The page.
    pub page: PageId,
    /// What is foreseen.
    pub forecast: Forecast,
    /// Messages a second it is foreseen with, as long as nothing changes.
    pub per_second: f64,
    /// Until when nothing is sent, if something stops it.
    pub stopped_until: Option<Timestamp>,
}

/// Looks ahead.
#[derive(Clone)]
pub struct Foresight {
    /// The store.
    pub store: Store,
    /// The pages.
    pub budgets: Budgets,
    /// Whether people wait because they are to, and not because sending is slow: `[send] mode = "batch"`.
    pub batches: bool,
    kept: Arc<RwLock<Option<Kept>>>,
}

type Kept = (Timestamp, Arc<Vec<PageForecast>>);

impl std::fmt::Debug for Foresight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Foresight").field("batches", &self.batches).finish_non_exhaustive()
    }
}

impl Foresight {
    /// Looks ahead for these pages.
    #[must_use]
    pub fn new(store: Store, budgets: Budgets, batches: bool) -> Self {
        Self { store, budgets, batches, kept: Arc::default() }
    }

    /// What will happen, page by page; pages for whom nobody waits too. A look of a moment ago is good enough.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub async fn look(&self, now: Timestamp) -> Result<Arc<Vec<PageForecast>>> {
        let keep = KEPT.0.min(self.store.policy().window.window / KEPT.1);
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, forecasts)) = kept.filter(|(at, _)| *at <= now && now.since(*at) < keep) {
            return Ok(forecasts);
        }
        let forecasts = Arc::new(self.foresee(now).await?);
        *self.kept.write().unwrap_or_else(PoisonError::into_inner) = Some((now, Arc::clone(&forecasts)));
        Ok(forecasts)
    }

    async fn foresee(&self, now: Timestamp) -> Result<Vec<PageForecast>> {
        let (window, budgets) = (self.store.policy().window, (self.budgets)());
        let ids: Vec<PageId> = budgets.iter().map(|(page, _)| page.clone()).collect();
        let width = (window.window / BUCKETS).max(Duration::from_millis(10));
        let cutoff = window.cutoff(now);
        let mut backlog = self.store.backlog(&ids, cutoff, now.plus(AHEAD), width).await?;
        let (rows, recent) = (self.store.pages().await?, self.store.recent_attempts(now.minus(MEASURED)).await?);
        let mut forecasts = Vec::new();
        for (page, budget) in budgets {
            let mut waiting = backlog.remove(&page).unwrap_or_default();
            let late = self.store.batch_waiting(&page, Timestamp::EARLIEST, cutoff).await?;
            waiting.push(Bucket { from: Timestamp::EARLIEST, to: cutoff, people: late });
            let urgent = self.store.longest_wait(&page, cutoff).await?;
            let row = rows.iter().find(|row| row.page == page);
            let allowed = row.map(|row| row.used).unwrap_or_default().capacity(budget, now);
            let present = self.present(allowed, budget, recent.get(&page), urgent, now);
            forecasts.push(page_forecast(page, &in_order(waiting), &window, present, row, now));
        }
        // Nobody sends for these: all of them will be missed.
        for (page, waiting) in backlog {
            let row = rows.iter().find(|row| row.page == page);
            forecasts.push(page_forecast(page, &waiting, &window, Capacity::per_second(0.0), row, now));
        }
        forecasts.sort_unstable_by(|a, b| a.page.as_str().cmp(b.page.as_str()));
        Ok(forecasts)
    }

    /// What a page can send: what it may, less what its latest attempts say.
    fn present(
        &self,
        allowed: Capacity,
        budget: Budget,
        recent: Option<&Recent>,
        urgent: Option<Timestamp>,
        now: Timestamp,
    ) -> Capacity {
        let Some(recent) = recent else { return allowed };
        if recent.ended < ENOUGH && !(recent.accepted == 0 && recent.ended >= ENOUGH_FAILURES) {
            return allowed;
        }
        let slowed = allowed.rate_at(now) < budget.rate();
        let (ended, accepted) = (small(recent.ended), small(recent.accepted));
        let succeeding = allowed.share(accepted / ended);
        // Where the most urgent has waited all the time, nothing but the sending itself was slow.
        let busy = !self.batches && urgent.is_some_and(|since| since <= recent.since);
        let span = now.since(recent.since).as_secs_f64();
        if !busy || span < 1.0 {
            return succeeding;
        }
        // Or it was its allowance: then it may be faster once that is over.
        let seen = accepted / span;
        if slowed && seen >= succeeding.rate_at(now) * NEARLY { succeeding } else { succeeding.no_faster(seen) }
    }
}

fn page_forecast(
    page: PageId,
    waiting: &[Bucket],
    window: &Window,
    present: Capacity,
    row: Option<&PageRow>,
    now: Timestamp,
) -> PageForecast {
    let stopped_until = row.map(PageRow::stopped_until).filter(|until| *until > now);
    let per_second = present.rate_at(now);
    let forecast = forecast(waiting, window, &present.not_before(stopped_until.unwrap_or(now)), now);
    PageForecast { page, forecast, per_second, stopped_until }
}

fn small(count: i64) -> f64 {
    i32::try_from(count).map_or(f64::from(i32::MAX), f64::from)
}
