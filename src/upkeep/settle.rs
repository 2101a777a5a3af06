//! Attempts whose end nobody knows, once evidence has had its time: policy settles them, or they are held for an
//! operator, who is alerted.

use super::{BATCH, Upkeep};
use crate::domain::alert::{Alert, Kind};
use crate::domain::evidence::{against, against_one};
use crate::domain::ids::PageId;
use crate::domain::job::TaskReport;
use crate::domain::policy::UncertainPolicy;
use crate::domain::signal::{Receipt, Signal, Tick};
use crate::domain::time::Timestamp;
use crate::store::Result;
use crate::store::doubt::{Doubt, Doubts};

impl Upkeep {
    /// The pass and the task `settle-uncertain`: gives a message more to whom policy grants it, and makes the alerts
    /// agree with what stays held. Reports how many were let go `again`, and how many are `held`.
    pub async fn settle_uncertain(&self, now: Timestamp) -> Result<TaskReport> {
        let policy = self.store.policy();
        let by = now.minus(policy.settle_after);
        self.store.count_echoes(now).await?;
        let mut again = 0;
        for page in self.store.doubts(by).await?.into_iter().filter(|page| page.held > 0) {
            let hopeful = match policy.uncertain {
                UncertainPolicy::Hold => false,
                UncertainPolicy::Resend => true,
                UncertainPolicy::Evidence => against(&self.store.echoes(&page.page).await?, &policy, now).is_empty(),
            };
            if hopeful {
                again += self.send_again(&page.page, by, now).await?;
            }
        }
        let held = self.alert_held(by, now).await?;
        Ok(TaskReport::of([("again", again), ("held", held)]))
    }

    /// One alert for each page that holds doubts, with their number. Returns how many are held in all.
    async fn alert_held(&self, by: Timestamp, now: Timestamp) -> Result<u64> {
        let held: Vec<Doubts> = self.store.doubts(by).await?.into_iter().filter(|page| page.held > 0).collect();
        let alert = |page: &Doubts| {
            let detail = format!("{} opt-ins, the oldest since {}", page.held, page.since);
            Alert::new(Kind::UncertainHeld, page.page.as_str(), detail)
                .times(i64::try_from(page.held).unwrap_or(i64::MAX))
        };
        self.store.restate(Kind::UncertainHeld, held.iter().map(alert).collect(), now).await?;
        Ok(held.iter().map(|page| page.held).sum())
    }

    /// Everybody on the page for whom nothing stands against it gets a message more.
    async fn send_again(&self, page: &PageId, by: Timestamp, now: Timestamp) -> Result<u64> {
        let (mut last, mut again): (Option<Doubt>, u64) = (None, 0);
        loop {
            let doubts = self.store.open_doubts(page, by, last.as_ref(), now, BATCH).await?;
            let Some(doubt) = doubts.last() else { return Ok(again) };
            last = Some(*doubt);
            let mut signals = Vec::new();
            for doubt in doubts {
                if self.is_free(page, &doubt).await? {
                    signals.push(Signal::Time { optin: doubt.optin, tick: Tick::SendAgain(doubt.attempt) });
                }
            }
            let receipts = self.store.record(signals, now).await?;
            let applied = receipts.iter().filter(|receipt| matches!(receipt, Receipt::Applied(_))).count();
            again += u64::try_from(applied).unwrap_or(0);
        }
    }

    async fn is_free(&self, page: &PageId, doubt: &Doubt) -> Result<bool> {
        Ok(match self.store.policy().uncertain {
            UncertainPolicy::Hold => false,
            UncertainPolicy::Resend => true,
            UncertainPolicy::Evidence => against_one(&self.store.around(page, doubt).await?).is_empty(),
        })
    }
}
