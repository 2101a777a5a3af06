//! Opening a database by its URL: connections as they must be, the schema as this version knows it.

use std::borrow::Cow;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, PgPool, Row, SqlSafeStr, SqlitePool};

use super::engine::{ACQUIRE, Columns, FromColumns, Pool};
use super::error::{Error, Result, sqlite_code};
use super::kept::Kept;
use super::session::{Sessions, Suspicion};
use super::sql;

const SQLITE: &[(i64, &str, &str)] = &[
    (1, "first", include_str!("../../migrations/sqlite/0001_first.sql")),
    (2, "doubt", include_str!("../../migrations/sqlite/0002_doubt.sql")),
    (3, "holds", include_str!("../../migrations/sqlite/0003_holds.sql")),
    (4, "intake", include_str!("../../migrations/sqlite/0004_intake.sql")),
    (5, "notices", include_str!("../../migrations/sqlite/0005_notices.sql")),
    (6, "breaker", include_str!("../../migrations/sqlite/0006_breaker.sql")),
    (7, "jobs", include_str!("../../migrations/sqlite/0007_jobs.sql")),
    (8, "writes", include_str!("../../migrations/sqlite/0008_writes.sql")),
];
const POSTGRES: &[(i64, &str, &str)] = &[
    (1, "first", include_str!("../../migrations/postgres/0001_first.sql")),
    (2, "doubt", include_str!("../../migrations/postgres/0002_doubt.sql")),
    (3, "holds", include_str!("../../migrations/postgres/0003_holds.sql")),
    (4, "intake", include_str!("../../migrations/postgres/0004_intake.sql")),
    (5, "notices", include_str!("../../migrations/postgres/0005_notices.sql")),
    (6, "breaker", include_str!("../../migrations/postgres/0006_breaker.sql")),
    (7, "jobs", include_str!("../../migrations/postgres/0007_jobs.sql")),
    (8, "writes", include_str!("../../migrations/postgres/0008_writes.sql")),
];

/// How many connections a PostgreSQL node keeps that write, one for each lane and the rest for claims, and how many for
/// reports.
const POSTGRES_WRITERS: u32 = 5;
const POSTGRES_READERS: u32 = 8;
/// How many processes may come to migrate one SQLite file at the same moment.
const MIGRATIONS_AT_ONCE: u32 = 4;
/// The oldest PostgreSQL, as `server_version_num`.
const OLDEST_POSTGRES: i32 = 150_000;
/// What a session is told at its start. A node that stands still in the middle of a transaction loses it, and with it
/// its locks, after five seconds: the others must not wait for it.
const OF_A_SESSION: [(&str, &str); 3] =
    [("synchronous_commit", "on"), ("idle_in_transaction_session_timeout", "5s"), ("jit", "off")];
/// What is told to the sessions that do not migrate. A transaction that writes sets itself shorter ones.
const BEYOND_MIGRATIONS: [(&str, &str); 2] = [("lock_timeout", "5s"), ("statement_timeout", "30s")];
/// What the writing sessions tell the planner: every row is found by an index, in one plan for all values. Without it a
/// list of 256 reads the whole table, as long as that has fewer than some ten thousand rows or nobody analyzed it.
const BY_INDEX: [(&str, &str); 4] = [
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("plan_cache_mode", "force_generic_plan"),
];
/// Page caches in KiB. They count against a small daemon's memory; an import asks for more.
const WRITER_CACHE_KIB: u32 = 8 * 1024;
const READER_CACHE_KIB: u32 = 2 * 1024;
/// A checkpoint every 32 MiB instead of every 4: the same pages are touched by many groups, and written back once.
const CHECKPOINT_PAGES: &str = "8192";
/// For an import: a cache that holds the indexes of a million people, and a checkpoint every 128 MiB.
pub(super) const BULK: [&str; 2] = ["PRAGMA cache_size = -262144", "PRAGMA wal_autocheckpoint = 32768"];
/// Below this SQLite can corrupt a WAL database that two connections write (the WAL-reset bug, fixed in 3.51.3).
const OLDEST_SQLITE: (u32, u32, u32) = (3, 51, 3);

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
        Some("sqlite") => open_sqlite(url).await,
        Some("postgres" | "postgresql") => open_postgres(url, access.pooler).await,
        _ => Err(Error::Unfit("database.url names no database we know; begin it with sqlite:// or postgres://".into())),
    }
}

