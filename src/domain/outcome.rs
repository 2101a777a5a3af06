//! What one attempt tells.

use std::time::Duration;

use super::ids::Psid;
use super::optin::Reason;

/// What a failure that looks temporary becomes when it keeps coming back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It stays temporary until the hard stop.
    Again,
    /// It was the person: the second one ends in `unavailable`, if the page's other sends succeed meanwhile.
    Person,
    /// It was the page: the third one holds it.
    Page,
    /// It was our message: the third one holds it.
    Content,
}

/// The eight things an attempt can tell, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The platform took the message.
    Accepted {
        /// The platform's id of the message: the only proof of success.
        message_id: String,
        /// The person's PSID, in the unlikely case that the answer names it.
        psid: Option<Psid>,
    },
    /// Surely not delivered, and worth another try.
    Retry(Then),
    /// Surely not delivered: too many requests. The whole page waits.
    Throttled {
        /// How long the platform asks to wait, where it says so.
        regain: Option<Duration>,
    },
    /// May have been delivered.
    Uncertain(Reason),
    /// This person cannot be reached; trying again would not help.
    PersonUnavailable(Reason),
    /// The platform says that the window is over.
    WindowClosed,
    /// The page cannot send at all: token, permission, policy.
    PageHold,
    /// Our message is wrong for everybody.
    ContentHold,
}

impl Outcome {
    /// The word the store and the metrics use.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Retry(_) => "retry",
            Self::Throttled { .. } => "throttled",
            Self::Uncertain(_) => "uncertain",
            Self::PersonUnavailable(_) => "person_unavailable",
            Self::WindowClosed => "window_closed",
            Self::PageHold => "page_hold",
            Self::ContentHold => "content_hold",
        }
    }
}

/// How an attempt ended, with all the platform said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// What it tells.
    pub outcome: Outcome,
    /// The HTTP status, if there was an answer.
    pub http_status: Option<u16>,
    /// The Graph error's `code`.
    pub code: Option<i64>,
    /// The Graph error's `error_subcode`.
    pub subcode: Option<i64>,
    /// The platform's trace of the call; its support asks for it.
    pub fbtrace_id: Option<String>,
    /// What a person should read: the platform's message, or how the connection broke.
    pub detail: Option<String>,
    /// The variant of the message that was sent.
    pub variant: Option<String>,
}

impl Ending {
    /// An ending about which nothing more is known.
    #[must_use]
    pub fn bare(outcome: Outcome) -> Self {
        Self { outcome, http_status: None, code: None, subcode: None, fbtrace_id: None, detail: None, variant: None }
    }

    /// An ending with an explanation.
    #[must_use]
    pub fn explained(outcome: Outcome, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..Self::bare(outcome) }
    }
}
