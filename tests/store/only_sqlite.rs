//! What only a file can do wrong.

use firstword::store::{Error, Store, lock_for_daemon};

async fn refusal(url: &str) -> String {
    match Store::open(url).await {
        Err(Error::Unfit(text)) => text,
        other => panic!("opened: {other:?}"),
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("notes.db");
    std::fs::write(&file, "Dear diary, today I was not a database. ".repeat(100)).unwrap();
    let text = refusal(&format!("sqlite://{}", file.display())).await;
    assert!(text.contains("damaged or no database"), "{text}");
}

#[tokio::test]
async fn a_damaged_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("firstword.db");
    let url = format!("sqlite://{}", file.display());
    Store::open(&url).await.unwrap().close().await;
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[100..].fill(0xa5);
    std::fs::write(&file, bytes).unwrap();
    assert!(refusal(&url).await.contains("damaged"));
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_named() {
    let text = refusal("sqlite:///no/such/place/firstword.db").await;
    assert!(text.contains("cannot be opened"), "{text}");
}

#[tokio::test]
async fn a_second_daemon_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("firstword.db");
    let url = format!("sqlite://{}", file.display());
    Store::open(&url).await.unwrap().close().await;
    let first = lock_for_daemon(&url).unwrap();
    let link = dir.path().join("link.db");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    for url in [url.clone(), format!("sqlite://{}", link.display())] {
        let Err(Error::Unfit(text)) = lock_for_daemon(&url) else { panic!("two daemons on {url}") };
        assert!(text.contains("another firstword"), "{text}");
    }
    drop(first);
    lock_for_daemon(&url).unwrap();
}
