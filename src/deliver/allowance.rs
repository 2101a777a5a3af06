//! What the platform's usage headers ask for: slower from 80 %, a pause at 100. Kept in the store, because every node
//! draws on the same allowance.

use super::{Delivery, Page};
use crate::messenger::usage::Usage;

impl Delivery {
    /// Heeds what an answer's headers say, and tells the other nodes where it matters to them.
    pub(super) async fn heed(&self, page: &Page, usage: Usage) {
        self.metrics.usage(page.id.as_str(), usage.percent);
        if !self.pace.heed(&page.id, usage.percent) && usage.regain.is_none() {
            return;
        }
        let kept = self.store.note_usage(&page.id, usage.percent, usage.regain, self.clock.now());
        if let Err(error) = kept.await {
            // The next answer says it again.
            tracing::debug!(page = %page.id, error = error.chain(), "the usage is not kept");
        }
    }
}
