//! The task `check-pages`: asks the platform about every page, and turns what it finds into alerts, one for each page
//! and kind.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::domain::alert::{Alert, Kind as Alarm};
use crate::domain::checkup::{Asked, Expected, Look, judge, silence};
use crate::domain::finding::{Finding, Kind, Severity};
use crate::domain::ids::PageId;
use crate::domain::job::TaskReport;
use crate::store::{Result, Store};

/// The cause of an alert that concerns every page.
const EVERYWHERE: &str = "webhooks";

/// After so many pages in a row the platform is away for all of them; the others are not asked about.
const UNANSWERED: u32 = 3;

/// A look under way; `None` where the page left the configuration meanwhile.
pub type Looking = Pin<Box<dyn Future<Output = Option<Look>> + Send>>;
/// How a page is looked at. A value, so that a test can stand in for the platform.
pub type LookAt = Arc<dyn Fn(PageId) -> Looking + Send + Sync>;
/// The pages that are configured now.
pub type PageIds = Arc<dyn Fn() -> Vec<PageId> + Send + Sync>;

/// Everything the check of pages works with.
#[derive(Clone)]
pub struct PageWatch {
    /// The store.
    pub store: Store,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The pages.
    pub pages: PageIds,
    /// How one is looked at.
    pub look: LookAt,
    /// What it is compared with.
    pub expected: Expected,
    /// How long no webhook may come.
    pub webhook_silence: Duration,
}

impl std::fmt::Debug for PageWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PageWatch").field("expected", &self.expected).finish_non_exhaustive()
    }
}

impl PageWatch {
    /// Looks at every page, raises what is wrong and resolves what no longer is.
    pub async fn check(&self) -> Result<TaskReport> {
        let pages = (self.pages)();
        let findings = self.findings(&pages).await?;
        self.tell(&pages, &findings).await?;
        let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
        let number = |count| u64::try_from(count).unwrap_or(u64::MAX);
        Ok(TaskReport::of([
            ("pages", number(pages.len())),
            ("warnings", number(count(Severity::Warning))),
            ("problems", number(count(Severity::Problem))),
        ]))
    }

    /// What is found, page by page; the platform's silence last.
    pub async fn findings(&self, pages: &[PageId]) -> Result<Vec<Finding>> {
        let (mut findings, mut unanswered) = (Vec::new(), 0);
        for page in pages {
            let Some(look) = (self.look)(page.clone()).await else { continue };
            findings.extend(judge(page, &look, &self.expected, self.clock.now()));
            unanswered = if matches!(look.owner, Asked::Nothing(_)) { unanswered + 1 } else { 0 };
            if unanswered == UNANSWERED {
                break;
            }
        }
        findings.push(silence(&self.store.heard().await?, self.webhook_silence, self.clock.now()));
        Ok(findings)
    }

    /// Raises what is wrong, one alert for each page and kind, and ends what no longer is. What could not be judged
    /// this time stays as it was.
    async fn tell(&self, pages: &[PageId], findings: &[Finding]) -> Result<()> {
        let now = self.clock.now();
        let mut alerts: BTreeMap<Alarm, Vec<Alert>> = ALARMS.iter().map(|(_, alarm)| (*alarm, Vec::new())).collect();
        for finding in findings.iter().filter(|finding| finding.severity != Severity::Ok) {
            let Some((_, alarm)) = ALARMS.iter().find(|(kind, _)| *kind == finding.kind) else { continue };
            let cause = finding.page.as_ref().map_or(EVERYWHERE, PageId::as_str);
            let alert = Alert::new(*alarm, cause, format!("{}; {}", finding.what, finding.remedy));
            alerts.entry(*alarm).or_default().push(alert);
        }
        for open in self.store.open_alerts().await? {
            let Some((kind, alarm)) = ALARMS.iter().find(|(_, alarm)| *alarm == open.kind) else { continue };
            let Some(page) = pages.iter().find(|page| page.as_str() == open.cause) else { continue };
            let judged = findings.iter().any(|finding| finding.kind == *kind && finding.page.as_ref() == Some(page));
            if !judged && *kind != Kind::Platform {
                let same = Alert::new(*alarm, open.cause, open.detail).times(open.times);
                alerts.entry(*alarm).or_default().push(same);
            }
        }
        for (alarm, alerts) in alerts {
            self.store.restate(alarm, alerts, now).await?;
        }
        Ok(())
    }
}

/// The alerts that findings raise.
const ALARMS: [(Kind, Alarm); 7] = [
    (Kind::Platform, Alarm::PlatformUnreachable),
    (Kind::Token, Alarm::TokenExpiring),
    (Kind::Permission, Alarm::PermissionMissing),
    (Kind::Subscription, Alarm::SubscriptionMissing),
    (Kind::GraphVersion, Alarm::GraphVersion),
    (Kind::ClockSkew, Alarm::ClockSkew),
    (Kind::WebhookSilence, Alarm::WebhookSilence),
];
