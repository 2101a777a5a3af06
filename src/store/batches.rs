//! Batches of a page: opened by a job's tick for whoever has opted in by then, seen by every node, closed at its end.

use super::Store;
use super::engine::{Columns, FromColumns};
use super::error::Result;
use super::sql;
use crate::domain::ids::PageId;
use crate::domain::time::Timestamp;

/// The latest batch of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The page.
    pub page: PageId,
    /// It is for whoever opted in up to then.
    pub up_to: Timestamp,
    /// Until then whoever was not tried yet is sent to; afterwards only retries run on.
    pub open_until: Timestamp,
}

impl Store {
    /// Opens a batch of each page for whoever opted in up to a time. A batch that was opened later stays.
    pub async fn open_batch(&self, pages: Vec<PageId>, up_to: Timestamp, open_until: Timestamp) -> Result<()> {
        self.intake
            .errand(move |conn| {
                Box::pin(async move {
                    for page in &pages {
                        let values = [page.as_str().into(), up_to.ms().into(), open_until.ms().into()];
                        conn.run(sql::batches::OPEN, &values).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Closes the batch of each page that was opened up to a time. Where somebody is left whose hard stop lies after
    /// the cut-off, they wait for the next one.
    pub async fn close_batch(
        &self,
        pages: Vec<PageId>,
        up_to: Timestamp,
        cutoff: Timestamp,
        now: Timestamp,
    ) -> Result<()> {
        self.intake
            .errand(move |conn| {
                Box::pin(async move {
                    for page in &pages {
                        let id = page.as_str();
                        conn.run(sql::batches::CLOSE, &[id.into(), up_to.ms().into(), now.ms().into()]).await?;
                        let values = [id.into(), up_to.ms().into(), cutoff.ms().into()];
                        conn.run(sql::batches::DRAW_BACK, &values).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// The latest batch of each page that ever had one.
    pub async fn batches(&self) -> Result<Vec<Batch>> {
        self.pool.reader().await?.rows(sql::batches::ALL_PAGES, &[]).await
    }

    /// How many people of a batch wait for a claim.
    pub async fn batch_waiting(&self, page: &PageId, cutoff: Timestamp, up_to: Timestamp) -> Result<u64> {
        let values = [page.as_str().into(), cutoff.ms().into(), up_to.ms().into()];
        let count = self.pool.reader().await?.row::<i64>(sql::batches::WAITING, &values).await?;
        Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
    }

    /// Whether something of a page's batch is left to do: somebody waits, is being sent to, or is tried again by `soon`.
    pub async fn batch_left(
        &self,
        page: &PageId,
        cutoff: Timestamp,
        up_to: Timestamp,
        soon: Timestamp,
    ) -> Result<bool> {
        let values = [page.as_str().into(), cutoff.ms().into(), up_to.ms().into(), soon.ms().into()];
        Ok(self.pool.reader().await?.row::<i64>(sql::batches::LEFT, &values).await? == Some(1))
    }
}

impl FromColumns for Batch {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            page: PageId::stored(c.text()?),
            up_to: Timestamp::from_ms(c.int()?),
            open_until: Timestamp::from_ms(c.int()?),
        })
    }
}
