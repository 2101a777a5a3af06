//! The statements, on both engines: each is understood, and the ones that must be cheap are planned cheaply.

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
    let super::Pool::Sqlite { writer, .. } = &store.pool else { panic!("SQLite") };
    sqlx::query("ALTER TABLE attempts RENAME COLUMN evidence TO proof").execute(writer).await.unwrap();
    let Err(Error::Unfit(text)) = store.prepare_all().await else { panic!("understood") };
    assert!(text.contains("attempts_of_optin") && text.contains("evidence"), "{text}");
}
