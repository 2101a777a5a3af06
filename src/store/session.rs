//! A PostgreSQL connection as we use one: bounded in time, and fit for a pooler.
//!
//! - **No statement is waited for forever.** A connection whose other end is gone without a word looks alive for many
//!   minutes. What is not answered in time failed, and a COMMIT that is not answered is one of unknown end.
//! - **What was cut in the middle is closed, never used again**: neither an unread answer nor an open transaction gets
//!   back into the pool, whatever way its owner went.
//! - **Behind a transaction pooler** nothing may outlive a transaction, and the next transaction may meet another
//!   server: every statement stands in an explicit transaction, none is prepared under a name, and what is set is set
//!   by `SET LOCAL`.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Executor, PgConnection, PgPool, Postgres, SqlSafeStr};

use super::error::{Error, Result};
use super::kept::Kept;
use super::suspicion::{ANSWER, Suspicion};

/// How long an answer to a report may take, unless somebody else hears nothing meanwhile: then it is waited for no longer
/// than [`ANSWER`].
const REPORT: Duration = Duration::from_secs(40);

/// One side of the lock by which an erasure waits for everybody else.
macro_rules! nobody_erases {
    () => {
        "; SELECT pg_advisory_xact_lock_shared(26992, 0)"
    };
}

/// Begins a transaction that may write.
pub(super) const BEGIN: &str =
    concat!("BEGIN; SET LOCAL lock_timeout = '5s'; SET LOCAL statement_timeout = '5s'", nobody_erases!());
/// What is said at the start of each transaction where the server's session is not ours, and elsewhere once, in the
/// connection's options.
macro_rules! pooled {
    () => {
        "BEGIN; SET LOCAL lock_timeout = '5s'; SET LOCAL statement_timeout = '5s';
         SET LOCAL idle_in_transaction_session_timeout = '5s'; SET LOCAL synchronous_commit = on; SET LOCAL jit = off;
         SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off;
         SET LOCAL plan_cache_mode = force_generic_plan"
    };
}

/// The same behind a pooler.
const BEGIN_POOLED: &str = concat!(pooled!(), nobody_erases!());
/// The same for a claim, which elsewhere is a transaction by itself.
const BEGIN_POOLED_CLAIM: &str = pooled!();
/// The same for a statement that only reads, and may take its time.
const BEGIN_POOLED_REPORT: &str = "BEGIN READ ONLY; SET LOCAL statement_timeout = '30s'; SET LOCAL jit = off;
    SET LOCAL idle_in_transaction_session_timeout = '5s'";

/// The connections of a node: some for the main path, whose plans must not hang on statistics, and some for reports.
#[derive(Debug, Clone)]
pub(super) struct Sessions {
    writers: Kept<Postgres>,
    readers: PgPool,
    pooler: bool,
    suspicion: Suspicion,
}

impl Sessions {
    pub(super) fn new(writers: PgPool, readers: PgPool, pooler: bool, suspicion: Suspicion) -> Self {
        Self { writers: Kept::of(writers), readers, pooler, suspicion }
    }

    /// The pool of those that write.
    pub(super) fn pool(&self) -> &PgPool {
        self.writers.pool()
    }

    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.writers.close().await;
    }

    /// Whether a pooler stands before the server.
    pub(super) fn pooled(&self) -> bool {
        self.pooler
    }

    pub(super) async fn writer(&self) -> Result<Session> {
        let conn = self.writers.acquire(|idle_for| self.suspicion.clears(idle_for)).await?;
        Ok(self.session(conn, ANSWER, BEGIN_POOLED_CLAIM))
    }

    /// Takes back a writer for the next to use; one with anything under way is closed.
    pub(super) fn keep(&self, mut session: Session) {
        if session.is_whole()
            && let Some(conn) = session.conn.take()
        {
            self.writers.keep(conn);
        }
    }

    pub(super) async fn reader(&self) -> Result<Session> {
        Ok(self.session(self.readers.acquire().await?, REPORT, BEGIN_POOLED_REPORT))
    }

    fn session(&self, conn: PoolConnection<Postgres>, patience: Duration, begin: &'static str) -> Session {
        let (conn, pooler, suspicion) = (Some(conn), self.pooler, self.suspicion.clone());
        Session { conn, pooler, suspicion, patience, begin, begun: false, broken: false }
    }
}

/// One connection, for as long as its owner keeps it.
pub(super) struct Session {
    conn: Option<PoolConnection<Postgres>>,
    pooler: bool,
    suspicion: Suspicion,
    patience: Duration,
    /// What begins a transaction around a single statement, behind a pooler.
    begin: &'static str,
    begun: bool,
    broken: bool,
}

