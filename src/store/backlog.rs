//! Who still waits, and how fast they are served: what a forecast is made of. Read on a reader, never on the way of a
//! send.

use std::collections::HashMap;
use std::time::Duration;

use super::Store;
use super::engine::{Columns, FromColumns};
use super::error::Result;
use super::sql;
use crate::domain::forecast::{Bucket, in_order};
use crate::domain::ids::PageId;
use crate::domain::time::{Timestamp, millis};

/// How many of the latest attempts tell how fast a page is served.
const LATEST_ATTEMPTS: i64 = 5000;

/// What became of a page's latest attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recent {
    /// How many ended.
    pub ended: i64,
    /// How many of them were accepted.
    pub accepted: i64,
    /// When the first of them began.
    pub since: Timestamp,
}

impl Store {
    /// Everybody of the pages who can still be missed and opted in after one time and up to another, in buckets of a
    /// width, in order; those of other pages too, if they do not wait for a claim.
    pub async fn backlog(
        &self,
        pages: &[PageId],
        after: Timestamp,
        up_to: Timestamp,
        width: Duration,
    ) -> Result<HashMap<PageId, Vec<Bucket>>> {
        let mut backlog: HashMap<PageId, Vec<Bucket>> = HashMap::new();
        let width = millis(width).max(1);
        let mut conn = self.pool.reader().await?;
        let apart: Vec<Apart> = conn.rows(sql::backlog::APART, &[after.ms().into(), width.into()]).await?;
        for Apart { page, bucket, people } in apart {
            let to = Timestamp::from_ms(after.ms().saturating_add(bucket.saturating_add(1).saturating_mul(width)));
            backlog.entry(page).or_default().push(bucket_until(to, width, people));
        }
        for page in pages {
            let values = [page.as_str().into(), after.ms().into(), up_to.ms().into(), width.into()];
            let rows: Vec<(i64, i64)> = conn.rows(sql::backlog::PENDING, &values).await?;
            let buckets = rows.into_iter().map(|(to, people)| bucket_until(Timestamp::from_ms(to), width, people));
            backlog.entry(page.clone()).or_default().extend(buckets);
        }
        Ok(backlog.into_iter().map(|(page, buckets)| (page, in_order(buckets))).collect())
    }

    /// What became of the latest attempts since a time, by page; of a busy node the latest few thousand.
    pub async fn recent_attempts(&self, since: Timestamp) -> Result<HashMap<PageId, Recent>> {
        let values = [LATEST_ATTEMPTS.into(), since.ms().into()];
        let rows: Vec<(PageId, Recent)> = self.pool.reader().await?.rows(sql::backlog::RECENT, &values).await?;
        Ok(rows.into_iter().collect())
    }

    /// Since when the most urgent pending person of a page waits for a claim.
    pub async fn longest_wait(&self, page: &PageId, cutoff: Timestamp) -> Result<Option<Timestamp>> {
        let values = [page.as_str().into(), cutoff.ms().into()];
        let since = self.pool.reader().await?.row::<i64>(sql::backlog::LONGEST, &values).await?;
        Ok(since.map(Timestamp::from_ms))
    }
}

fn bucket_until(to: Timestamp, width: i64, people: i64) -> Bucket {
    Bucket { from: Timestamp::from_ms(to.ms() - width + 1), to, people: u64::try_from(people).unwrap_or(0) }
}

struct Apart {
    page: PageId,
    bucket: i64,
    people: i64,
}

impl FromColumns for Apart {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        Ok(Self { page: PageId::stored(c.text()?), bucket: c.int()?, people: c.int()? })
    }
}

impl FromColumns for (PageId, Recent) {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        let page = PageId::stored(c.text()?);
        Ok((page, Recent { ended: c.int()?, accepted: c.int()?, since: Timestamp::from_ms(c.int()?) }))
    }
}
