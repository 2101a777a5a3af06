//! What an import did, in numbers.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;

use super::reader::Bad;
use crate::commands::out;
use crate::domain::ids::PageId;
use crate::domain::signal::Receipt;

/// How many bad lines, and how many unknown pages, are named.
const NAMED: usize = 20;

/// The numbers. As JSON, the command's report.
#[derive(Debug, Default, Serialize)]
pub(super) struct Tally {
    pub(super) lines: u64,
    created: u64,
    duplicates: u64,
    renewed: u64,
    reopened: u64,
    pub(super) erased: u64,
    pub(super) bad: u64,
    /// Of those created or reopened, how many came after their last moment to be sent.
    arrived_late: u64,
    /// Lines for pages that are not configured here.
    unknown_page: u64,
    /// The same by page, as far as they are named.
    unknown_pages: BTreeMap<PageId, u64>,
    pub(super) last_line: u64,
    pub(super) interrupted: bool,
    seconds: f64,
    lines_per_second: f64,
    bad_lines: Vec<Named>,
}

#[derive(Debug, Serialize)]
struct Named {
    line: u64,
    reason: String,
}

impl Tally {
    /// Counts a good line.
    pub(super) fn count(&mut self, receipt: Receipt, late: bool) {
        let (number, stored) = match receipt {
            Receipt::Created(_) => (&mut self.created, true),
            Receipt::Reopened(_) => (&mut self.reopened, true),
            Receipt::Renewed(_) => (&mut self.renewed, false),
            Receipt::Erased => (&mut self.erased, false),
            Receipt::Duplicate(_) | Receipt::Refused(_) | Receipt::Applied(_) | Receipt::Unknown | Receipt::Kept => {
                (&mut self.duplicates, false)
            }
        };
        *number += 1;
        self.arrived_late += u64::from(stored && late);
    }

    /// Counts a good line of a page that is not configured.
    pub(super) fn elsewhere(&mut self, page: &PageId) {
        self.unknown_page += 1;
        if let Some(count) = self.unknown_pages.get_mut(page) {
            *count += 1;
        } else if self.unknown_pages.len() < NAMED {
            self.unknown_pages.insert(page.clone(), 1);
        }
    }

    /// Counts a bad line.
    pub(super) fn refuse(&mut self, bad: &Bad) {
        self.bad += 1;
        if self.bad_lines.len() < NAMED {
            self.bad_lines.push(Named { line: bad.line, reason: bad.reason.to_string() });
        }
    }

    /// Notes how long it took.
    pub(super) fn took(&mut self, span: Duration) {
        self.seconds = span.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate needs no more than 53 bits")]
        let lines = self.lines as f64;
        self.lines_per_second = (lines / self.seconds.max(0.001)).round();
    }

    /// Names bad lines on standard error.
    pub(super) fn tell_bad(&self) {
        for bad in &self.bad_lines {
            out::note(format_args!("line {}: {}", bad.line, bad.reason));
        }
        let unnamed = self.bad.saturating_sub(u64::try_from(self.bad_lines.len()).unwrap_or(0));
        if unnamed > 0 {
            out::note(format_args!("and {unnamed} bad lines more; --bad FILE writes them all"));
        }
    }

    /// A word on how far it is.
    pub(super) fn brief(&self) -> String {
        format!("{} lines, {} new, {} known, {} bad", self.lines, self.created, self.duplicates, self.bad)
    }

    /// All of it, for people.
    pub(super) fn summary(&self) -> String {
        let mut text = format!(
            "{} lines in {:.1} s ({} a second): {} created, {} duplicates",
            self.lines, self.seconds, self.lines_per_second, self.created, self.duplicates
        );
        let more = [("renewed", self.renewed), ("reopened", self.reopened), ("erased", self.erased), ("bad", self.bad)];
        for (word, count) in more.into_iter().filter(|(_, count)| *count > 0) {
            // Writing into a String cannot fail.
            _ = write!(text, ", {count} {word}");
        }
        if self.arrived_late > 0 {
            _ = write!(text, "\n{} came after their window and are stored as missed", self.arrived_late);
        }
        if self.unknown_page > 0 {
            let pages: Vec<_> = self.unknown_pages.keys().map(PageId::as_str).collect();
            let (count, pages) = (self.unknown_page, pages.join(", "));
            _ = write!(text, "\n{count} are for pages that are not configured here, so nothing is sent yet: {pages}");
        }
        text
    }
}
