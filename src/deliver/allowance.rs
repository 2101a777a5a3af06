//! What the platform's usage headers ask for: slower from 80 %, a pause at 100. Kept in the store, because every node
//! draws on the same allowance.

use super::{Delivery, Page};
use crate::domain::allowance::Used;
use crate::domain::budget::USED_UP;
use crate::domain::ids::PageId;
use crate::domain::time::Timestamp;
use crate::messenger::usage::Usage;

impl Delivery {
    /// Heeds what an answer's headers say. Whether the other nodes must hear of it.
    pub(super) fn heed(&self, page: &Page, usage: Usage) -> bool {
        self.metrics.usage(page.id.as_str(), usage.percent);
        let now = self.clock.now();
        self.pace.heed(&page.id, Used { percent: usage.percent, at: now }, now) || usage.regain.is_some()
    }

    /// Tells the other nodes. All pages draw on the app's allowance: used up, every one of them waits.
    pub(super) async fn spread(&self, page: &Page, usage: Usage) {
        let now = self.clock.now();
        self.note(&page.id, usage, now).await;
        if usage.app >= USED_UP {
            let app = Usage { percent: usage.app, regain: None, ..usage };
            let pages = self.pages.borrow().clone();
            for other in pages.iter().filter(|other| other.id != page.id) {
                self.pace.heed(&other.id, Used { percent: app.percent, at: now }, now);
                self.note(&other.id, app, now).await;
            }
        }
    }

    async fn note(&self, page: &PageId, usage: Usage, now: Timestamp) {
        let kept = self.store.note_usage(page, usage.percent, usage.regain, now);
        if let Err(error) = kept.await {
            // The next answer says it again.
            tracing::debug!(page = %page, error = error.chain(), "the usage is not kept");
        }
    }
}