impl Session {
    /// Runs a statement and reads its rows.
    pub(super) async fn rows(&mut self, query: Query<'_, Postgres, PgArguments>) -> Result<Vec<PgRow>> {
        let query = query.persistent(!self.pooler);
        self.enclosed(async |conn| query.fetch_all(conn).await).await
    }

    /// Runs a statement; returns how many rows it touched.
    pub(super) async fn run(&mut self, query: Query<'_, Postgres, PgArguments>) -> Result<u64> {
        let query = query.persistent(!self.pooler);
        Ok(self.enclosed(async |conn| query.execute(conn).await).await?.rows_affected())
    }

    /// Has the server read and plan a statement without running it.
    pub(super) async fn prepare(&mut self, text: &'static str) -> Result<()> {
        if self.pooler {
            // Under a name that is gone by the end of the transaction: the server is somebody else's next.
            let text = format!("PREPARE firstword_check AS {text};\nDEALLOCATE firstword_check");
            let query = sqlx::raw_sql(AssertSqlSafe(text));
            return self.enclosed(async |conn| conn.execute(query).await).await.map(drop);
        }
        self.answered(async |conn| conn.prepare(text.into_sql_str()).await.map(drop)).await
    }

    /// Begins a transaction that may write.
    pub(super) async fn begin(&mut self) -> Result<()> {
        let begin = if self.pooler { BEGIN_POOLED } else { BEGIN };
        self.open(begin).await
    }

    async fn open(&mut self, begin: &'static str) -> Result<()> {
        self.begun = true;
        self.answered(async |conn| conn.execute(sqlx::raw_sql(begin)).await.map(drop)).await
    }

    /// Runs one of the fixed words `COMMIT`, `ROLLBACK`, `SAVEPOINT ..`.
    pub(super) async fn word(&mut self, word: &'static str) -> Result<()> {
        self.answered(async |conn| conn.execute(word).await.map(drop)).await?;
        self.begun &= !matches!(word, "COMMIT" | "ROLLBACK");
        Ok(())
    }

    /// Whether nothing is under way.
    const fn is_whole(&self) -> bool {
        !self.begun && !self.broken
    }

    /// Takes it out of use.
    pub(super) fn discard(mut self) {
        self.broken = true;
    }

    /// Runs a statement, in a transaction of its own where it needs one and is in none.
    async fn enclosed<T>(&mut self, call: impl AsyncFnOnce(&mut PgConnection) -> sqlx::Result<T>) -> Result<T> {
        if !self.pooler || self.begun {
            return self.answered(call).await;
        }
        self.open(self.begin).await?;
        let value = self.answered(call).await;
        match value {
            Ok(value) => self.word("COMMIT").await.map(|()| value),
            Err(error) => {
                // Where even that fails the connection is closed when it is dropped, which undoes it too.
                _ = self.word("ROLLBACK").await;
                Err(error)
            }
        }
    }

    /// Waits for an answer, but not forever. From the question to the answer the connection counts as broken: whoever
    /// is dropped in between leaves it so.
    async fn answered<T>(&mut self, call: impl AsyncFnOnce(&mut PgConnection) -> sqlx::Result<T>) -> Result<T> {
        let Some(conn) = self.conn.as_mut().filter(|_| !self.broken) else {
            return Err(unanswered(std::io::ErrorKind::NotConnected, "the connection to the database broke"));
        };
        self.broken = true;
        match self.suspicion.within(self.patience, call(conn)).await {
            Some(Ok(value)) => {
                self.broken = false;
                Ok(value)
            }
            Some(Err(error)) => {
                // What the server says against a statement is no fault of the connection, unless it says goodbye.
                self.broken = error.as_database_error().is_none_or(|error| is_goodbye(error.code().as_deref()));
                if self.broken {
                    self.suspicion.raise();
                }
                Err(error.into())
            }
            None => Err(unanswered(std::io::ErrorKind::TimedOut, "the database gave no answer in time")),
        }
    }
}

fn unanswered(kind: std::io::ErrorKind, what: &'static str) -> Error {
    Error::Unavailable(sqlx::Error::Io(std::io::Error::new(kind, what)))
}

/// Whether the server ends the session with this error: class 57P, shutdowns and terminations; 25P03, an idle
/// transaction's time-out; class 08, the connection itself.
fn is_goodbye(code: Option<&str>) -> bool {
    code.is_some_and(|code| code.starts_with("57P") || code.starts_with("08") || code == "25P03")
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.is_whole()
            && let Some(conn) = self.conn.take()
        {
            // Without a goodbye, which the other end might never take: the closed socket says it.
            drop(conn.detach());
        }
    }
}
