//! The transition relation: which events may be told of an opt-in, given what is true of its attempts. The model explores
//! it from the first state to the last; the simulation holds every change of its rows against it.

use firstword::domain::ids::AttemptId;
use firstword::domain::optin::Reason;
use firstword::domain::outcome::{Outcome, Then};
use firstword::domain::state::Event;

/// What is true of an attempt, whoever knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Truth {
    /// No body left.
    Unsent,
    /// The body left, and the platform has not decided.
    OnItsWay,
    Accepted,
    Refused,
}

/// How an attempt ends, as its node sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum End {
    GivenBack,
    /// No connection in time: nothing left, and the next try waits a while.
    Unconnected,
    Accepted,
    Refused,
    Unknown,
}

impl Truth {
    /// What its node may take for its end. An answer can always be lost; none can be made up.
    pub(crate) const fn ends(self) -> &'static [End] {
        match self {
            Self::Unsent => &[End::GivenBack, End::Unconnected],
            Self::OnItsWay => &[End::Unknown],
            Self::Accepted => &[End::Accepted, End::Unknown],
            Self::Refused => &[End::Refused, End::Unknown],
        }
    }
}

impl End {
    /// The report of an attempt that ended like this; a refusal by the class of its error.
    pub(crate) fn report(self, attempt: AttemptId, refusal: &Outcome) -> Event {
        let outcome = match self {
            Self::GivenBack => return Event::GivenBack { attempt },
            Self::Accepted => Outcome::Accepted { message_id: "m".into(), psid: None },
            Self::Unconnected => Outcome::Retry(Then::Again),
            Self::Refused => refusal.clone(),
            Self::Unknown => Outcome::Uncertain(Reason::Timeout),
        };
        Event::Ended { attempt, outcome, others_succeed: false }
    }
}

/// What time alone may tell: the row decides what is due. Any attempt's lease may be asked about, by whoever looks.
pub(crate) fn by_time(attempts: impl IntoIterator<Item = AttemptId>) -> impl Iterator<Item = (&'static str, Event)> {
    let leases = attempts.into_iter().map(|attempt| ("lease", Event::LeaseLapsed { attempt }));
    [("due", Event::Due), ("hard stop", Event::HardStop)].into_iter().chain(leases)
}

/// What an operator who looks at the platform may say about a doubt: nothing before everything is decided, and then the
/// truth.
pub(crate) fn settled(truths: impl IntoIterator<Item = Truth>) -> Option<bool> {
    truths.into_iter().try_fold(false, |delivered, truth| match truth {
        Truth::OnItsWay => None,
        truth => Some(delivered || truth == Truth::Accepted),
    })
}
