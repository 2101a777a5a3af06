//! A job: which task, when, in which zone.

use std::time::Duration;

use super::schedule::Schedule;
use crate::domain::ids::PageId;
use crate::domain::job::Task;

/// What to do about ticks nobody ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatchUp {
    /// Nothing: the next one will do.
    Skip,
    /// Run the latest.
    Latest,
    /// Run them all.
    All,
}

/// One job.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Its name: one job, one name, one history.
    pub name: String,
    /// The file it was read from.
    pub file: String,
    /// What it does.
    pub task: Task,
    /// When.
    pub schedule: Schedule,
    /// Whether the daemon runs it. `firstword job run` does either way.
    pub enabled: bool,
    /// What to do about ticks nobody ran.
    pub catch_up: CatchUp,
    /// How long a run may take.
    pub timeout: Duration,
    /// The pages it is for; empty for all.
    pub pages: Vec<PageId>,
}

impl Spec {
    /// Whether it is for a page.
    #[must_use]
    pub fn serves(&self, page: &PageId) -> bool {
        self.pages.is_empty() || self.pages.contains(page)
    }
}
