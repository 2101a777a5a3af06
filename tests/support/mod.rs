//! What several test binaries share.

pub(crate) mod pg;

use firstword::store::Store;

/// A fresh migrated PostgreSQL database that need not survive; its URL.
pub(crate) async fn postgres() -> String {
    pg::database("fast", migrated).await
}

/// How the template database gets its schema: as every other database, by being opened.
fn migrated(url: String) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        let opened = Store::open(&url).await;
        assert!(opened.is_ok(), "cannot migrate {url}: {:?}", opened.as_ref().err());
        if let Ok(store) = opened {
            store.close().await;
        }
    })
}
