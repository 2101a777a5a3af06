//! What each kind of alert means, and what to do about it: in words for whoever is woken by it.

use super::Kind;

impl Kind {
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
