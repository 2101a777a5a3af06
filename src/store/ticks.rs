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
                        conn.row::<i64>(sql::system::LOCK_JOB, &[name.into()]).await?;
                    }
                    let others = [name.into(), now.ms().into(), due.ms().into()];
                    if conn.row::<i64>(sql::system::JOB_RUNNING, &others).await?.unwrap_or(0) > 0 {
                        return Ok(None);
                    }
                    let until = now.plus(lease).ms();
                    let values = [name.into(), due.ms().into(), node.as_str().into(), now.ms().into(), until.into()];
                    conn.row(sql::system::TAKE_TICK, &values).await
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
                    Ok(conn.run(sql::system::END_TICK, &values).await? == 1)
                })
            })
            .await
    }

    /// The latest tick of a job that anybody took.
    pub async fn last_tick(&self, name: &str) -> Result<Option<Timestamp>> {
        let tick = self.pool.reader().await?.row::<i64>(sql::system::LAST_TICK, &[name.into()]).await?;
        Ok(tick.map(Timestamp::from_ms))
    }

    /// The latest runs, newest first.
    pub async fn runs(&self, most: i64) -> Result<Vec<Run>> {
        self.pool.reader().await?.rows(sql::system::RUNS, &[most.into()]).await
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
        })
    }
}
