//! Attempts whose end nobody knows, once evidence has had its time: policy settles them, or they are held for an
//! operator, who is alerted.

use super::{BATCH, Upkeep};
use crate::domain::ids::PageId;
use crate::domain::job::TaskReport;
use crate::domain::policy::UncertainPolicy;
use crate::domain::signal::{Receipt, Signal, Tick};
use crate::domain::time::Timestamp;
use crate::store::Result;
use crate::store::doubt::Doubt;

impl Upkeep {
    /// The pass and the task `settle-uncertain`: gives a message more to whom policy grants it, and makes the alerts
    /// agree with what stays held. Reports how many were `again` let go, and how many are `held`.
    pub async fn settle_uncertain(&self, now: Timestamp) -> Result<TaskReport> {
        let policy = self.store.policy();
        let by = now.minus(policy.settle_after);
        let mut again = 0;
        for page in self.store.doubts(by).await?.into_iter().filter(|page| page.held > 0) {
            again += match policy.uncertain {
                UncertainPolicy::Resend => self.send_again(&page.page, by, now).await?,
                UncertainPolicy::Hold | UncertainPolicy::Evidence => 0,
            };
        }
        let held = self.store.doubts(by).await?.iter().map(|page| page.held).sum();
        self.store.alert_doubts(by, now).await?;
        Ok(TaskReport::of([("again", again), ("held", held)]))
    }

    /// Everybody on the page who may have a message more gets it.
    async fn send_again(&self, page: &PageId, by: Timestamp, now: Timestamp) -> Result<u64> {
        let (mut last, mut again): (Option<Doubt>, u64) = (None, 0);
        loop {
            let doubts = self.store.open_doubts(page, by, last.as_ref(), now, BATCH).await?;
            let signal = |doubt: &Doubt| Signal::Time { optin: doubt.optin, tick: Tick::SendAgain(doubt.attempt) };
            let receipts = self.store.record(doubts.iter().map(signal).collect(), now).await?;
            again +=
                u64::try_from(receipts.iter().filter(|one| matches!(one, Receipt::Applied(_))).count()).unwrap_or(0);
            match doubts.last() {
                Some(doubt) => last = Some(*doubt),
                None => return Ok(again),
            }
        }
    }
}
