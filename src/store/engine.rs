//! The seam between the two engines: statements that may differ in their text, values, and rows read by position.
//!
//! Everything above this file is written once. A statement is text for each engine with the same parameters and the
//! same columns; a value is a number or a text; a row is read column by column, in order.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Executor, PgPool, Postgres, Row, Sqlite, SqlitePool};

use super::error::{Error, Result};

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
        writer: SqlitePool,
        readers: SqlitePool,
    },
    Postgres(PgPool),
}

/// One connection, for as long as its owner keeps it.
pub(super) enum Conn {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

impl Pool {
    pub(super) async fn writer(&self) -> Result<Conn> {
        Ok(match self {
            Self::Sqlite { writer, .. } => Conn::Sqlite(writer.acquire().await?),
            Self::Postgres(pool) => Conn::Postgres(pool.acquire().await?),
        })
    }

    pub(super) async fn reader(&self) -> Result<Conn> {
        Ok(match self {
            Self::Sqlite { readers, .. } => Conn::Sqlite(readers.acquire().await?),
            Self::Postgres(pool) => Conn::Postgres(pool.acquire().await?),
        })
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
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
                let rows = bind_postgres(sqlx::query(sql.postgres()), values).fetch_all(&mut **conn).await?;
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
            Self::Postgres(conn) => {
                bind_postgres(sqlx::query(sql.postgres()), values).execute(&mut **conn).await?.rows_affected()
            }
        })
    }

    /// Begins a transaction that may write. On SQLite the lock is taken at once: a plain BEGIN that reads first
    /// fails when another process wrote meanwhile, and no waiting cures that.
    pub(super) async fn begin(&mut self) -> Result<()> {
        match self {
            Self::Sqlite(conn) => conn.execute("BEGIN IMMEDIATE").await.map(drop),
            Self::Postgres(conn) => conn
                .execute(sqlx::raw_sql("BEGIN; SET LOCAL lock_timeout = '5s'; SET LOCAL statement_timeout = '5s'"))
                .await
                .map(drop),
        }
        .map_err(Error::from)
    }

    /// Runs one of the fixed words `COMMIT`, `ROLLBACK`, `SAVEPOINT ..`.
    pub(super) async fn word(&mut self, word: &'static str) -> Result<()> {
        match self {
            Self::Sqlite(conn) => conn.execute(word).await.map(drop),
            Self::Postgres(conn) => conn.execute(word).await.map(drop),
        }
        .map_err(Error::from)
    }

    /// Takes a connection whose transaction could not be ended out of use.
    pub(super) async fn discard(self) {
        let closed = match self {
            Self::Sqlite(conn) => conn.close().await,
            Self::Postgres(conn) => conn.close().await,
        };
        if let Err(error) = closed {
            tracing::debug!(%error, "a broken connection did not close cleanly");
        }
    }

    pub(super) const fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }
}

/// How long a connection may take to be had before the store counts as unavailable.
pub(super) const ACQUIRE: Duration = Duration::from_secs(5);

fn bind_sqlite<'q>(
    query: Query<'q, Sqlite, SqliteArguments>,
    values: &[Value<'q>],
) -> Query<'q, Sqlite, SqliteArguments> {
    values.iter().fold(query, |query, value| match *value {
        Value::Int(number) => query.bind(number),
        Value::MaybeInt(number) => query.bind(number),
        Value::Text(text) => query.bind(text),
        Value::MaybeText(text) => query.bind(text),
    })
}

fn bind_postgres<'q>(
    query: Query<'q, Postgres, PgArguments>,
    values: &[Value<'q>],
) -> Query<'q, Postgres, PgArguments> {
    values.iter().fold(query, |query, value| match *value {
        Value::Int(number) => query.bind(number),
        Value::MaybeInt(number) => query.bind(number),
        Value::Text(text) => query.bind(text),
        Value::MaybeText(text) => query.bind(text),
    })
}

/// A row of either engine, read from left to right.
pub(super) struct Columns<'r> {
    row: &'r dyn Cells,
    next: usize,
}

/// What both engines' rows can do.
trait Cells {
    fn int(&self, at: usize) -> sqlx::Result<Option<i64>>;
    fn text(&self, at: usize) -> sqlx::Result<Option<&str>>;
}

impl Cells for SqliteRow {
    fn int(&self, at: usize) -> sqlx::Result<Option<i64>> {
        self.try_get_unchecked(at)
    }
    fn text(&self, at: usize) -> sqlx::Result<Option<&str>> {
        self.try_get_unchecked(at)
    }
}

impl Cells for PgRow {
    fn int(&self, at: usize) -> sqlx::Result<Option<i64>> {
        self.try_get(at)
    }
    fn text(&self, at: usize) -> sqlx::Result<Option<&str>> {
        self.try_get(at)
    }
}

impl<'r> Columns<'r> {
    fn new(row: &'r dyn Cells) -> Self {
        Self { row, next: 0 }
    }

    fn step(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }

    pub(super) fn maybe_int(&mut self) -> Result<Option<i64>> {
        let at = self.step();
        Ok(self.row.int(at)?)
    }

    pub(super) fn int(&mut self) -> Result<i64> {
        let at = self.next;
        self.maybe_int()?.ok_or(Error::Corrupt { what: format!("column {at} is NULL and must not be") })
    }

    pub(super) fn maybe_text(&mut self) -> Result<Option<&'r str>> {
        let at = self.step();
        Ok(self.row.text(at)?)
    }

    pub(super) fn text(&mut self) -> Result<&'r str> {
        let at = self.next;
        self.maybe_text()?.ok_or(Error::Corrupt { what: format!("column {at} is NULL and must not be") })
    }
}

/// Something that can be read from a row.
pub(super) trait FromColumns: Sized {
    fn read(columns: &mut Columns<'_>) -> Result<Self>;
}

impl FromColumns for i64 {
    fn read(columns: &mut Columns<'_>) -> Result<Self> {
        columns.int()
    }
}

impl FromColumns for String {
    fn read(columns: &mut Columns<'_>) -> Result<Self> {
        columns.text().map(str::to_owned)
    }
}

impl<A: FromColumns, B: FromColumns> FromColumns for (A, B) {
    fn read(columns: &mut Columns<'_>) -> Result<Self> {
        Ok((A::read(columns)?, B::read(columns)?))
    }
}

impl<A: FromColumns, B: FromColumns, C: FromColumns> FromColumns for (A, B, C) {
    fn read(columns: &mut Columns<'_>) -> Result<Self> {
        Ok((A::read(columns)?, B::read(columns)?, C::read(columns)?))
    }
}
