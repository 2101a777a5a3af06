//! The names of things. Identifiers of people never show themselves in logs.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest identifier we accept, in bytes. The platform's own are under 100; they are opaque to us.
pub const MAX_ID_BYTES: usize = 256;

/// Why a text is not an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdFault {
    /// Nothing, or only white space.
    #[error("is empty")]
    Empty,
    /// Longer than [`MAX_ID_BYTES`].
    #[error("is longer than 256 bytes")]
    TooLong,
    /// White space at an end, or a control character anywhere.
    #[error("has white space around it or a control character in it")]
    Unclean,
}

fn check(text: &str) -> Result<(), IdFault> {
    match text {
        _ if text.trim().is_empty() => Err(IdFault::Empty),
        _ if text.len() > MAX_ID_BYTES => Err(IdFault::TooLong),
        _ if text.trim() != text || text.chars().any(char::is_control) => Err(IdFault::Unclean),
        _ => Ok(()),
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $debug:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// Takes a text that is not empty, not over-long and has no stray white space.
            ///
            /// # Errors
            /// Says which of these it breaks.
            pub fn new(text: &str) -> Result<Self, IdFault> {
                check(text).map(|()| Self(text.into()))
            }

            /// Takes what the store holds as it is: a row that came in by SQL must not become unreadable.
            pub(crate) fn stored(text: &str) -> Self {
                Self(text.into())
            }

            /// The identifier itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdFault;
            fn try_from(text: String) -> Result<Self, IdFault> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.into()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let show: fn(&$name, &mut fmt::Formatter<'_>) -> fmt::Result = $debug;
                show(self, f)
            }
        }
    };
}

text_id!(
    /// A business page. Not personal, so it may be logged.
    PageId,
    |id, f| f.write_str(&id.0)
);
text_id!(
    /// The identifier the platform gives a person who opted in at login. Personal: `Debug` hides it.
    LoginId,
    |_, f| f.write_str("login_id(hidden)")
);
text_id!(
    /// A person's page-scoped identifier, learnt when they answer. Personal: `Debug` hides it.
    Psid,
    |_, f| f.write_str("psid(hidden)")
);

impl fmt::Display for PageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The number of a stored opt-in. Never used twice, so it names a person safely in logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OptInId(pub i64);

/// The number of an attempt, and at once its *fence*: one counter for the whole database that only grows.
///
/// Whoever holds a smaller one than the opt-in's row has lost the right to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AttemptId(pub i64);

impl fmt::Display for OptInId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unclean_identifiers_are_refused() {
        assert_eq!(LoginId::new(""), Err(IdFault::Empty));
        assert_eq!(LoginId::new(" \t"), Err(IdFault::Empty));
        assert_eq!(LoginId::new(" a"), Err(IdFault::Unclean));
        assert_eq!(LoginId::new("a\0b"), Err(IdFault::Unclean));
        assert_eq!(LoginId::new(&"x".repeat(257)), Err(IdFault::TooLong));
        assert!(LoginId::new(&"x".repeat(256)).is_ok());
    }

    #[test]
    fn people_are_hidden_in_debug() {
        let shown = format!("{:?} {:?}", LoginId::new("alice-login"), Psid::new("4711"));
        assert!(!shown.contains("alice") && !shown.contains("4711"), "{shown}");
    }
}
