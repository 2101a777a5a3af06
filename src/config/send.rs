//! `[send]`: how the sending loop runs.

use std::time::Duration;

use super::section::Section;

/// How the sending loop runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Send {
    /// When people are sent to.
    pub mode: Mode,
    /// The most requests under way at once, over all pages of this node.
    pub max_in_flight: usize,
    /// How often the database is looked at when nothing rings.
    pub poll_interval: Duration,
}

/// When people are sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// As they opt in.
    Continuous,
    /// When a job says so, and before that whoever could not wait for the next time.
    Batch,
}

/// Reads the section, and the longest time between a claim and the first byte of its body.
pub(super) fn read(section: &mut Section<'_>) -> (Send, Duration) {
    let words = [("continuous", Mode::Continuous), ("batch", Mode::Batch)];
    let poll = Duration::from_millis(50)..=Duration::from_mins(1);
    let send = Send {
        mode: section.choice("mode", &words, Mode::Continuous),
        max_in_flight: section.int_in("max_in_flight", 1..=1000, 64),
        poll_interval: section.span("poll_interval", poll, Duration::from_secs(1)),
    };
    let start = Duration::from_millis(100)..=Duration::from_secs(30);
    (send, section.span("start_within", start, Duration::from_secs(2)))
}
