//! Who may be claimed now, where people are not sent to as they come but in batches.

use super::time::Timestamp;

/// How far down the queue of a page a claim may reach. The queue is in the order of opt-ins, which is the order of
/// hard stops: whoever opted in earlier is the more urgent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// Whoever opted in up to then.
    pub fresh: Timestamp,
    /// And whoever was tried before and opted in up to then: the retries of a batch run on when it is over.
    pub tried: Timestamp,
}

impl Reach {
    /// The whole queue.
    pub const EVERYBODY: Self = Self { fresh: Timestamp::LATEST, tried: Timestamp::LATEST };
    /// Nobody.
    pub const NOBODY: Self = Self { fresh: Timestamp::from_ms(0), tried: Timestamp::from_ms(0) };

    /// As far as either of the two.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { fresh: self.fresh.max(other.fresh), tried: self.tried.max(other.tried) }
    }

    /// Where the queue need not be looked at any further.
    #[must_use]
    pub fn end(self) -> Timestamp {
        self.fresh.max(self.tried)
    }
}
