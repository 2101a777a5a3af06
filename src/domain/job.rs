//! What a job can be told to do, and what it reports.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::words::words;

words! {
    /// The work a job file can name.
    Task {
        /// One batch send.
        SendBatch = "send-batch",
        /// Look for missed and soon-missed deadlines.
        WatchDeadlines = "watch-deadlines",
        /// Look at attempts whose end nobody knows.
        SettleUncertain = "settle-uncertain",
        /// End what nobody answered and what can no longer be sent.
        ExpireUnanswered = "expire-unanswered",
        /// Delete what its retention has outlived.
        Purge = "purge",
        /// Look after tokens, subscriptions and versions.
        CheckPages = "check-pages",
        /// Say what happened in a day.
        DailyReport = "daily-report",
    }
}

/// What a run did, in numbers that have names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TaskReport {
    /// Counts by name, such as `expired = 3`.
    pub counts: BTreeMap<&'static str, u64>,
    /// Whether it was told to stop before all was done.
    pub cut_short: bool,
}

impl TaskReport {
    /// A report of one count.
    #[must_use]
    pub fn of(counts: impl IntoIterator<Item = (&'static str, u64)>) -> Self {
        Self { counts: counts.into_iter().collect(), cut_short: false }
    }

    /// Whether anything happened.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.counts.values().all(|count| *count == 0)
    }
}

impl fmt::Display for TaskReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        for (name, count) in &self.counts {
            write!(f, "{between}{name} {count}")?;
            between = ", ";
        }
        Ok(())
    }
}
