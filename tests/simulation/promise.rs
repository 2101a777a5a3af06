//! The promises, and how one is broken.

use std::fmt;

use firstword::domain::time::Timestamp;

use crate::stage::START;

/// What Firstword promises (README, "Promises"), and the order it sends in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Promise {
    NeverTwo,
    NeverLate,
    NeverForgotten,
    NeverAfterStop,
    NeverLost,
    /// Whoever's hard stop comes first is sent to first, and nobody is missed for whom there was room.
    MostUrgentFirst,
    /// No row changes but as the model of the protocol allows.
    AsTheModel,
}

impl Promise {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::NeverTwo => "never two",
            Self::NeverLate => "never late",
            Self::NeverForgotten => "never forgotten",
            Self::NeverAfterStop => "never after stop",
            Self::NeverLost => "never lost",
            Self::MostUrgentFirst => "most urgent first",
            Self::AsTheModel => "as the model",
        }
    }
}

/// A promise broken.
#[derive(Debug, Clone)]
pub(crate) struct Broken {
    pub(crate) promise: Promise,
    pub(crate) at: Timestamp,
    pub(crate) what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = self.at.since(START);
        write!(f, "{} is broken after {:.3} s: {}", self.promise.name(), after.as_secs_f64(), self.what)
    }
}
