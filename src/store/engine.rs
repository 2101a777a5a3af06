//! The seam between the two engines: statements that may differ in their text, values, and rows read by position.
//!
//! Everything above this file is written once. A statement is text for each engine with the same parameters and the
//! same columns; a value is a number or a text; a row is read column by column, in order.

use std::borrow::Cow;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Executor, Postgres, SqlSafeStr, Sqlite, SqlitePool};

pub(super) use super::columns::{Columns, FromColumns};
use super::error::{Error, Result};
use super::kept::Kept;
use super::session::{Session, Sessions};

/// One statement, with its text on each engine. The texts begin with the statement's name, for the database's logs.
#[derive(Debug)]
pub(super) struct Sql {
    pub(super) name: &'static str,
    pub(super) sqlite: &'static str,
    pub(super) postgres: &'static str,
}

/// A value to bind.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    Int(i64),
    MaybeInt(Option<i64>),
    Text(&'a str),
    MaybeText(Option<&'a str>),
}

impl<'a> Value<'a> {
    pub(super) fn int(&self) -> Option<i64> {
        match *self {
            Self::Int(number) => Some(number),
            Self::MaybeInt(number) => number,
            Self::Text(_) | Self::MaybeText(_) => None,
        }
    }

    pub(super) fn text(&self) -> Option<&'a str> {
        match *self {
            Self::Text(text) => Some(text),
            Self::MaybeText(text) => text,
            Self::Int(_) | Self::MaybeInt(_) => None,
        }
    }
}

/// A column of many rows, as PostgreSQL takes it.
#[derive(Debug)]
pub(super) enum List<'a> {
    Ints(Vec<Option<i64>>),
    Texts(Vec<Option<&'a str>>),
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

/// The connections of one store.
#[derive(Debug, Clone)]
pub(super) enum Pool {
    /// One connection that writes, a few that only read: readers never wait for the writer, nor it for them.
    Sqlite {
        writer: Kept<Sqlite>,
        readers: SqlitePool,
    },
    Postgres(Sessions),
}

/// One connection, for as long as its owner keeps it.
pub(super) enum Conn {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(Session),
}

impl Pool {
    pub(super) async fn writer(&self) -> Result<Conn> {
        Ok(match self {
            Self::Sqlite { writer, .. } => Conn::Sqlite(writer.acquire(|_| true).await?),
            Self::Postgres(sessions) => Conn::Postgres(sessions.writer().await?),
        })
    }

    pub(super) async fn reader(&self) -> Result<Conn> {
        Ok(match self {
            Self::Sqlite { readers, .. } => Conn::Sqlite(readers.acquire().await?),
            Self::Postgres(sessions) => Conn::Postgres(sessions.reader().await?),
        })
    }

    /// Takes back a writer that has done what it was asked, for the next to use.
    pub(super) fn keep(&self, conn: Conn) {
        match (self, conn) {
            (Self::Sqlite { writer, .. }, Conn::Sqlite(conn)) => writer.keep(conn),
            (Self::Postgres(sessions), Conn::Postgres(session)) => sessions.keep(session),
            _ => {}
        }
    }

    pub(super) const fn is_sqlite(&self) -> bool {
        matches!(self, Self::Sqlite { .. })
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Self::Postgres(sessions) => sessions.close().await,
        }
    }
}

/// Gives the text of the connection's engine.
pub(super) trait Text {
    fn sqlite(&self) -> &'static str;
    fn postgres(&self) -> &'static str;
}

impl Text for &Sql {
    fn sqlite(&self) -> &'static str {
        self.sqlite
    }
    fn postgres(&self) -> &'static str {
        self.postgres
    }
}

