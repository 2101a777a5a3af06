//! Why a page is not sent for, and who may end it.
//!
//! The breaker's hold (see [`breaker`](super::breaker)) ends by a probe. The holds here have an owner: an acceptance or
//! a probe leaves them alone, and they stand beside each other and beside the breaker's.

use super::time::Timestamp;
use super::words::words;

words! {
    /// Whose a hold is. Nobody else lifts it.
    Owner {
        /// An operator's: `page hold` and `page resume`.
        Operator = "operator",
        /// The platform's policy enforcement: its events `block` and `unblock`.
        Policy = "policy",
    }
}

/// What somebody asks of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageOrder {
    /// Do not send for it.
    Hold {
        /// Who says so.
        owner: Owner,
        /// Why, in words for an operator.
        reason: String,
        /// Until then; without a time until the owner lifts it.
        until: Option<Timestamp>,
    },
    /// The owner lifts the hold.
    Release {
        /// Who.
        owner: Owner,
    },
    /// The hold's time may be over.
    Over {
        /// Whose it is.
        owner: Owner,
    },
    /// Before anybody was asked to probe a held page, its token was refused or the platform did not answer.
    PutOff {
        /// The hold's generation: a later one is left alone.
        generation: i64,
        /// How often the page was held in a row.
        holds: i64,
        /// With which token and message.
        credential: String,
        /// Of which node.
        node: String,
        /// Whether the platform refused the token, rather than not to answer.
        refused: bool,
    },
    /// An operator wants it to go on: the operator's and the breaker's holds end, refused credentials are tried again,
    /// and every node reads tokens and messages anew.
    Resume,
    /// The platform blocks the page for a policy that was broken.
    Blocked {
        /// What it says, in words for an operator.
        reason: String,
        /// When: events come late, and again, and an older one says nothing any more.
        at: Timestamp,
    },
    /// The platform takes its block back.
    Unblocked {
        /// When.
        at: Timestamp,
    },
    /// The platform warns of a policy that was broken.
    Warned {
        /// What it says, in words for an operator.
        reason: String,
    },
}
