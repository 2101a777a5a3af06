//! Opening: the schema is brought up to date, and what does not fit is refused with what to do.

use crate::ground::{Ground, NOW, opt_in, wish};
use firstword::domain::alert::{Alert, Kind};
use firstword::store::{Error, Store};

async fn refusal(url: &str) -> String {
    match Store::open(url).await {
        Err(Error::Unfit(text)) => text,
        other => panic!("opened: {other:?}"),
    }
}

pub(crate) async fn opening_again_changes_nothing(ground: Ground) {
    let before = ground.number("SELECT count(*) FROM _sqlx_migrations").await;
    let id = ground.somebody("anna").await;
    ground.store.close().await;
    let again = Store::open(&ground.url).await.unwrap();
    assert!(again.optin(id).await.unwrap().is_some());
    assert!(again.prepare_all().await.unwrap() > 90);
    assert_eq!(ground.number("SELECT count(*) FROM _sqlx_migrations").await, before);
}

pub(crate) async fn two_nodes_open_an_empty_database_at_once(ground: Ground) {
    let url = ground.empty().await;
    let (one, two) = tokio::join!(Store::open(&url), Store::open(&url));
    let (one, two) = (one.unwrap(), two.unwrap());
    let key = one.setting("store_key").await.unwrap();
    assert!(key.is_some());
    assert_eq!(two.setting("store_key").await.unwrap(), key);
}

pub(crate) async fn a_newer_schema_is_refused(ground: Ground) {
    let checksum = ground.either("x'00'", "'\\x00'");
    let row = format!(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'later', true, {checksum}, 0)"
    );
    ground.sql(&row).await;
    let text = refusal(&ground.url).await;
    assert!(text.contains("newer firstword") && text.contains("9999"), "{text}");
}

pub(crate) async fn a_changed_migration_is_refused(ground: Ground) {
    let checksum = ground.either("x'00'", "'\\x00'");
    ground.sql(&format!("UPDATE _sqlx_migrations SET checksum = {checksum} WHERE version = 1")).await;
    let text = refusal(&ground.url).await;
    assert!(text.contains("not the one this version knows"), "{text}");
}

pub(crate) async fn a_strangers_table_is_refused(ground: Ground) {
    let url = ground.empty().await;
    let stranger = "CREATE TABLE optins (id INTEGER)";
    if ground.is_sqlite() {
        let pool = sqlx::SqlitePool::connect(&format!("{url}?mode=rwc")).await.unwrap();
        sqlx::query(stranger).execute(&pool).await.unwrap();
    } else {
        sqlx::query(stranger).execute(&sqlx::PgPool::connect(&url).await.unwrap()).await.unwrap();
    }
    let text = refusal(&url).await;
    assert!(text.contains("empty database"), "{text}");
}

pub(crate) async fn a_lost_store_key_is_refused(ground: Ground) {
    ground.sql("DELETE FROM settings WHERE key = 'store_key'").await;
    assert!(refusal(&ground.url).await.contains("store_key"));
}

pub(crate) async fn a_closed_store_says_so(ground: Ground) {
    ground.store.close().await;
    assert!(matches!(ground.store.apply(vec![opt_in("anna", NOW)], NOW).await, Err(Error::Closed)));
    assert!(matches!(ground.store.record(Vec::new(), NOW).await, Err(Error::Closed)));
    assert!(matches!(ground.store.claim(wish(1, NOW)).await, Err(Error::Closed)));
    assert!(matches!(ground.store.counts().await, Err(Error::Closed)));
    assert!(matches!(ground.store.keep_setting("a", "b".into()).await, Err(Error::Closed)));
}

pub(crate) async fn settings_are_kept(ground: Ground) {
    assert_eq!(ground.store.setting("colour").await.unwrap(), None);
    for colour in ["red", "blue"] {
        ground.store.keep_setting("colour", colour.into()).await.unwrap();
        assert_eq!(ground.node().await.setting("colour").await.unwrap().as_deref(), Some(colour));
    }
    assert_eq!(ground.store.is_shared(), !ground.is_sqlite());
}

pub(crate) async fn whoever_only_reads_changes_nothing(ground: Ground) {
    assert!(Store::open_to_read(&*ground.empty().await).await.is_err(), "it is not migrated");
    ground.somebody("anna").await;
    let reader = Store::open_to_read(&ground.url).await.unwrap();
    assert_eq!(reader.counts().await.unwrap()[0].count, 1);
    assert!(reader.raise(Alert::new(Kind::ClockSkew, "1001", ""), NOW).await.is_err());
    assert_eq!(ground.store.open_alerts().await.unwrap(), []);
    ground.sql("DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)").await;
    let older = Store::open_to_read(&ground.url).await;
    assert!(matches!(&older, Err(Error::Unfit(what)) if what.contains("firstword migrate")), "{older:?}");
}
