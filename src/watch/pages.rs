//! The task `check-pages`: asks the platform about every page, and turns what it finds into alerts, one for each page
//! and kind.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
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
        self.tell(&findings).await?;
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

    async fn tell(&self, findings: &[Finding]) -> Result<()> {
        for finding in findings.iter().filter(|finding| finding.severity != Severity::Ok) {
            let Some(alert) = alert(finding.kind) else { continue };
            let page = finding.page.as_ref().map(PageId::as_str);
            let (check, severity) = (finding.kind.as_str(), finding.severity.as_str());
            tracing::warn!(
                page,
                check,
                severity,
                what = finding.what,
                remedy = finding.remedy,
                "a check found something"
            );
            self.store.raise(alert, page.unwrap_or(EVERYWHERE).to_owned(), 1, self.clock.now()).await?;
        }
        Ok(())
    }
}

/// The alert that a finding raises.
const fn alert(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Platform => "platform_unreachable",
        Kind::Token => "token_expiring",
        Kind::Permission => "permission_missing",
        Kind::Subscription => "subscription_missing",
        Kind::GraphVersion => "graph_version",
        Kind::ClockSkew => "clock_skew",
        Kind::WebhookSilence => "webhook_silence",
        _ => return None,
    })
}
