//! Alerts: what an operator must hear of. One row for each kind and cause, however many people it concerns: raised
//! once, counted, said again while it lasts, and ended with a notice.

use serde::Serialize;

use super::finding::Severity;
use super::time::Timestamp;
use super::words::words;

words! {
    /// What kind of thing is wrong. What the cause names stands in brackets.
    Kind {
        /// Opt-ins wait and their hard stop is near (page).
        AtRisk = "at_risk",
        /// At the present rate some opt-ins will miss their hard stop (page).
        Forecast = "forecast",
        /// Opt-ins missed their hard stop (page).
        Missed = "missed",
        /// Attempts of unknown end wait for an operator (page).
        UncertainHeld = "uncertain_held",
        /// Somebody got two messages (page).
        SecondMessage = "second_message",
        /// A second PSID claims a `login_id` (page).
        SecondPsid = "second_psid",
        /// A page cannot send (page).
        PageHeld = "page_held",
        /// Opt-ins wait for a page that is not configured (page).
        UnknownPage = "unknown_page",
        /// A page's token ends, or has (page).
        TokenExpiring = "token_expiring",
        /// A page's token may not do what is needed (page).
        PermissionMissing = "permission_missing",
        /// A page's webhooks do not come to us, or not all (page).
        SubscriptionMissing = "subscription_missing",
        /// The Graph API's version is near its end (page).
        GraphVersion = "graph_version",
        /// The platform does not answer (page).
        PlatformUnreachable = "platform_unreachable",
        /// No webhook came for too long (`webhooks`).
        WebhookSilence = "webhook_silence",
        /// People reply whose message nobody can name (page).
        UnlinkedReplies = "unlinked_replies",
        /// A reply says in a way nobody has seen what it answers (the way).
        ReplySource = "reply_source",
        /// Requests come with a wrong signature (the secret they were checked with).
        BadSignatures = "bad_signatures",
        /// A person's request could not be served, because a key is not set (the key).
        RequestRefused = "request_refused",
        /// Signed events could not be understood (page).
        UnparsableEvents = "unparsable_events",
        /// The platform warned a page, or stopped it, for its policies (page).
        PolicyEnforcement = "policy_enforcement",
        /// A job fails (job).
        JobFailing = "job_failing",
        /// The clocks disagree (page, or `database`).
        ClockSkew = "clock_skew",
        /// The database forgot what it knew (`database`).
        StoreRewound = "store_rewound",
        /// A node is older than the schema asks for, or uses an older token (node).
        NodeOutdated = "node_outdated",
        /// Notices do not arrive (channel).
        Undelivered = "undelivered",
        /// What a day brought (`all pages`): told once, never open.
        DailyReport = "daily_report",
        /// A unit of systemd failed (unit); never a row.
        UnitFailed = "unit_failed",
        /// Somebody tries whether alerts arrive (host); never a row.
        Test = "test",
    }
}

