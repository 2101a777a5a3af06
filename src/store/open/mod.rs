//! Opening a database by its URL.
//!
//! | | |
//! |---|---|
//! | `sqlite`, `postgres` | connections as they must be |
//! | `migrations` | the schema as this version knows it |
//! | `lock` | one daemon a SQLite file |

mod lock;
mod migrations;
mod postgres;
mod sqlite;

pub use lock::{DaemonLock, lock_for_daemon};
pub(super) use sqlite::BULK;

use super::engine::{Columns, FromColumns, Pool};
use super::error::{Error, Result};
use super::sql;

/// Where the database is, and what stands before it.
#[derive(Debug, Clone)]
pub struct Access {
    /// `sqlite://path` or `postgres://..`. May hold a password.
    pub url: String,
    /// Whether a transaction pooler stands before PostgreSQL. Nothing may then outlive a transaction: no prepared
    /// statements, no LISTEN, and no migrations, which want a lock of the session.
    pub pooler: bool,
}

impl From<&str> for Access {
    fn from(url: &str) -> Self {
        Self { url: url.to_owned(), pooler: false }
    }
}

impl From<&String> for Access {
    fn from(url: &String) -> Self {
        url.as_str().into()
    }
}

/// Opens the database.
pub(super) async fn open(access: &Access) -> Result<Pool> {
    let url = access.url.as_str();
    match url.split_once(':').map(|(scheme, _)| scheme) {
        Some("sqlite") => sqlite::open(url).await,
        Some("postgres" | "postgresql") => postgres::open(url, access.pooler).await,
        _ => Err(Error::Unfit("database.url names no database we know; begin it with sqlite:// or postgres://".into())),
    }
}

/// Opens the database for reading alone.
pub(super) async fn open_to_read(access: &Access) -> Result<Pool> {
    let url = access.url.as_str();
    let pool = if url.starts_with("sqlite:") {
        sqlite::open_to_read(url).await?
    } else {
        postgres::open_to_read(url, access.pooler).await?
    };
    let known = migrations::newest(&pool);
    let found = pool.reader().await?.row::<Found>(sql::health::ENGINE, &[]).await.map_err(|error| match error {
        Error::Unavailable(error) => sqlite::unreadable(error),
        error => error,
    })?;
    let found = found.map_or(0, |found| found.0);
    if found != known {
        return Err(Error::Unfit(format!(
            "the schema is at {found} and this version reads {known}; run `firstword migrate`, or the version of the daemon"
        )));
    }
    Ok(pool)
}

/// The newest migration that was applied, from the row that names the engine.
struct Found(i64);

impl FromColumns for Found {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        c.text()?;
        c.text()?;
        Ok(Self(c.int()?))
    }
}