impl Conn {
    /// Runs a statement and reads its rows.
    pub(super) async fn rows<T: FromColumns>(&mut self, sql: impl Text, values: &[Value<'_>]) -> Result<Vec<T>> {
        match self {
            Self::Sqlite(conn) => {
                let rows = bind_sqlite(sqlx::query(sql.sqlite()), values).fetch_all(&mut **conn).await?;
                rows.iter().map(|row| T::read(&mut Columns::new(row))).collect()
            }
            Self::Postgres(conn) => {
                let rows = conn.rows(bind_postgres(sqlx::query(sql.postgres()), values)).await?;
                rows.iter().map(|row| T::read(&mut Columns::new(row))).collect()
            }
        }
    }

    /// Runs a statement that returns at most one row.
    pub(super) async fn row<T: FromColumns>(&mut self, sql: impl Text, values: &[Value<'_>]) -> Result<Option<T>> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    /// Runs a statement; returns how many rows it touched.
    pub(super) async fn run(&mut self, sql: impl Text, values: &[Value<'_>]) -> Result<u64> {
        Ok(match self {
            Self::Sqlite(conn) => {
                bind_sqlite(sqlx::query(sql.sqlite()), values).execute(&mut **conn).await?.rows_affected()
            }
            Self::Postgres(conn) => conn.run(bind_postgres(sqlx::query(sql.postgres()), values)).await?,
        })
    }

    /// Has the database read and plan a statement without running it.
    pub(super) async fn prepare(&mut self, sql: impl Text) -> Result<()> {
        match self {
            Self::Sqlite(conn) => conn.prepare(sql.sqlite().into_sql_str()).await.map(drop).map_err(Error::from),
            Self::Postgres(conn) => conn.prepare(sql.postgres()).await,
        }
    }

    /// Begins a transaction that may write. On SQLite the lock is taken at once: a plain BEGIN that reads first
    /// fails when another process wrote meanwhile, and no waiting cures that. On PostgreSQL it comes with one side of
    /// the lock by which an erasure waits for everybody else.
    pub(super) async fn begin(&mut self) -> Result<()> {
        match self {
            Self::Sqlite(conn) => conn.execute("BEGIN IMMEDIATE").await.map(drop).map_err(Error::from),
            Self::Postgres(conn) => conn.begin().await,
        }
    }

    /// Runs one of the fixed words `COMMIT`, `ROLLBACK`, `SAVEPOINT ..`.
    pub(super) async fn word(&mut self, word: &'static str) -> Result<()> {
        match self {
            Self::Sqlite(conn) => conn.execute(word).await.map(drop).map_err(Error::from),
            Self::Postgres(conn) => conn.word(word).await,
        }
    }

    /// Takes a connection whose transaction could not be ended out of use.
    pub(super) async fn discard(self) {
        match self {
            Self::Sqlite(conn) => {
                if let Err(error) = conn.close().await {
                    tracing::debug!(%error, "a broken connection did not close cleanly");
                }
            }
            Self::Postgres(conn) => conn.discard(),
        }
    }

    pub(super) const fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }
}

/// How long a connection may take to be had before the store counts as unavailable.
pub(super) const ACQUIRE: Duration = Duration::from_secs(5);

/// PostgreSQL keeps no NUL in a text, and would refuse it again at every try: what an answer or an event says may hold
/// one, and must not stop what it came with.
fn clean(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}

fn bind_sqlite<'q>(
    query: Query<'q, Sqlite, SqliteArguments>,
    values: &[Value<'q>],
) -> Query<'q, Sqlite, SqliteArguments> {
    values.iter().fold(query, |query, value| match *value {
        Value::Int(number) => query.bind(number),
        Value::MaybeInt(number) => query.bind(number),
        Value::Text(text) => query.bind(clean(text)),
        Value::MaybeText(text) => query.bind(text.map(clean)),
    })
}

fn bind_postgres<'q>(
    query: Query<'q, Postgres, PgArguments>,
    values: &[Value<'q>],
) -> Query<'q, Postgres, PgArguments> {
    values.iter().fold(query, |query, value| match *value {
        Value::Int(number) => query.bind(number),
        Value::MaybeInt(number) => query.bind(number),
        Value::Text(text) => query.bind(clean(text)),
        Value::MaybeText(text) => query.bind(text.map(clean)),
    })
}

/// A statement of PostgreSQL whose parameters are lists.
pub(super) fn bind_lists<'q>(text: &'static str, lists: Vec<List<'q>>) -> Query<'q, Postgres, PgArguments> {
    lists.into_iter().fold(sqlx::query(text), |query, list| match list {
        List::Ints(numbers) => query.bind(numbers),
        List::Texts(texts) => query.bind(texts.into_iter().map(|text| text.map(clean)).collect::<Vec<_>>()),
    })
}
