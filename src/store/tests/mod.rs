//! The statements, on both engines: each is understood, and the ones that must be cheap are planned cheaply.

mod echo_plans;
#[path = "../../../tests/support/pg.rs"]
mod pg;
mod plans;

use std::collections::BTreeSet;

use super::{Error, Store, sql};

/// A migrated SQLite store, and the directory it lives in.
async fn sqlite() -> (Store, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&format!("sqlite://{}/firstword.db", dir.path().display())).await.unwrap();
    (store, dir)
}

/// The one connection of a SQLite store that writes.
fn writer(store: &Store) -> &sqlx::SqlitePool {
    let super::Pool::Sqlite { writer, .. } = &store.pool else { panic!("SQLite") };
    writer.pool()
}

/// A migrated PostgreSQL store.
async fn postgres() -> Store {
    let url = pg::database("fast", |url| Box::pin(async move { Store::open(&url).await.unwrap().close().await }));
    Store::open(&url.await).await.unwrap()
}

#[tokio::test]
async fn every_statement_is_understood() {
    let (sqlite, _dir) = sqlite().await;
    let count = sql::all().count() + sql::batches().len() * 9;
    assert_eq!(sqlite.prepare_all().await.unwrap(), count);
    assert_eq!(postgres().await.prepare_all().await.unwrap(), count);
    assert!(count > 90, "{count}");
}

#[test]
fn every_statement_has_a_name_of_its_own() {
    let single = sql::all().map(|sql| sql.name);
    let names: Vec<&str> = single.chain(sql::batches().map(|batch| batch.name)).collect();
    let different: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(different.len(), names.len(), "{names:?}");
    for sql in sql::all() {
        assert!(sql.sqlite.starts_with(&format!("-- {}\n", sql.name)), "{}", sql.name);
        assert!(sql.postgres.starts_with(&format!("-- {}\n", sql.name)), "{}", sql.name);
    }
}

#[tokio::test]
async fn a_schema_changed_by_hand_is_found() {
    let (store, _dir) = sqlite().await;
    let writer = writer(&store);
    sqlx::query("ALTER TABLE attempts RENAME COLUMN evidence TO proof").execute(writer).await.unwrap();
    let Err(Error::Unfit(text)) = store.prepare_all().await else { panic!("understood") };
    assert!(text.contains("attempts_of_optin") && text.contains("evidence"), "{text}");
}

#[tokio::test]
async fn sqlite_flushes_what_it_commits() {
    let (store, _dir) = sqlite().await;
    let super::Pool::Sqlite { writer, readers } = &store.pool else { panic!("SQLite") };
    let writer = writer.pool();
    let facts = [
        ("SELECT journal_mode FROM pragma_journal_mode", "wal"),
        ("SELECT CAST(synchronous AS TEXT) FROM pragma_synchronous", "2"),
        ("SELECT CAST(timeout AS TEXT) FROM pragma_busy_timeout", "5000"),
    ];
    for (question, expected) in facts {
        assert_eq!(sqlx::query_scalar::<_, String>(question).fetch_one(writer).await.unwrap(), expected);
    }
    let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(writer).await.unwrap();
    let parts: Vec<u32> = version.split('.').map(|part| part.parse().unwrap()).collect();
    assert!(parts >= vec![3, 51, 3], "{version}");
    assert!(sqlx::query("DELETE FROM optins").execute(readers).await.is_err(), "readers only read");
}

#[tokio::test]
async fn postgres_flushes_what_it_commits() {
    let url = pg::database("durable", |url| Box::pin(async move { Store::open(&url).await.unwrap().close().await }));
    let store = Store::open(&url.await).await.unwrap();
    let super::Pool::Postgres(sessions) = &store.pool else { panic!("PostgreSQL") };
    let pool = sessions.pool();
    for (setting, expected) in [("fsync", "on"), ("synchronous_commit", "on"), ("lock_timeout", "5s")] {
        let text = sqlx::AssertSqlSafe(format!("SHOW {setting}"));
        assert_eq!(sqlx::query_scalar::<_, String>(text).fetch_one(pool).await.unwrap(), expected, "{setting}");
    }
    // Whatever the server's own default: a test's cluster flushes nothing, and we ask for it all the same.
    let super::Pool::Postgres(sessions) = postgres().await.pool else { panic!("PostgreSQL") };
    let commit: String = sqlx::query_scalar("SHOW synchronous_commit").fetch_one(sessions.pool()).await.unwrap();
    assert_eq!(commit, "on");
}
