//! SQLite: one connection that writes, a few that read, and the settings each of them needs.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, SqlitePool};

use super::migrations;
use crate::store::engine::{ACQUIRE, Pool};
use crate::store::error::{Error, Result, sqlite_code};
use crate::store::kept::Kept;

/// Page caches in KiB. They count against a small daemon's memory, and SQLite walks all of the writer's at nearly every
/// commit: each rearranged index makes it look for pages beyond the file's end. An import asks for more.
const WRITER_CACHE_KIB: u32 = 2 * 1024;
const READER_CACHE_KIB: u32 = 2 * 1024;
/// A checkpoint every 32 MiB instead of every 4: the same pages are touched by many groups, and written back once.
const CHECKPOINT_PAGES: &str = "8192";
/// For an import: a cache that holds the indexes of a million people, and a checkpoint every 128 MiB.
pub(in crate::store) const BULK: [&str; 2] = ["PRAGMA cache_size = -262144", "PRAGMA wal_autocheckpoint = 32768"];
/// Below this SQLite can corrupt a WAL database that two connections write (the WAL-reset bug, fixed in 3.51.3).
const OLDEST: (u32, u32, u32) = (3, 51, 3);

/// The file behind a `sqlite://` URL.
pub(super) fn file(url: &str) -> Result<PathBuf> {
    let options = SqliteConnectOptions::from_str(url).map_err(Error::from)?;
    Ok(options.get_filename().to_path_buf())
}

/// Opens a file and brings its schema up to date.
pub(super) async fn open(url: &str) -> Result<Pool> {
    let base = SqliteConnectOptions::from_str(url)?
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(5))
        .foreign_keys(false)
        .statement_cache_capacity(256)
        .row_buffer_size(1024)
        .disable_statement_logging();
    let writing = base
        .clone()
        .create_if_missing(true)
        .pragma("cache_size", format!("-{WRITER_CACHE_KIB}"))
        // What undoes a statement alone is kept in memory, not in a file made for each group.
        .pragma("temp_store", "MEMORY")
        // What we write has been checked by the domain's types; the table's checks are for the others who insert.
        .pragma("ignore_check_constraints", "ON")
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES);
    let reading = base.read_only(true).pragma("cache_size", format!("-{READER_CACHE_KIB}"));
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(ACQUIRE)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(writing)
        .await
        .map_err(unreadable)?;
    check_version(&writer).await?;
    migrations::migrate_sqlite(&writer).await?;
    let readers = SqlitePoolOptions::new()
        .max_connections(2)
        .acquire_timeout(ACQUIRE)
        .test_before_acquire(false)
        .connect_with(reading)
        .await?;
    Ok(Pool::Sqlite { writer: Kept::of(writer), readers })
}

/// Opens a file for reading alone.
pub(super) async fn open_to_read(url: &str) -> Result<Pool> {
    let options = SqliteConnectOptions::from_str(url)?
        .read_only(true)
        .busy_timeout(Duration::from_secs(5))
        .row_buffer_size(1024)
        .disable_statement_logging();
    let readers = SqlitePoolOptions::new().max_connections(2).acquire_timeout(ACQUIRE).test_before_acquire(false);
    let readers = readers.connect_with(options).await.map_err(unreadable)?;
    Ok(Pool::Sqlite { writer: Kept::of(readers.clone()), readers })
}

async fn check_version(pool: &SqlitePool) -> Result<()> {
    let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(pool).await.map_err(unreadable)?;
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    let found = (parts.next().unwrap_or(0), parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if found < OLDEST {
        return Err(Error::Unfit(format!(
            "SQLite {version} can corrupt a WAL database; build with the bundled SQLite"
        )));
    }
    Ok(())
}

/// A file that is no database, or a broken one, will not heal by waiting.
pub(super) fn unreadable(error: sqlx::Error) -> Error {
    const CORRUPT: i32 = 11;
    const NOT_A_DATABASE: i32 = 26;
    const CANNOT_OPEN: i32 = 14;
    const READ_ONLY: i32 = 8;
    match sqlite_code(&error) {
        Some(CORRUPT | NOT_A_DATABASE) => Error::Unfit(format!(
            "the SQLite file is damaged or no database ({error}); move it away and restore a backup"
        )),
        Some(CANNOT_OPEN | READ_ONLY) => Error::Unfit(format!(
            "the SQLite file cannot be opened ({error}); check that its directory exists and both may be written"
        )),
        _ => Error::from(error),
    }
}
