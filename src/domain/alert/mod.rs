//! Alerts: what an operator must hear of. One row for each kind and cause, however many people it concerns: raised
//! once, counted, said again while it lasts, and ended with a notice.
//!
//! | file | holds |
//! |---|---|
//! | `kind` | what can be wrong, how bad each is, and which end by themselves |
//! | `wording` | what each means, and what to do about it |
//! | `notice` | how an alert is told, to programs and people |

mod kind;
mod notice;
mod wording;

pub use kind::Kind;
pub use notice::{Notice, Step};

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
