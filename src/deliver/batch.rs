//! Sending in batches: who may be claimed between and in the ticks of the job that sends.
//!
//! A tick opens a batch for whoever has opted in by then, as a row that every node sees. The keeper looks at those rows,
//! and at the backlog: whoever could not be sent to by waiting for the ticks to come, at the rate the claim allows the
//! page then and counting everybody more urgent, may be claimed at once. What it finds is kept in [`Reaches`], where the claim reads it:
//! nothing of this is computed on the way of a send.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Pages, Reaching};
use crate::clock::Clock;
use crate::domain::budget::Budget;
use crate::domain::capacity::Capacity;
use crate::domain::forecast::{self, Bucket};
use crate::domain::ids::PageId;
use crate::domain::job::TaskReport;
use crate::domain::reach::Reach;
use crate::domain::time::Timestamp;
use crate::domain::window::Window;
use crate::store::batches::Batch;
use crate::store::report::PageRow;
use crate::store::{Result, Store};

/// How much of a page's rate a plan for the next ticks may count on: ticks begin a little late and slowly.
const COUNTED_ON: f64 = 0.8;
/// How late a tick may begin.
const LATE: Duration = Duration::from_secs(10);
/// Into how many buckets the window is cut.
const BUCKETS: u32 = 1440;
/// How far ahead of our clock an opt-in may be dated.
const AHEAD: Duration = Duration::from_mins(10);
/// How often a tick looks whether its batch is done.
const LOOK: Duration = Duration::from_millis(250);
/// A tick waits for whoever is tried again so soon.
const SOON: Duration = Duration::from_secs(30);

/// When batches of a page will be sent: from, until; in order. Empty where nobody here knows.
pub type Ticks = Arc<dyn Fn(&PageId, Timestamp) -> Vec<(Timestamp, Timestamp)> + Send + Sync>;

/// How far claims may reach, page by page.
#[derive(Debug, Default)]
pub struct Reaches(RwLock<HashMap<PageId, Reach>>);

impl Reaches {
    /// For the claim. A page that was not looked at yet reaches nobody.
    #[must_use]
    pub fn reaching(self: &Arc<Self>) -> Reaching {
        let reaches = Arc::clone(self);
        Arc::new(move |page| reaches.of(page))
    }

    fn of(&self, page: &PageId) -> Reach {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(page).copied().unwrap_or(Reach::NOBODY)
    }

    /// Puts a page's reach. Returns whether it reaches further than before.
    fn put(&self, page: &PageId, reach: Reach) -> bool {
        let old = self.0.write().unwrap_or_else(PoisonError::into_inner).insert(page.clone(), reach);
        let old = old.unwrap_or(Reach::NOBODY);
        reach.fresh > old.fresh || reach.tried > old.tried
    }
}

/// Keeps the gate of batches.
#[derive(Clone)]
pub struct Keeper {
    /// The store.
    pub store: Store,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The pages.
    pub pages: Pages,
    /// The window and its margins.
    pub window: Window,
    /// When batches will be sent.
    pub ticks: Ticks,
    /// Where nobody knows when, or the backlog cannot be read: whose hard stop is so near is sent to.
    pub at_risk: Duration,
    /// How often to look.
    pub poll_interval: Duration,
    /// What is found.
    pub reaches: Arc<Reaches>,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("at_risk", &self.at_risk).field("reaches", &self.reaches).finish_non_exhaustive()
    }
}

