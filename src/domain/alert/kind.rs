//! What can be wrong.

use crate::domain::finding::Severity;
use crate::domain::words::words;

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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_pass_and_states_stand() {
        let passing: Vec<_> = Kind::ALL.iter().filter(|kind| kind.passes()).map(|kind| kind.as_str()).collect();
        insta::assert_snapshot!(passing.join(" "), @"missed second_message second_psid unlinked_replies reply_source bad_signatures request_refused unparsable_events policy_enforcement");
    }
}
