//! What a check found: one thing, how bad it is, and what to do about it. The task `check-pages` turns findings into
//! alerts, `firstword doctor` prints them.

use serde::Serialize;

use super::ids::PageId;
use super::words::words;

words! {
    /// What was looked at.
    Kind {
        /// The configuration file and what it leaves open.
        Config = "config",
        /// The files that hold secrets.
        Secrets = "secrets",
        /// The database: reachable, its engine, its schema.
        Database = "database",
        /// Whether the platform answers at all.
        Platform = "platform",
        /// A page's access token: valid, the page's own, not about to end.
        Token = "token",
        /// What the token may do.
        Permission = "permission",
        /// Whether our app gets the page's webhooks.
        Subscription = "subscription",
        /// The version of the Graph API.
        GraphVersion = "graph_version",
        /// How far the platform's clock is from ours.
        ClockSkew = "clock_skew",
        /// The first message.
        Template = "template",
        /// When the platform last called.
        WebhookSilence = "webhook_silence",
        /// Whether the page may send now.
        Hold = "hold",
        /// What the latest failed requests were told.
        Sends = "sends",
        /// What testers ask for most.
        Testing = "testing",
    }
}

words! {
    /// How bad it is; the worst is the greatest.
    Severity {
        /// As it should be.
        Ok = "ok",
        /// It works, or nobody can say that it does not; somebody should look.
        Warning = "warning",
        /// It does not work, or soon will not.
        Problem = "problem",
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub kind: Kind,
    /// How bad it is.
    pub severity: Severity,
    /// The page it concerns; `None` for all of them, or none.
    #[serde(rename = "page_id")]
    pub page: Option<PageId>,
    /// What was found. Never a secret, never a person.
    pub what: String,
    /// What to do; empty where nothing needs to be done.
    pub remedy: String,
}

impl Finding {
    /// All is well.
    #[must_use]
    pub fn ok(kind: Kind, what: impl Into<String>) -> Self {
        Self { kind, severity: Severity::Ok, page: None, what: what.into(), remedy: String::new() }
    }

    /// Somebody should look.
    #[must_use]
    pub fn warning(kind: Kind, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { kind, severity: Severity::Warning, page: None, what: what.into(), remedy: remedy.into() }
    }

    /// Something does not work, or soon will not.
    #[must_use]
    pub fn problem(kind: Kind, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { severity: Severity::Problem, ..Self::warning(kind, what, remedy) }
    }

    /// The same about a page.
    #[must_use]
    pub fn of(self, page: &PageId) -> Self {
        Self { page: Some(page.clone()), ..self }
    }
}

/// The worst of several; fine where there are none.
#[must_use]
pub fn worst<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Severity {
    findings.into_iter().map(|finding| finding.severity).max().unwrap_or(Severity::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_decides() {
        let fine = Finding::ok(Kind::Token, "is valid");
        let odd = Finding::warning(Kind::ClockSkew, "is 40s", "run NTP");
        assert_eq!(worst([]), Severity::Ok);
        assert_eq!(worst([&odd, &fine]), Severity::Warning);
        assert_eq!(
            worst([&fine, &Finding::problem(Kind::Token, "is over", "make a new one"), &odd]),
            Severity::Problem
        );
    }
}