impl Keeper {
    /// Looks again and again, until told to stop. A look that is dear is taken more rarely.
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let began = self.clock.boot();
            if let Err(error) = self.look().await {
                tracing::warn!(error = error.chain(), "the backlog cannot be read; whoever is at risk is sent to");
                self.fall_back();
            }
            let took = self.clock.boot().saturating_sub(began);
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(self.poll_interval.max(took * 10)) => {}
            }
        }
    }

    /// Looks at every page once.
    ///
    /// # Errors
    /// Where the store cannot be read; what was found before stays.
    pub async fn look(&self) -> Result<()> {
        let now = self.clock.now();
        let pages = self.pages.borrow().clone();
        let ids: Vec<PageId> = pages.iter().map(|page| page.id.clone()).collect();
        let (batches, rows) = (self.store.batches().await?, self.store.pages().await?);
        let width = (self.window.window / BUCKETS).max(Duration::from_millis(10));
        let backlog = self.store.backlog(&ids, self.window.cutoff(now), now.plus(AHEAD), width).await?;
        let mut further = false;
        for page in pages.iter() {
            let row = rows.iter().find(|row| row.page == page.id);
            let capacity = self.capacity(&page.id, page.budget, row, now);
            let waiting = backlog.get(&page.id).map_or(&[] as &[Bucket], Vec::as_slice);
            let batch =
                batches.iter().find(|batch| batch.page == page.id).map_or(Reach::NOBODY, |batch| open(batch, now));
            further |= self.reaches.put(&page.id, batch.or(forecast::urgent(waiting, &self.window, &capacity, now)));
        }
        if further {
            self.store.work().ring();
        }
        Ok(())
    }

    /// What the ticks to come can send.
    fn capacity(&self, page: &PageId, budget: Budget, row: Option<&PageRow>, now: Timestamp) -> Capacity {
        let mut ticks = (self.ticks)(page, now);
        for (from, _) in &mut ticks {
            *from = from.plus(LATE);
        }
        if ticks.is_empty() {
            ticks.push((now.plus(self.at_risk), Timestamp::LATEST));
        }
        let stopped_until = row.map_or(now, |row| row.stopped_until().max(now));
        let used = row.map(|row| row.used).unwrap_or_default();
        used.capacity(budget, now).share(COUNTED_ON).only(&ticks).not_before(stopped_until)
    }

    /// Without the backlog nobody knows who can wait: whoever is at risk cannot.
    fn fall_back(&self) {
        let near = self.window.cutoff(self.clock.now().plus(self.at_risk));
        for page in self.pages.borrow().iter() {
            let reach = self.reaches.of(&page.id).or(Reach { fresh: near, tried: near });
            self.reaches.put(&page.id, reach);
        }
        self.store.work().ring();
    }

    /// The task `send-batch`: opens a batch of each page for whoever has opted in by now, and waits until it is sent,
    /// or until told to end: then nobody new is claimed, and what has left is awaited.
    ///
    /// # Errors
    /// Where the store refuses; the batch then closes by itself when its time is over.
    pub async fn send(&self, chosen: &[PageId], timeout: Duration, end: CancellationToken) -> Result<TaskReport> {
        let up_to = self.clock.now();
        let known = self.pages.borrow().iter().map(|page| page.id.clone()).collect::<Vec<_>>();
        let pages: Vec<PageId> = known.into_iter().filter(|id| chosen.is_empty() || chosen.contains(id)).collect();
        let waiting = self.waiting(&pages, up_to).await?;
        self.store.open_batch(pages.clone(), up_to, up_to.plus(timeout)).await?;
        self.look().await?;
        self.store.work().ring();
        let mut cut_short = false;
        while self.left(&pages, up_to).await? {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = end.cancelled() => {
                    cut_short = true;
                    break;
                }
            }
        }
        let now = self.clock.now();
        self.store.close_batch(pages.clone(), up_to, self.window.cutoff(now), now).await?;
        self.look().await?;
        let left = self.waiting(&pages, up_to).await?;
        let report = TaskReport::of([("waited", waiting), ("left", left)]);
        Ok(TaskReport { cut_short: cut_short && left > 0, ..report })
    }

    async fn waiting(&self, pages: &[PageId], up_to: Timestamp) -> Result<u64> {
        let (cutoff, mut waiting) = (self.window.cutoff(self.clock.now()), 0);
        for page in pages {
            waiting += self.store.batch_waiting(page, cutoff, up_to).await?;
        }
        Ok(waiting)
    }

    async fn left(&self, pages: &[PageId], up_to: Timestamp) -> Result<bool> {
        let now = self.clock.now();
        for page in pages {
            if self.store.batch_left(page, self.window.cutoff(now), up_to, now.plus(SOON)).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whom a batch reaches.
fn open(batch: &Batch, now: Timestamp) -> Reach {
    let fresh = if now < batch.open_until { batch.up_to } else { Timestamp::from_ms(0) };
    Reach { fresh, tried: batch.up_to }
}
