//! How an alert is told: the same to programs, as JSON, and to people, as a line.

use serde::Serialize;

use super::{Alert, Kind};
use crate::domain::finding::Severity;
use crate::domain::time::Timestamp;
use crate::domain::words::words;

words! {
    /// What a notice says of its alert.
    Step {
        /// It is new.
        Raised = "raised",
        /// It lasts.
        Repeated = "repeated",
        /// It is over.
        Resolved = "resolved",
        /// It is no alert, but news: nothing follows.
        Reported = "reported",
    }
}

/// How an alert is told to programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// The same for every notice of one alert.
    pub alert: i64,
    /// What happened to it.
    pub event: Step,
    /// What kind.
    pub kind: Kind,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about.
    pub cause: String,
    /// What is known of it.
    pub detail: String,
    /// What to do.
    pub remedy: &'static str,
    /// When it was first raised; RFC 3339.
    pub first_at: String,
    /// When it was last raised.
    pub last_at: String,
    /// When it ended.
    pub resolved_at: Option<String>,
    /// How often it was raised, or how many it concerns.
    pub times: i64,
    /// All of it in one line, for people.
    pub text: String,
}

impl Notice {
    /// What is told of an alert: its number, what happened to it, when it was first and last raised, and when it ended.
    #[must_use]
    pub fn of(
        number: i64,
        event: Step,
        alert: Alert,
        (first_at, last_at): (Timestamp, Timestamp),
        resolved_at: Option<Timestamp>,
    ) -> Self {
        let Alert { kind, cause, detail, times } = alert;
        let notice = Self {
            alert: number,
            event,
            kind,
            severity: kind.severity(),
            cause,
            detail,
            remedy: kind.remedy(),
            first_at: first_at.to_string(),
            last_at: last_at.to_string(),
            resolved_at: resolved_at.map(|at| at.to_string()),
            times,
            text: String::new(),
        };
        Self { text: notice.line(), ..notice }
    }

    /// One line for people.
    fn line(&self) -> String {
        let word = match self.event {
            Step::Raised => self.severity.as_str().to_uppercase(),
            Step::Repeated => format!("STILL {}", self.severity.as_str().to_uppercase()),
            Step::Resolved => "RESOLVED".to_owned(),
            Step::Reported => "REPORT".to_owned(),
        };
        let times = if self.times > 1 { format!(" ({} times)", self.times) } else { String::new() };
        let detail = if self.detail.is_empty() { String::new() } else { format!(": {}", self.detail) };
        let over = matches!(self.event, Step::Resolved | Step::Reported);
        let remedy = if over { String::new() } else { format!(". {}", self.remedy) };
        format!("{word} {}: {}, {}{times}{detail}{remedy}", self.kind, self.kind.title(), self.cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_it_is_about_and_what_to_do() {
        let alert = Alert::new(Kind::Missed, "page 1001", "the latest for hard_stop").times(3);
        let at = Timestamp::from_ms(1_780_000_000_000);
        let mut notice = Notice::of(7, Step::Raised, alert, (at, at), None);
        assert_eq!(notice.text, notice.line());
        let line = notice.line();
        let begin = "PROBLEM missed: opt-ins missed their hard stop, page 1001 (3 times): the latest for hard_stop. ";
        assert!(line.starts_with(begin) && line.contains("optin list --state missed"), "{line}");
        (notice.event, notice.times) = (Step::Resolved, 1);
        assert_eq!(
            notice.line(),
            "RESOLVED missed: opt-ins missed their hard stop, page 1001: the latest for hard_stop"
        );
    }
}
