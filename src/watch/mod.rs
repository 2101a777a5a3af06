//! Floor 3: looking out for deadlines; [`pages`] looks after tokens, subscriptions and clocks, [`foresight`] looks ahead,
//! and `report` looks back on a day.
//!
//! What was missed needs nobody to look: the store raises the alert with the miss itself.

pub mod foresight;
pub mod pages;
mod report;

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::domain::alert::{Alert, Kind};
use crate::domain::forecast::Forecast;
use crate::domain::job::TaskReport;
use crate::domain::span;
use crate::domain::time::Timestamp;
use crate::store::report::Risk;
use crate::store::{Result, Store};
use foresight::{Foresight, PageForecast};

/// When the last look was, for the report: the alerts do not depend on it.
const LOOKED_AT: &str = "watch_deadlines_at";

/// Everything the watch works with.
#[derive(Debug, Clone)]
pub struct Watch {
    /// The store.
    pub store: Store,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// How long before its hard stop an opt-in that still waits is at risk.
    pub at_risk: Duration,
    /// Who will miss at the present rate.
    pub foresight: Foresight,
}

impl Watch {
    /// The task `watch-deadlines`: alerts of who is at risk and of who will miss at the present rate, page by page, and
    /// counts who was missed since the last look.
    pub async fn deadlines(&self) -> Result<TaskReport> {
        let now = self.clock.now();
        let at_risk = self.tell_risks(now).await?;
        let will_miss = self.tell_forecast(now).await?;
        let looked_at = self.store.setting(LOOKED_AT).await?.and_then(|ms| ms.parse().ok()).map(Timestamp::from_ms);
        let missed = self.store.misses_after(looked_at.unwrap_or(Timestamp::EARLIEST)).await?;
        self.store.keep_setting(LOOKED_AT, now.ms().to_string()).await?;
        Ok(TaskReport::of([("missed", missed), ("at_risk", at_risk), ("will_miss", will_miss)]))
    }

    async fn tell_risks(&self, now: Timestamp) -> Result<u64> {
        let window = self.store.policy().window;
        let risks = self.store.at_risk(window.cutoff(now.plus(self.at_risk))).await?;
        let alert = |risk: &Risk| {
            let stop = window.hard_stop(risk.earliest);
            let when = if stop > now {
                format!("the first hard stop is in {}", short(stop.since(now)))
            } else {
                format!("the first hard stop was {} ago", short(now.since(stop)))
            };
            Alert::new(Kind::AtRisk, risk.page.as_str(), format!("{} wait, {when}", risk.count))
                .times(i64::try_from(risk.count).unwrap_or(i64::MAX))
        };
        self.store.restate(Kind::AtRisk, risks.iter().map(alert).collect(), now).await?;
        Ok(risks.iter().map(|risk| risk.count).sum())
    }

    async fn tell_forecast(&self, now: Timestamp) -> Result<u64> {
        let pages = self.foresight.look(now).await?;
        let alert = |page: &PageForecast| {
            let Forecast { waiting, will_miss, first_miss, .. } = page.forecast;
            let when = first_miss.map_or_else(String::new, |at| format!(", the first in {}", short(at.since(now))));
            Alert::new(Kind::Forecast, page.page.as_str(), format!("{will_miss} of {waiting}{when}"))
                .times(i64::try_from(will_miss).unwrap_or(i64::MAX))
        };
        let missing = pages.iter().filter(|page| page.forecast.will_miss > 0);
        self.store.restate(Kind::Forecast, missing.map(alert).collect(), now).await?;
        Ok(pages.iter().map(|page| page.forecast.will_miss).sum())
    }
}

/// A duration to the second.
fn short(span: Duration) -> String {
    span::show(Duration::from_secs(span.as_secs()))
}
