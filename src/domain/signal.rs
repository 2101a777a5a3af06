//! What comes in from outside, in the store's words: intake, commands and attempts all speak through these.

use super::hold::PageOrder;
use super::ids::{AttemptId, LoginId, OptInId, PageId, Psid};
use super::optin::Reason;
use super::outcome::Ending;
use super::time::Timestamp;

/// Where an opt-in came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The platform's webhook.
    Webhook,
    /// The site's login callback.
    Site,
    /// An operator: `optin add` or `optin import`.
    Operator,
}

/// A person opted in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOptIn {
    /// The page.
    pub page: PageId,
    /// The person.
    pub login: LoginId,
    /// When, by the source itself; `None` takes the time of receipt, which never counts as fresh consent.
    pub at: Option<Timestamp>,
    /// The person's locale, such as `de_DE`.
    pub locale: Option<String>,
    /// The site's reference.
    pub reference: Option<String>,
    /// Who says so.
    pub source: Source,
}

/// Everything in an event that may tell whom it is about; any one of them is enough.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Links {
    /// The person's PSID.
    pub psid: Option<Psid>,
    /// `login_id`s the event names as the origin of the thread.
    pub logins: Vec<LoginId>,
    /// Attempts named by our tokens, in metadata or a payload.
    pub attempts: Vec<AttemptId>,
    /// Messages the event names: replied to, delivered, echoed.
    pub message_ids: Vec<String>,
}

impl Links {
    /// Whether nothing names anybody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.psid.is_none() && self.logins.is_empty() && self.attempts.is_empty() && self.message_ids.is_empty()
    }
}

/// What a person, or the platform about a person, told the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// They wrote or tapped.
    Reply {
        /// Whether the text is a stop word.
        stop: bool,
    },
    /// A message of the page was echoed.
    Echo {
        /// Whether another app wrote it.
        elsewhere: bool,
    },
    /// A message was delivered or read.
    Receipt,
    /// They do not want messages.
    OptOut(Reason),
}

impl Sign {
    /// The word for attempts' evidence and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reply { .. } => "reply",
            Self::Echo { .. } => "echo",
            Self::Receipt => "receipt",
            Self::OptOut(_) => "opt_out",
        }
    }
}

/// One thing for the store to take in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// A person opted in.
    OptIn(NewOptIn),
    /// A person, or the platform about a person, said something.
    Person {
        /// The page it was said to.
        page: PageId,
        /// What.
        sign: Sign,
        /// Whom it is about.
        links: Links,
        /// When.
        at: Timestamp,
    },
    /// An attempt ended, or was refused at the gate (`ending` is `None`).
    Attempt {
        /// Whose.
        optin: OptInId,
        /// Which.
        attempt: AttemptId,
        /// How.
        ending: Option<Ending>,
    },
    /// An operator's command about one opt-in.
    Command {
        /// Whose.
        optin: OptInId,
        /// What.
        command: Command,
    },
    /// The passing of time, found by a scan: the row decides by itself what is due.
    Time {
        /// Whose.
        optin: OptInId,
        /// Which look at the clock.
        tick: Tick,
    },
    /// Somebody holds a page, or lets it go on.
    Page {
        /// Which.
        page: PageId,
        /// What is asked.
        order: PageOrder,
    },
    /// Part of a signed body that could not be understood.
    Unparsed {
        /// The page, where it could be read.
        page: Option<PageId>,
        /// The raw JSON of the part.
        raw: String,
    },
}

/// Somebody, as a request for erasure names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// By the identifier of their opt-in.
    Login(LoginId),
    /// By their page-scoped identifier.
    Psid(Psid),
}

/// Somebody on a page, whose data is to be erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The page.
    pub page: PageId,
    /// The person.
    pub whom: Whom,
}

/// An operator's command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Never send.
    Cancel,
    /// Send after all.
    Retry,
    /// The person said stop by another way.
    OptOut,
    /// It is known how the attempts of an opt-in in doubt ended.
    Settle {
        /// Whether one of them arrived. If not, none did.
        delivered: bool,
        /// Only where the doubt is older than this: what happened since was not looked at.
        before: Timestamp,
    },
}

/// A look at the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tick {
    /// Is the next attempt due?
    Due,
    /// Has this attempt's lease run out?
    Lease(AttemptId),
    /// Has the hard stop passed?
    HardStop,
    /// Is the answer window over?
    AnswerOver,
    /// Has policy settled this attempt's doubt by one more message?
    SendAgain(AttemptId),
    /// The database lost commits: may it have been sent to meanwhile?
    StoreRewound,
    /// Can it be admitted?
    Admit,
}

/// What became of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipt {
    /// A new opt-in.
    Created(OptInId),
    /// Known already, nothing changed.
    Duplicate(OptInId),
    /// Later consent, kept until the open one ends.
    Renewed(OptInId),
    /// Fresh consent reopened it.
    Reopened(OptInId),
    /// Not possible in the opt-in's state, or the person was greeted before.
    Refused(OptInId),
    /// Applied to this opt-in.
    Applied(OptInId),
    /// Nobody we know.
    Unknown,
    /// Names a person whose data was erased: counted, not stored.
    Erased,
    /// Kept: raw, or as an order to a page.
    Kept,
}
