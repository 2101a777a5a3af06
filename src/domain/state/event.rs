//! What can happen to an opt-in, and what it meant.

use crate::domain::ids::{AttemptId, Psid};
use crate::domain::optin::Reason;
use crate::domain::outcome::Outcome;
use crate::domain::policy::Policy;
use crate::domain::time::Timestamp;

/// What is remembered of a person whose row was purged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tombstone {
    /// Whether a message may have reached them.
    pub maybe_greeted: bool,
    /// When they said stop, if they did.
    pub opted_out_at: Option<Timestamp>,
}

/// Something that happened to an opt-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Admission looked at a new row.
    Admit {
        /// Whether the page is configured here.
        page_known: bool,
        /// What is remembered of an earlier row.
        tombstone: Option<Tombstone>,
    },
    /// The same person opted in (again).
    Consent {
        /// When, by the event itself; a receipt time where `own_time` is false.
        at: Timestamp,
        /// Whether the event carried its own time.
        own_time: bool,
    },
    /// The time for the next attempt has come.
    Due,
    /// The hard stop may have passed.
    HardStop,
    /// An attempt took the row.
    Claimed {
        /// Its number and fence.
        attempt: AttemptId,
        /// Until when the row is its.
        lease_until: Timestamp,
    },
    /// An attempt came to an end.
    Ended {
        /// Which one.
        attempt: AttemptId,
        /// What it tells.
        outcome: Outcome,
        /// Whether the page had an acceptance since this attempt's claim.
        others_succeed: bool,
    },
    /// The gate refused: nothing left.
    GivenBack {
        /// Which attempt.
        attempt: AttemptId,
    },
    /// The lease may have run out without a report.
    LeaseLapsed {
        /// Whose lease.
        attempt: AttemptId,
    },
    /// An echo or a receipt proves that our message, or another app's, arrived.
    Delivered {
        /// When.
        at: Timestamp,
        /// Whether it proves a message of this cycle; an earlier one teaches the PSID and nothing else.
        this_cycle: bool,
        /// The person's PSID, if it names one.
        psid: Option<Psid>,
        /// The message, if it names one.
        message_id: Option<String>,
        /// Whether another app wrote it.
        elsewhere: bool,
    },
    /// The person wrote or tapped.
    Replied {
        /// When.
        at: Timestamp,
        /// Whether it answers a message of this cycle.
        this_cycle: bool,
        /// Their PSID, if the event names it.
        psid: Option<Psid>,
        /// Whether they said stop.
        stop: bool,
    },
    /// The person said stop in another way.
    OptedOut {
        /// When.
        at: Timestamp,
        /// How.
        reason: Reason,
    },
    /// The answer window may be over.
    AnswerOver,
    /// An operator stops it.
    Cancel,
    /// It ended by what turned out to be everybody's failure.
    Reprieved,
    /// An operator starts it again.
    RetryNow,
    /// The database lost commits: it may have been sent to.
    StoreRewound,
    /// Policy grants one more message, although the attempt may have arrived.
    SendAgain {
        /// Which attempt is in doubt.
        attempt: AttemptId,
    },
    /// An operator knows how an uncertain attempt ended.
    Settle {
        /// Whether the message arrived.
        delivered: bool,
        /// Only a doubt that is older than this.
        before: Timestamp,
    },
}

/// What an event meant, beyond the row's new contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was applied, or had nothing to say in this state.
    Done,
    /// A consent already known.
    Duplicate,
    /// A later consent, kept until this one ends.
    Renewed,
    /// Fresh consent started the next cycle.
    Reopened,
    /// Not possible in this state; nothing changed.
    Refused,
    /// A second PSID claims this login_id; the first stays.
    SecondPsid,
    /// The page cannot send.
    HoldPage,
    /// The page's message is wrong.
    HoldContent,
}

/// What the function needs besides row and event.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Store time.
    pub now: Timestamp,
    /// The operator's choices.
    pub policy: &'a Policy,
    /// Any number; it spreads retries.
    pub random: u64,
}
