//! A database that went back: the file of a backup copied into its place while the daemon was stopped.

use std::fs;

use firstword::sandbox::Behaviour;
use rustix::process::Signal;

use crate::database::Database;
use crate::place::{PAGE, Place, until};
use crate::platform::Platform;
use crate::process::Daemon;

/// What belongs to the database, and not to what the daemon remembers of it.
const FILES: [&str; 3] = ["firstword.db", "firstword.db-wal", "firstword.db-shm"];

async fn stopped(mut daemon: Daemon) {
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended().await, Some(0), "{}", daemon.log());
}

fn back_up(place: &Place) {
    for name in FILES.into_iter().filter(|name| place.path(name).exists()) {
        fs::copy(place.path(name), place.path(&format!("{name}.backup"))).unwrap();
    }
}

fn restore(place: &Place) {
    for name in FILES {
        let (file, backup) = (place.path(name), place.path(&format!("{name}.backup")));
        if file.exists() {
            fs::remove_file(&file).unwrap();
        }
        if backup.exists() {
            fs::copy(backup, file).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_backup_is_held_explained_and_never_sent_again() {
    let mut place = Place::sqlite();
    let platform = Platform::of(&mut place).await;
    let daemon = Daemon::ready(&place).await;
    platform.opt_in("early", Behaviour::Silent).await;
    Database::of(&place).await.becomes("early", "sent").await;
    // Somebody is stored and not sent to yet when the backup is made.
    let page = |held: &str| format!("UPDATE pages SET held_since = {held}, held_until = {held}");
    Database::of(&place).await.sql(&page("4000000000000")).await;
    platform.opt_in("open", Behaviour::Silent).await;
    Database::of(&place).await.becomes("open", "pending").await;
    stopped(daemon).await;
    back_up(&place);

    Database::of(&place).await.sql(&page("NULL")).await;
    let daemon = Daemon::ready(&place).await;
    platform.opt_in("lost", Behaviour::Silent).await;
    for name in ["open", "lost"] {
        Database::of(&place).await.becomes(name, "sent").await;
    }
    let since = place.json("optin show open --json")["opted_in_at"].as_str().unwrap().to_owned();
    stopped(daemon).await;
    restore(&place);
    Database::of(&place).await.sql(&page("NULL")).await;

    let daemon = Daemon::ready(&place).await;
    until("it says that it went back", async || daemon.log().contains("has gone back").then_some(())).await;
    // The site tells of everybody again, and somebody comes who was never there.
    let opted_in_at = place.json("optin show open --json")["opted_in_at"].as_str().unwrap().to_owned();
    let again = format!(r#"{{"page_id": "{PAGE}", "login_id": "lost", "opted_in_at": "{opted_in_at}"}}"#);
    assert_eq!(daemon.site(&again).await.0, 200);
    platform.opt_in("late", Behaviour::Silent).await;
    let status = place.json("status --json");
    assert_eq!(status["pages"][0]["held_for"], "store rewound");
    assert_eq!(status["alerts"][0]["kind"], "store_rewound", "{status}");

    let counted = place.json(&format!("store accept --lost-since {since} --dry-run --json"));
    assert_eq!((&counted["uncertain"], &counted["pages"][PAGE]["pending"]), (&2.into(), &2.into()), "{counted}");
    let wrong = place.command(&format!("store accept --lost-since {since} --confirm 1")).output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("--confirm 2"), "{wrong:?}");
    let accepted = place.json(&format!("store accept --lost-since {since} --confirm 2 --json"));
    assert_eq!((&accepted["uncertain"], &accepted["held_since"]), (&2.into(), &serde_json::Value::Null));
    let database = Database::of(&place).await;
    for (name, state) in [("open", "uncertain"), ("lost", "uncertain"), ("late", "sent"), ("early", "sent")] {
        database.becomes(name, state).await;
    }
    assert!(place.json("optin show lost --json")["explanation"].to_string().contains("lost what was done"));
    for name in ["early", "open", "lost", "late"] {
        assert_eq!(platform.person(name).delivered, 1, "{name}");
    }
    assert_eq!(platform.clean().requests, 4);
    drop(daemon);
}
