//! Attempts whose end nobody knows: how many a page has, and which of them policy may settle.

use super::Store;
use super::engine::{Columns, FromColumns};
use super::error::Result;
use super::sql;
use crate::domain::ids::{AttemptId, OptInId, PageId};
use crate::domain::time::Timestamp;

/// The doubts of one page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubts {
    /// The page.
    pub page: PageId,
    /// How many opt-ins are in doubt.
    pub all: u64,
    /// How many of them have waited for evidence as long as they should.
    pub held: u64,
    /// When the oldest doubt arose.
    pub since: Timestamp,
}

/// An opt-in whose attempt may or may not have arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doubt {
    /// Whose.
    pub optin: OptInId,
    /// Which attempt.
    pub attempt: AttemptId,
    /// When it was claimed.
    pub started_at: Timestamp,
    /// The end of its lease: no byte of it left later.
    pub lease_until: Timestamp,
}

impl Store {
    /// The pages that have doubts; `held` are those whose lease ended by a time.
    pub async fn doubts(&self, lease_by: Timestamp) -> Result<Vec<Doubts>> {
        self.pool.reader().await?.rows(sql::doubt::COUNT, &[lease_by.ms().into()]).await
    }

    /// Doubts of a page that policy may settle by one more message, the longest in doubt first: those whose lease ended
    /// by a time, whose hard stop lies ahead, and who had no such message yet.
    pub async fn open_doubts(
        &self,
        page: &PageId,
        lease_by: Timestamp,
        after: Option<&Doubt>,
        now: Timestamp,
        most: i64,
    ) -> Result<Vec<Doubt>> {
        let cutoff = self.policy().window.cutoff(now);
        let (lease, id) = after.map_or((0, 0), |doubt| (doubt.lease_until.ms(), doubt.optin.0));
        let values =
            [page.as_str().into(), lease_by.ms().into(), cutoff.ms().into(), lease.into(), id.into(), most.into()];
        self.pool.reader().await?.rows(sql::doubt::OPEN, &values).await
    }
}

impl FromColumns for Doubts {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        let page = PageId::stored(c.text()?);
        let mut count = || c.int().map(|count| u64::try_from(count).unwrap_or(0));
        let (all, held) = (count()?, count()?);
        Ok(Self { page, all, held, since: Timestamp::from_ms(c.int()?) })
    }
}

impl FromColumns for Doubt {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        let (optin, attempt) = (OptInId(c.int()?), AttemptId(c.int()?));
        let (started_at, lease_until) = (Timestamp::from_ms(c.int()?), Timestamp::from_ms(c.int()?));
        Ok(Self { optin, attempt, started_at, lease_until })
    }
}
