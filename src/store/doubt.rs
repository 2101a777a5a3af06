//! Attempts whose end nobody knows: how many a page has, which of them policy may settle, and the alert for those it
//! holds.

use std::collections::HashMap;

use super::Store;
use super::alerts::raise;
use super::engine::{Columns, FromColumns};
use super::error::Result;
use super::sql;
use crate::domain::alert::{Alert, Kind};
use crate::domain::ids::{AttemptId, OptInId, PageId};
use crate::domain::time::Timestamp;

/// The alert for a page on which attempts stay in doubt; one a page.
const HELD: Kind = Kind::UncertainHeld;

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

    /// Makes the alerts agree with the doubts: one for each page that holds some, raised once for each of them, and
    /// none for the others.
    pub async fn alert_doubts(&self, lease_by: Timestamp, now: Timestamp) -> Result<()> {
        self.intake
            .errand(move |conn| {
                Box::pin(async move {
                    let doubts: Vec<Doubts> = conn.rows(sql::doubt::COUNT, &[lease_by.ms().into()]).await?;
                    let open: Vec<(String, i64)> = conn.rows(sql::doubt::ALERTS, &[HELD.as_str().into()]).await?;
                    let mut open: HashMap<String, i64> = open.into_iter().collect();
                    for page in doubts {
                        let told = open.remove(page.page.as_str()).unwrap_or(0);
                        let more = i64::try_from(page.held).unwrap_or(i64::MAX).saturating_sub(told);
                        if more > 0 {
                            let held = format!("{} held", page.held);
                            let alert = Alert::new(HELD, page.page.as_str(), held).times(more);
                            raise(conn, sql::alerts::RAISE, &alert, now).await?;
                        }
                    }
                    for page in open.keys() {
                        let values = [HELD.as_str().into(), page.as_str().into(), now.ms().into()];
                        conn.run(sql::alerts::RESOLVE, &values).await?;
                    }
                    Ok(())
                })
            })
            .await
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
