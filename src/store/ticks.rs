//! The runs of jobs. A tick is a row with a unique key and a lease: one node runs it, and none is run twice.

use std::time::Duration;

use serde::Serialize;

use super::Store;
use super::engine::{Columns, FromColumns};
use super::error::Result;
use super::sql;
use crate::domain::time::Timestamp;

/// The right to run one tick. The pair of numbers is its fence: whoever takes the tick over gets another.
#[derive(Debug, Clone, Copy)]
pub struct Tick {
    id: i64,
    started_at: i64,
}

/// One run of a job, as `job list` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Run {
    /// The job.
    pub name: String,
    /// The time it was due.
    pub tick: Timestamp,
    /// The node that ran it.
    pub node: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; absent while it runs, or where its node died.
    pub ended_at: Option<Timestamp>,
    /// `done`, `failed` or `timed_out`.
    pub result: Option<String>,
    /// What it did, or why it failed.
    pub detail: Option<String>,
    /// Until when it belongs to its node, if it has not ended.
    pub lease_until: Timestamp,
}

/// What is known of a job's ticks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// Since when the job is known: earlier ticks were never promised.
    pub since: Timestamp,
    /// The latest tick that anybody took.
    pub last: Option<Timestamp>,
    /// Ticks that were taken and left behind, oldest first.
    pub left: Vec<Timestamp>,
}

impl Store {
    /// Takes a tick: `None` if it was run, or runs elsewhere, or another run of the same job is not over.
    pub async fn take_tick(
        &self,
        name: String,
        due: Timestamp,
        node: String,
        lease: Duration,
        now: Timestamp,
    ) -> Result<Option<Tick>> {
        self.intake
            .errand(move |conn| {
                Box::pin(async move {
                    let name = name.as_str();
                    if conn.is_postgres() {
                        // Two ticks of one job are two rows: nothing else keeps two nodes from taking both.
                        conn.row::<i64>(sql::jobs::LOCK_JOB, &[name.into()]).await?;
                    }
                    let others = [name.into(), now.ms().into(), due.ms().into()];
                    if conn.row::<i64>(sql::jobs::JOB_RUNNING, &others).await?.unwrap_or(0) > 0 {
                        return Ok(None);
                    }
                    let until = now.plus(lease).ms();
                    let values = [name.into(), due.ms().into(), node.as_str().into(), now.ms().into(), until.into()];
                    conn.row(sql::jobs::TAKE_TICK, &values).await
                })
            })
            .await
    }

    /// Writes down how a tick ended. Returns whether it was still ours.
    pub async fn end_tick(&self, tick: Tick, result: &'static str, detail: String, now: Timestamp) -> Result<bool> {
        self.intake
            .errand(move |conn| {
                Box::pin(async move {
                    let values = [
                        tick.id.into(),
                        tick.started_at.into(),
                        now.ms().into(),
                        result.into(),
                        detail.as_str().into(),
                    ];
                    Ok(conn.run(sql::jobs::END_TICK, &values).await? == 1)
                })
            })
            .await
    }

    /// Keeps a tick for longer. Returns whether it was still ours.
    pub async fn renew_tick(&self, tick: Tick, lease: Duration, now: Timestamp) -> Result<bool> {
        self.intake
            .errand(move |conn| {
                Box::pin(async move {
                    let values = [tick.id.into(), tick.started_at.into(), now.plus(lease).ms().into()];
                    Ok(conn.run(sql::jobs::RENEW_TICK, &values).await? == 1)
                })
            })
            .await
    }

    /// Meets a job: since when it is known.
    pub async fn meet_job(&self, name: String, now: Timestamp) -> Result<Timestamp> {
        self.intake
            .errand(move |conn| {
                Box::pin(async move {
                    let since = conn.row::<i64>(sql::jobs::MEET, &[name.as_str().into(), now.ms().into()]).await?;
                    Ok(since.map_or(now, Timestamp::from_ms))
                })
            })
            .await
    }

    /// What happened to a job's ticks; of those left behind only the ones after `oldest`.
    pub async fn job_history(
        &self,
        name: &str,
        since: Timestamp,
        oldest: Timestamp,
        now: Timestamp,
    ) -> Result<History> {
        let mut conn = self.pool.reader().await?;
        let last = conn.row::<i64>(sql::jobs::LAST_TICK, &[name.into()]).await?;
        let left = conn.rows::<i64>(sql::jobs::LEFT, &[name.into(), now.ms().into(), oldest.ms().into()]).await?;
        let left = left.into_iter().map(Timestamp::from_ms).collect();
        Ok(History { since, last: last.map(Timestamp::from_ms), left })
    }

    /// One run.
    pub async fn run_of(&self, name: &str, tick: Timestamp) -> Result<Option<Run>> {
        self.pool.reader().await?.row(sql::jobs::RUN, &[name.into(), tick.ms().into()]).await
    }

    /// The latest runs of one job, newest first.
    pub async fn runs_of(&self, name: &str, most: i64) -> Result<Vec<Run>> {
        self.pool.reader().await?.rows(sql::jobs::RUNS_OF, &[name.into(), most.into()]).await
    }

    /// The latest runs, newest first.
    pub async fn runs(&self, most: i64) -> Result<Vec<Run>> {
        self.pool.reader().await?.rows(sql::jobs::RUNS, &[most.into()]).await
    }
}

impl FromColumns for Tick {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        Ok(Self { id: c.int()?, started_at: c.int()? })
    }
}

impl FromColumns for Run {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            name: c.text()?.to_owned(),
            tick: Timestamp::from_ms(c.int()?),
            node: c.text()?.to_owned(),
            started_at: Timestamp::from_ms(c.int()?),
            ended_at: c.maybe_int()?.map(Timestamp::from_ms),
            result: c.maybe_text()?.map(str::to_owned),
            detail: c.maybe_text()?.map(str::to_owned),
            lease_until: Timestamp::from_ms(c.int()?),
        })
    }
}
