//! One person's opt-in: its state, and the facts that stay true in every state.

use super::ids::{AttemptId, LoginId, OptInId, PageId, Psid};
use super::time::Timestamp;
use super::words::words;

words! {
    /// Who acts next on an opt-in.
    State {
        /// Admission: it came in by SQL, or its page is not configured.
        New = "new",
        /// The claim.
        Pending = "pending",
        /// Promotion, once `next_attempt_at` has come.
        Retrying = "retrying",
        /// Its attempt, which holds a lease.
        Sending = "sending",
        /// Evidence or an operator: a request may have arrived.
        Uncertain = "uncertain",
        /// The person.
        Sent = "sent",
        /// Nobody: the person replied.
        Answered = "answered",
        /// Nobody: no reply within the answer window.
        Expired = "expired",
        /// Nobody: the hard stop passed before a message could leave.
        Missed = "missed",
        /// Nobody: the platform says this person cannot be reached.
        Unavailable = "unavailable",
        /// Nobody: the person said stop.
        OptedOut = "opted_out",
        /// Nobody: an operator said so.
        Cancelled = "cancelled",
        /// Nobody: already greeted once, before its row was purged.
        Refused = "refused",
    }
}

impl State {
    /// Whether nobody acts any more, unless a reply or fresh consent comes.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Answered
                | Self::Expired
                | Self::Missed
                | Self::Unavailable
                | Self::OptedOut
                | Self::Cancelled
                | Self::Refused
        )
    }

    /// Whether the message still waits for its (next) attempt.
    #[must_use]
    pub const fn is_waiting(self) -> bool {
        matches!(self, Self::New | Self::Pending | Self::Retrying)
    }
}

words! {
    /// Why an opt-in is where it is; a closed list, part of the export's contract.
    Reason {
        /// The hard stop passed.
        HardStop = "hard_stop",
        /// The platform said that the window is over.
        WindowClosed = "window_closed",
        /// The opt-in reached us after its own hard stop.
        ArrivedLate = "arrived_late",
        /// The platform says the person is not available.
        Unavailable = "unavailable",
        /// The platform does not know the login_id.
        UnknownId = "unknown_id",
        /// The person wrote a stop word.
        StopWord = "stop_word",
        /// An opt-out event of the platform.
        OptOutEvent = "opt_out_event",
        /// The person removed the app.
        Deauthorized = "deauthorized",
        /// An operator's command.
        Operator = "operator",
        /// Another app of the page wrote first.
        StartedElsewhere = "started_elsewhere",
        /// Greeted before its row was purged; the tombstone remembers.
        GreetedBefore = "greeted_before",
        /// The answer window is over.
        NoReply = "no_reply",
        /// The process that sent it did not report back.
        LeaseExpired = "lease_expired",
        /// No answer in time.
        Timeout = "timeout",
        /// The connection broke after the request had left.
        Reset = "reset",
        /// The platform failed in a way that does not say whether it delivered.
        ServerError = "server_error",
        /// The database lost what was done since some moment: a message may have been sent.
        StoreRewound = "store_rewound",
        /// The page is not configured here.
        UnknownPage = "unknown_page",
    }
}

/// An opt-in as stored. [`step`](super::state::step) alone decides how one changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptIn {
    /// Its number; 0 before it is stored.
    pub id: OptInId,
    /// The page it is for.
    pub page: PageId,
    /// The person.
    pub login: LoginId,
    /// Who acts next.
    pub state: State,
    /// When the row entered its state.
    pub state_since: Timestamp,
    /// Counts consents: fresh consent after an end starts the next cycle.
    pub cycle: i64,
    /// The consent this cycle runs on; of several sources the earliest time.
    pub opted_in_at: Timestamp,
    /// A later consent that came while this one was open.
    pub renewed_at: Option<Timestamp>,
    /// When a message was first possibly delivered.
    pub maybe_greeted_at: Option<Timestamp>,
    /// When the person said stop.
    pub opted_out_at: Option<Timestamp>,
    /// Whether another app of the page wrote first.
    pub greeted_elsewhere: bool,
    /// The page-scoped id, once known. The first one stays.
    pub psid: Option<Psid>,
    /// The platform's id of our message.
    pub message_id: Option<String>,
    /// Why it is where it is.
    pub reason: Option<Reason>,
    /// Attempts begun in this cycle.
    pub attempts: i64,
    /// Attempts of this cycle that failed in a way that may be temporary or may be this person.
    pub doubtful: i64,
    /// When a `retrying` row is due.
    pub next_attempt_at: Option<Timestamp>,
    /// Until when a `sending` row belongs to its attempt; kept in `uncertain` as the end of the doubt's lease.
    pub lease_until: Option<Timestamp>,
    /// The latest attempt.
    pub fence: Option<AttemptId>,
    /// When a message more was granted after a doubt; there is no second grant.
    pub resent_at: Option<Timestamp>,
    /// When the message was accepted.
    pub sent_at: Option<Timestamp>,
    /// The person's latest message to the page: promotional content is allowed for 24 h after it.
    pub replied_at: Option<Timestamp>,
    /// The person's locale, where the site told us.
    pub locale: Option<String>,
    /// The site's own reference.
    pub reference: Option<String>,
    /// Which variant of the message was chosen.
    pub variant: Option<String>,
}

impl OptIn {
    /// A row that does not exist yet.
    #[must_use]
    pub fn unborn(page: PageId, login: LoginId, opted_in_at: Timestamp, now: Timestamp) -> Self {
        Self {
            id: OptInId(0),
            page,
            login,
            state: State::New,
            state_since: now,
            cycle: 1,
            opted_in_at,
            renewed_at: None,
            maybe_greeted_at: None,
            opted_out_at: None,
            greeted_elsewhere: false,
            psid: None,
            message_id: None,
            reason: None,
            attempts: 0,
            doubtful: 0,
            next_attempt_at: None,
            lease_until: None,
            fence: None,
            resent_at: None,
            sent_at: None,
            replied_at: None,
            locale: None,
            reference: None,
            variant: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back() {
        for state in State::ALL {
            assert_eq!(state.as_str().parse(), Ok(*state));
        }
        for reason in Reason::ALL {
            assert_eq!(reason.as_str().parse(), Ok(*reason));
        }
        assert!("sned".parse::<State>().is_err_and(|e| e.contains("sending")));
    }
}
