//! The schema as this version knows it, and how a database gets there.

use std::borrow::Cow;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{PgPool, Row, SqlSafeStr, SqlitePool};

use super::sqlite::unreadable;
use crate::store::engine::Pool;
use crate::store::error::{Error, Result, sqlite_code};

/// Number, name and text of each.
type Files = [(i64, &'static str, &'static str)];

const SQLITE: &Files = &[
    (1, "first", include_str!("../../../migrations/sqlite/0001_first.sql")),
    (2, "doubt", include_str!("../../../migrations/sqlite/0002_doubt.sql")),
    (3, "holds", include_str!("../../../migrations/sqlite/0003_holds.sql")),
    (4, "intake", include_str!("../../../migrations/sqlite/0004_intake.sql")),
    (5, "notices", include_str!("../../../migrations/sqlite/0005_notices.sql")),
    (6, "breaker", include_str!("../../../migrations/sqlite/0006_breaker.sql")),
    (7, "jobs", include_str!("../../../migrations/sqlite/0007_jobs.sql")),
    (8, "writes", include_str!("../../../migrations/sqlite/0008_writes.sql")),
];
const POSTGRES: &Files = &[
    (1, "first", include_str!("../../../migrations/postgres/0001_first.sql")),
    (2, "doubt", include_str!("../../../migrations/postgres/0002_doubt.sql")),
    (3, "holds", include_str!("../../../migrations/postgres/0003_holds.sql")),
    (4, "intake", include_str!("../../../migrations/postgres/0004_intake.sql")),
    (5, "notices", include_str!("../../../migrations/postgres/0005_notices.sql")),
    (6, "breaker", include_str!("../../../migrations/postgres/0006_breaker.sql")),
    (7, "jobs", include_str!("../../../migrations/postgres/0007_jobs.sql")),
    (8, "writes", include_str!("../../../migrations/postgres/0008_writes.sql")),
];

/// How many processes may come to migrate one SQLite file at the same moment.
const MIGRATIONS_AT_ONCE: u32 = 4;

/// The newest migration this version knows.
pub(super) fn newest(pool: &Pool) -> i64 {
    let files = if pool.is_sqlite() { SQLITE } else { POSTGRES };
    files.iter().map(|(version, ..)| *version).max().unwrap_or(0)
}

/// Brings a SQLite file up to date.
pub(super) async fn migrate_sqlite(pool: &SqlitePool) -> Result<()> {
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

/// Brings a PostgreSQL database up to date. Whoever comes meanwhile waits.
pub(super) async fn migrate_postgres(pool: &PgPool) -> Result<()> {
    migrator(POSTGRES).run(pool).await.map_err(unfit)
}

fn migrator(files: &Files) -> Migrator {
    let migration = |(version, name, text): &(i64, &'static str, &'static str)| {
        Migration::new(*version, Cow::Borrowed(*name), MigrationType::Simple, text.into_sql_str(), false)
    };
    Migrator::with_migrations(files.iter().map(migration).collect())
}

/// Behind a pooler nobody migrates: whether somebody has.
pub(super) async fn check_migrated(pool: &PgPool) -> Result<()> {
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