impl Kind {
    /// How bad it is: a problem has cost somebody their message, or soon will.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self {
            Self::AtRisk
            | Self::SecondPsid
            | Self::GraphVersion
            | Self::UnlinkedReplies
            | Self::ReplySource
            | Self::UnparsableEvents
            | Self::NodeOutdated
            | Self::ClockSkew
            | Self::Undelivered
            | Self::DailyReport
            | Self::Test
            | Self::WebhookSilence
            | Self::JobFailing => Severity::Warning,
            _ => Severity::Problem,
        }
    }

    /// Whether it tells of single moments. Such an alert ends by itself when nothing raised it for a while; any other
    /// stands until its cause is gone.
    #[must_use]
    pub const fn passes(self) -> bool {
        matches!(
            self,
            Self::Missed
                | Self::SecondMessage
                | Self::SecondPsid
                | Self::UnlinkedReplies
                | Self::ReplySource
                | Self::BadSignatures
                | Self::RequestRefused
                | Self::UnparsableEvents
                | Self::PolicyEnforcement
        )
    }

    /// Whether it only tells what was: such a notice is told once, and is never open.
    #[must_use]
    pub const fn is_news(self) -> bool {
        matches!(self, Self::DailyReport)
    }

    /// What it means, in a few words before the cause.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::AtRisk => "opt-ins are at risk",
            Self::Forecast => "opt-ins will miss their hard stop",
            Self::Missed => "opt-ins missed their hard stop",
            Self::UncertainHeld => "attempts of unknown end wait for you",
            Self::SecondMessage => "somebody got a second message",
            Self::SecondPsid => "a second PSID claims a login_id",
            Self::PageHeld => "a page cannot send",
            Self::UnknownPage => "opt-ins for a page that is not configured",
            Self::TokenExpiring => "an access token ends",
            Self::PermissionMissing => "a permission is missing",
            Self::SubscriptionMissing => "a page's webhooks do not come here",
            Self::GraphVersion => "the Graph API's version is near its end",
            Self::PlatformUnreachable => "the platform does not answer",
            Self::WebhookSilence => "no webhook comes",
            Self::UnlinkedReplies => "people reply whose message cannot be named",
            Self::ReplySource => "replies are linked in a new way",
            Self::BadSignatures => "requests with a wrong signature",
            Self::RequestRefused => "a person's request could not be served",
            Self::UnparsableEvents => "webhook events that could not be understood",
            Self::PolicyEnforcement => "the platform enforced its policies",
            Self::JobFailing => "a job fails",
            Self::ClockSkew => "clocks disagree",
            Self::StoreRewound => "the database lost commits",
            Self::NodeOutdated => "a node is outdated",
            Self::Undelivered => "notices do not arrive",
            Self::DailyReport => "the last 24 hours",
            Self::UnitFailed => "a unit failed",
            Self::Test => "somebody tries whether alerts arrive",
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::AtRisk | Self::Forecast => {
                "`firstword status` shows what holds the page up: a hold, its rate, the platform, or no daemon"
            }
            Self::Missed => {
                "`firstword optin list --state missed` names them; nothing can be sent in their window any more"
            }
            Self::UncertainHeld => "look into the page's inbox, then `firstword optin settle`",
            Self::SecondMessage => {
                "`firstword optin list` and `show` tell how; keep policy.uncertain at \"hold\" meanwhile"
            }
            Self::SecondPsid => "the first PSID stays; `firstword optin show` has it",
            Self::PageHeld => "`firstword doctor` explains why; mend it, then `firstword page resume`",
            Self::UnknownPage => "add the page to the configuration and reload, or unsubscribe the app from it",
            Self::TokenExpiring => "make a new page token, put it in its place, and reload",
            Self::PermissionMissing => "grant the app pages_messaging for the page, with Advanced Access",
            Self::SubscriptionMissing => "subscribe the app to the page again, with every field the README names",
            Self::GraphVersion => "set messenger.api_version to a later one after reading its changes",
            Self::PlatformUnreachable => "check the network and messenger.graph_url; `firstword doctor` tries it",
            Self::WebhookSilence => "check the webhook's address, the proxy before it, and the app's dashboard",
            Self::UnlinkedReplies => "`firstword doctor` tells more; replies without a known message settle nothing",
            Self::ReplySource => "look at a reply or two: is the person linked whom it came from?",
            Self::BadSignatures => "the secret is not the app's, a proxy changes bodies, or somebody else posts",
            Self::RequestRefused => {
                "set the key and reload; delete that person's data with `firstword optin erase` if they ask again"
            }
            Self::UnparsableEvents => "they are kept for 14 days in the table unparsed; a later version may read them",
            Self::PolicyEnforcement => "read the page's support inbox at the platform",
            Self::JobFailing => "`firstword job list` has the reason",
            Self::ClockSkew => "run a time service such as chrony on every node",
            Self::StoreRewound => "find out what was lost, then `firstword store accept`",
            Self::NodeOutdated => "upgrade, or reload, that node",
            Self::Undelivered => "check the address, or the program, that the cause names; what is too old is dropped",
            Self::DailyReport => "nothing needs to be done; `firstword status` shows how it stands now",
            Self::UnitFailed => "`systemctl status` shows its state; an exit code of 2 or 3 needs you, not a restart",
            Self::Test => "nothing needs to be done",
        }
    }
}

/// Something that is wrong, to be raised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// What kind.
    pub kind: Kind,
    /// What it is about: one alert for each kind and cause. Never a person, never a secret.
    pub cause: String,
    /// What is known of it now, in one line; replaces what was known before. Never a person, never a secret.
    pub detail: String,
    /// How many it counts for.
    pub times: i64,
}

impl Alert {
    /// One more of a kind, for a cause.
    #[must_use]
    pub fn new(kind: Kind, cause: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { kind, cause: cause.into(), detail: detail.into(), times: 1 }
    }

    /// The same, counting for several.
    #[must_use]
    pub fn times(self, times: i64) -> Self {
        Self { times, ..self }
    }
}

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

    #[test]
    fn moments_pass_and_states_stand() {
        let passing: Vec<_> = Kind::ALL.iter().filter(|kind| kind.passes()).map(|kind| kind.as_str()).collect();
        insta::assert_snapshot!(passing.join(" "), @"missed second_message second_psid unlinked_replies reply_source bad_signatures request_refused unparsable_events policy_enforcement");
    }
}
