//! What a time brought, by page and variant.

use serde::Serialize;

use super::Store;
use super::engine::{Columns, FromColumns};
use super::error::Result;
use super::sql;
use crate::domain::ids::PageId;
use crate::domain::time::Timestamp;

/// What a time brought to a page and one of its variants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// The page.
    pub page: PageId,
    /// The variant of the message; absent for whoever was not sent one.
    pub variant: Option<String>,
    /// Opted in since then.
    pub opted_in: u64,
    /// Sent to since then.
    pub sent: u64,
    /// Sent to since then, and answered.
    pub answered: u64,
    /// Missed since then.
    pub missed: u64,
    /// Said stop since then.
    pub opted_out: u64,
    /// Wait now, or are being sent to.
    pub waiting: u64,
    /// In doubt now.
    pub uncertain: u64,
}

impl Tally {
    /// Nothing, for a page.
    #[must_use]
    pub const fn empty(page: PageId) -> Self {
        Self {
            page,
            variant: None,
            opted_in: 0,
            sent: 0,
            answered: 0,
            missed: 0,
            opted_out: 0,
            waiting: 0,
            uncertain: 0,
        }
    }

    /// Adds another one's numbers.
    pub fn add(&mut self, other: &Self) {
        self.opted_in += other.opted_in;
        self.sent += other.sent;
        self.answered += other.answered;
        self.missed += other.missed;
        self.opted_out += other.opted_out;
        self.waiting += other.waiting;
        self.uncertain += other.uncertain;
    }

    /// Which share of those who were sent to answered, from 0 to 1.
    #[must_use]
    pub fn answer_rate(&self) -> Option<f64> {
        let real = |count: u64| u32::try_from(count).map_or(f64::from(u32::MAX), f64::from);
        (self.sent > 0).then(|| real(self.answered) / real(self.sent))
    }
}

impl Store {
    /// What the time since a moment brought. Reads every row: for people and a daily job, not for loops.
    pub async fn tallies(&self, since: Timestamp) -> Result<Vec<Tally>> {
        self.pool.reader().await?.rows(sql::tally::TALLY, &[since.ms().into()]).await
    }
}

impl FromColumns for Tally {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        let page = PageId::stored(c.text()?);
        let variant = c.maybe_text()?.map(str::to_owned);
        let mut count = || Ok::<u64, super::Error>(u64::try_from(c.int()?).unwrap_or(0));
        Ok(Self {
            page,
            variant,
            opted_in: count()?,
            sent: count()?,
            answered: count()?,
            missed: count()?,
            opted_out: count()?,
            waiting: count()?,
            uncertain: count()?,
        })
    }
}