/// Opens the database for reading alone.
pub(super) async fn open_to_read(access: &Access) -> Result<Pool> {
    let url = access.url.as_str();
    let (pool, newest) = if url.starts_with("sqlite:") {
        let options = SqliteConnectOptions::from_str(url)?
            .read_only(true)
            .busy_timeout(Duration::from_secs(5))
            .row_buffer_size(1024)
            .disable_statement_logging();
        let readers = SqlitePoolOptions::new().max_connections(2).acquire_timeout(ACQUIRE).test_before_acquire(false);
        let readers = readers.connect_with(options).await.map_err(unreadable)?;
        (Pool::Sqlite { writer: Kept::of(readers.clone()), readers }, SQLITE)
    } else {
        let options = postgres_options(url)?;
        let read_only = [("default_transaction_read_only", "on")];
        let options = if access.pooler { options.extra_float_digits(None) } else { options.options(read_only) };
        let pool = PgPoolOptions::new().max_connections(2).acquire_timeout(ACQUIRE).connect_with(options).await?;
        (Pool::Postgres(Sessions::new(pool.clone(), pool, access.pooler, Suspicion::none())), POSTGRES)
    };
    let known = newest.iter().map(|(version, ..)| *version).max().unwrap_or(0);
    let found = pool.reader().await?.row::<Found>(sql::health::ENGINE, &[]).await.map_err(|error| match error {
        Error::Unavailable(error) => unreadable(error),
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

/// The file behind a `sqlite://` URL.
fn sqlite_file(url: &str) -> Result<PathBuf> {
    let options = SqliteConnectOptions::from_str(url).map_err(Error::from)?;
    Ok(options.get_filename().to_path_buf())
}

async fn open_sqlite(url: &str) -> Result<Pool> {
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
    check_sqlite(&writer).await?;
    migrate_sqlite(&writer).await?;
    let readers = SqlitePoolOptions::new()
        .max_connections(2)
        .acquire_timeout(ACQUIRE)
        .test_before_acquire(false)
        .connect_with(reading)
        .await?;
    Ok(Pool::Sqlite { writer: Kept::of(writer), readers })
}

fn postgres_options(url: &str) -> Result<PgConnectOptions> {
    let options = PgConnectOptions::from_str(url).map_err(|_| {
        Error::Unfit("database.url is not a PostgreSQL URL; write postgres://user@host/database".into())
    })?;
    Ok(options.application_name("firstword").statement_cache_capacity(256).disable_statement_logging())
}

async fn open_postgres(url: &str, pooler: bool) -> Result<Pool> {
    let options = postgres_options(url)?;
    // A pooler refuses the parameters it does not know; what they say is then said in each transaction.
    let options = if pooler { options.extra_float_digits(None) } else { options.options(OF_A_SESSION) };
    // Whoever migrates waits as long as another node that does: only afterwards is waiting for a lock a fault.
    let first = PgPoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE).connect_with(options.clone()).await?;
    let version = sqlx::raw_sql("SELECT current_setting('server_version_num')").fetch_one(&first).await?;
    let version = version.try_get::<String, _>(0)?.parse::<i32>().unwrap_or(0);
    if version < OLDEST_POSTGRES {
        return Err(Error::Unfit(format!("PostgreSQL {} is too old; 15 or later is needed", version / 10_000)));
    }
    if pooler {
        check_migrated(&first).await?;
    } else {
        migrate_postgres(&first).await?;
    }
    first.close().await;
    let suspicion = Suspicion::none();
    let readers = if pooler { options } else { options.options(BEYOND_MIGRATIONS) };
    let writers = if pooler { readers.clone() } else { readers.clone().options(BY_INDEX) };
    let writers = postgres_pool(POSTGRES_WRITERS, writers, &suspicion).await?;
    let readers = postgres_pool(POSTGRES_READERS, readers, &suspicion).await?;
    Ok(Pool::Postgres(Sessions::new(writers, readers, pooler, suspicion)))
}

async fn postgres_pool(most: u32, options: PgConnectOptions, suspicion: &Suspicion) -> Result<PgPool> {
    let idled = suspicion.clone();
    let pool = PgPoolOptions::new()
        .max_connections(most)
        .acquire_timeout(ACQUIRE)
        // No question before each use: it would cost every statement a second trip. Whoever meets a dead connection
        // raises the suspicion against all that idled with it.
        .test_before_acquire(false)
        .before_acquire(move |_, meta| {
            let clear = idled.clears(meta.idle_for);
            Box::pin(async move { Ok(clear) })
        })
        .connect_with(options)
        .await?;
    Ok(pool)
}

/// Behind a pooler nobody migrates: whether somebody has.
async fn check_migrated(pool: &PgPool) -> Result<()> {
    let applied = match sqlx::raw_sql("SELECT version::text FROM _sqlx_migrations WHERE success").fetch_all(pool).await
    {
        Ok(rows) => rows,
        Err(error) if is_schema_fault(&error) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let applied: Vec<i64> = applied.iter().filter_map(|row| row.try_get::<String, _>(0).ok()?.parse().ok()).collect();
    if let Some(newer) = applied.iter().find(|found| POSTGRES.iter().all(|(version, ..)| version != *found)) {
        return Err(unfit(MigrateError::VersionMissing(*newer)));
    }
    if POSTGRES.iter().all(|(version, ..)| applied.contains(version)) {
        return Ok(());
    }
    Err(Error::Unfit(
        "the schema is not up to date, and a schema is not migrated through a pooler; run `firstword migrate` once with \
         the server's own address: FIRSTWORD__DATABASE__POOLER=false FIRSTWORD__DATABASE__URL=postgres://.. firstword \
         migrate"
            .into(),
    ))
}

async fn check_sqlite(pool: &SqlitePool) -> Result<()> {
    let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(pool).await.map_err(unreadable)?;
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    let found = (parts.next().unwrap_or(0), parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if found < OLDEST_SQLITE {
        return Err(Error::Unfit(format!(
            "SQLite {version} can corrupt a WAL database; build with the bundled SQLite"
        )));
    }
    Ok(())
}

async fn migrate_sqlite(pool: &SqlitePool) -> Result<()> {
    // Nothing locks the file for a whole migration: another process may do the same work between our look and ours.
    let mut tries = 0;
    loop {
        tries += 1;
        match migrator(SQLITE).run(pool).await {
            Err(MigrateError::Execute(_) | MigrateError::ExecuteMigration(..)) if tries < MIGRATIONS_AT_ONCE => {}
            result => return result.map_err(unfit),
        }
    }
}

async fn migrate_postgres(pool: &PgPool) -> Result<()> {
    migrator(POSTGRES).run(pool).await.map_err(unfit)
}

fn migrator(files: &[(i64, &'static str, &'static str)]) -> Migrator {
    let migration = |(version, name, text): &(i64, &'static str, &'static str)| {
        Migration::new(*version, Cow::Borrowed(*name), MigrationType::Simple, text.into_sql_str(), false)
    };
    Migrator::with_migrations(files.iter().map(migration).collect())
}

/// What a failed migration means to whoever runs the service.
fn unfit(error: MigrateError) -> Error {
    match error {
        MigrateError::VersionMissing(version) => Error::Unfit(format!(
            "the database was written by a newer firstword (it has migration {version}); install that version or restore a backup"
        )),
        MigrateError::VersionMismatch(version) => Error::Unfit(format!(
            "migration {version} in the database is not the one this version knows; the schema was changed by hand or by another program"
        )),
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => match unreadable(error) {
            Error::Unavailable(error) if is_schema_fault(&error) => Error::Unfit(format!(
                "the schema could not be brought up to date: {error}; use an empty database or restore a backup"
            )),
            error => error,
        },
        error => Error::Unfit(format!("the schema could not be brought up to date: {error}")),
    }
}

/// Something else has our tables' names, or a right is missing: SQLSTATE class 42, SQLite's plain error.
fn is_schema_fault(error: &sqlx::Error) -> bool {
    const SQLITE_ERROR: i32 = 1;
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    let class_42 = code.is_some_and(|code| code.starts_with("42"));
    class_42 || sqlite_code(error) == Some(SQLITE_ERROR)
}

/// A file that is no database, or a broken one, will not heal by waiting.
fn unreadable(error: sqlx::Error) -> Error {
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

/// Held by the one daemon that may run on a SQLite file.
#[derive(Debug)]
pub struct DaemonLock(#[expect(dead_code, reason = "the lock lives as long as the open file")] Option<File>);

/// Makes sure no other daemon runs on the same SQLite file. On PostgreSQL many may.
///
/// # Errors
/// [`Error::Unfit`] if one does, or if the lock file cannot be made.
pub fn lock_for_daemon(url: &str) -> Result<DaemonLock> {
    if !url.starts_with("sqlite:") {
        return Ok(DaemonLock(None));
    }
    // By its real name: two daemons may have come by different links.
    let named = sqlite_file(url)?;
    let database = named.canonicalize().unwrap_or(named);
    let path = lock_path(&database);
    let cannot = |error| Error::Unfit(format!("cannot make the lock file {}: {error}", path.display()));
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(cannot)?;
    match file.try_lock() {
        Ok(()) => Ok(DaemonLock(Some(file))),
        Err(TryLockError::Error(error)) => Err(cannot(error)),
        Err(TryLockError::WouldBlock) => Err(Error::Unfit(format!(
            "another firstword runs on {}; stop it first, or use PostgreSQL where several nodes share the work",
            database.display()
        ))),
    }
}

fn lock_path(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".run");
    PathBuf::from(name)
}
