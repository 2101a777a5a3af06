//! Whose time has come. A scan only finds numbers; the state machine decides on the locked row.

use super::Store;
use super::engine::{Columns, FromColumns, Sql, Value};
use super::error::Result;
use super::row::{json_ids, ms};
use super::sql;
use crate::domain::ids::{AttemptId, LoginId, OptInId, PageId};
use crate::domain::time::Timestamp;

impl Store {
    /// Rows that wait for admission, after the given number.
    pub async fn waiting_for_admission(&self, after: OptInId, most: i64) -> Result<Vec<OptInId>> {
        self.ids(sql::upkeep::NEW, &[after.0.into(), most.into()]).await
    }

    /// Retries that are due.
    pub async fn due(&self, now: Timestamp, most: i64) -> Result<Vec<OptInId>> {
        self.ids(sql::upkeep::DUE, &[now.ms().into(), most.into()]).await
    }

    /// When the next retry is due.
    pub async fn next_due(&self) -> Result<Option<Timestamp>> {
        let mut conn = self.pool.reader().await?;
        Ok(conn.row::<i64>(sql::upkeep::NEXT_DUE, &[]).await?.map(Timestamp::from_ms))
    }

    /// Attempts whose lease ran out without a report.
    pub async fn lapsed(&self, now: Timestamp, most: i64) -> Result<Vec<(OptInId, AttemptId)>> {
        let mut conn = self.pool.reader().await?;
        let rows: Vec<(i64, i64)> = conn.rows(sql::upkeep::LAPSED, &[now.ms().into(), most.into()]).await?;
        Ok(rows.into_iter().map(|(id, fence)| (OptInId(id), AttemptId(fence))).collect())
    }

    /// Pending rows of a page that opted in at or before the cut-off.
    pub async fn past_hard_stop(&self, page: &PageId, cutoff: Timestamp, most: i64) -> Result<Vec<OptInId>> {
        self.ids(sql::upkeep::MISSED, &[page.as_str().into(), cutoff.ms().into(), most.into()]).await
    }

    /// Rows that entered `sent` or `uncertain` before a time.
    pub async fn unanswered(&self, since: Timestamp, most: i64) -> Result<Vec<OptInId>> {
        self.ids(sql::upkeep::UNANSWERED, &[since.ms().into(), most.into()]).await
    }

    /// Opt-ins in doubt since before a time, of one page or of all, by number.
    pub async fn in_doubt(
        &self,
        page: Option<&PageId>,
        before: Timestamp,
        after: OptInId,
        most: i64,
    ) -> Result<Vec<OptInId>> {
        let page = page.map_or("", PageId::as_str);
        self.ids(sql::upkeep::IN_DOUBT, &[page.into(), before.ms().into(), after.0.into(), most.into()]).await
    }

    /// Deletes up to `most` rows that ended before a time, leaving a tombstone for each. Returns how many.
    pub async fn purge(&self, ended_before: Timestamp, most: i64, now: Timestamp) -> Result<u64> {
        let key = self.rules().key.clone();
        self.intake
            .errand(move |conn| {
                Box::pin(async move {
                    let old: Vec<Old> = conn.rows(sql::upkeep::ENDED, &[ended_before.ms().into(), most.into()]).await?;
                    for row in &old {
                        let name = key.tombstone(&row.page, &row.login);
                        let greeted = Value::Int(i64::from(row.maybe_greeted));
                        let values = [name.as_str().into(), now.ms().into(), greeted, ms(row.opted_out_at), 0.into()];
                        conn.run(sql::people::BURY, &values).await?;
                    }
                    let ids = json_ids(old.iter().map(|row| row.id));
                    for statement in sql::erase::BY_OPTIN {
                        conn.run(*statement, &[ids.as_str().into()]).await?;
                    }
                    Ok(u64::try_from(old.len()).unwrap_or(0))
                })
            })
            .await
    }

    /// Deletes raw events, echoes, times of intake, job runs and alerts that were over before a time, up to `most` of
    /// each. Returns how many.
    pub async fn forget_before(&self, time: Timestamp, most: i64) -> Result<u64> {
        const OLD: [&Sql; 5] = [
            sql::people::DROP_UNPARSED,
            sql::alerts::FORGET,
            sql::echoes::DROP,
            sql::echoes::DROP_INTAKE,
            sql::jobs::DROP_RUNS,
        ];
        self.intake
            .errand(move |conn| {
                Box::pin(async move {
                    let mut count = 0;
                    for statement in OLD {
                        count += conn.run(statement, &[time.ms().into(), most.into()]).await?;
                    }
                    Ok(count)
                })
            })
            .await
    }

    async fn ids(&self, sql: &'static Sql, values: &[Value<'_>]) -> Result<Vec<OptInId>> {
        let mut conn = self.pool.reader().await?;
        Ok(conn.rows::<i64>(sql, values).await?.into_iter().map(OptInId).collect())
    }
}

/// What the tombstone of a purged row needs.
struct Old {
    id: i64,
    page: PageId,
    login: LoginId,
    maybe_greeted: bool,
    opted_out_at: Option<Timestamp>,
}

impl FromColumns for Old {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            id: c.int()?,
            page: PageId::stored(c.text()?),
            login: LoginId::stored(c.text()?),
            maybe_greeted: c.maybe_int()?.is_some(),
            opted_out_at: c.maybe_int()?.map(Timestamp::from_ms),
        })
    }
}
