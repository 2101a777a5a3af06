//! A database that went back: the file of a backup copied into its place while the daemon was stopped, a server's files
//! put back under running nodes, a standby that took over.

use std::fs;

use firstword::sandbox::Behaviour;
use rustix::process::Signal;

use crate::database::Database;
use crate::place::{PAGE, Place, until};
use crate::platform::Platform;
use crate::process::Daemon;
use crate::relay::{Relay, Target};
use crate::server::{DATABASE, Server};

/// What belongs to the database, and not to what the daemon remembers of it.
const FILES: [&str; 3] = ["firstword.db", "firstword.db-wal", "firstword.db-shm"];

async fn stopped(mut daemon: Daemon) {
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended().await, Some(0), "{}", daemon.log());
}

/// Whoever comes from here on came after the loss, by whatever clock.
async fn noticed_a_while_ago(database: &Database) {
    let past = "SELECT count(*) FROM pages WHERE rewound_at < extract(epoch FROM clock_timestamp()) * 1000 - 1000";
    until("it was noticed a while ago", async || (database.number(past).await > 0).then_some(())).await;
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
    let page =
        |held: &str| format!("UPDATE pages SET held_since = {held}, held_until = {held}, generation = generation + 1");
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

/// The same cluster on the same timeline: only what the node remembers tells that commits are missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_files_put_back_under_a_running_node_are_noticed() {
    let mut server = Server::start().await;
    let mut place = Place::at(server.url());
    let platform = Platform::of(&mut place).await;
    let mut daemon = Daemon::start(&place, "debug", &[("STATE_DIRECTORY", place.dir().to_str().unwrap())]);
    daemon.becomes_ready().await;
    platform.opt_in("early", Behaviour::Silent).await;
    Database::of(&place).await.becomes("early", "sent").await;
    server.kill();
    server.back_up();
    server.boot().await;
    daemon.becomes_ready().await;
    until("lost is acknowledged", async || {
        platform.sandbox.opt_in(PAGE, "lost", Behaviour::Silent).await.then_some(())
    })
    .await;
    Database::of(&place).await.becomes("lost", "sent").await;
    until("the node remembers it", async || {
        let seen: serde_json::Value = serde_json::from_slice(&fs::read(place.path("postgres.seen")).unwrap()).unwrap();
        // A server that was killed leaves out some numbers.
        (seen["fence"].as_i64() > Some(1)).then_some(())
    })
    .await;
    server.kill();
    server.restore();
    server.boot().await;

    until("it says that it went back", async || daemon.log().contains("has gone back").then_some(())).await;
    let database = Database::of(&place).await;
    assert_eq!(database.number("SELECT count(*) FROM optins").await, 1, "it has forgotten her");
    let again = format!(r#"{{"page_id": "{PAGE}", "login_id": "lost"}}"#);
    until("the site is heard", async || (daemon.site(&again).await.0 == 200).then_some(())).await;
    noticed_a_while_ago(&database).await;
    platform.opt_in("late", Behaviour::Silent).await;
    assert_eq!(place.json("status --json")["pages"][0]["held_for"], "store rewound");
    database.sql("UPDATE optins SET opted_in_at = opted_in_at - 60000 WHERE login_id = 'lost'").await;
    place.json("store accept --lost-since 2026-01-01T00:00:00Z --confirm 1 --json");
    database.becomes("lost", "uncertain").await;
    database.becomes("late", "sent").await;
    assert_eq!((platform.person("lost").delivered, platform.clean().requests), (1, 3));
}

/// Without an operator's word that it is synchronous, nobody can know what a standby that takes over has lost: nothing is
/// sent until somebody has looked, and what comes in is kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_a_standby_that_takes_over_is_held_by_default() {
    let mut primary = Server::start().await;
    let standby = primary.standby().await;
    let relay = Relay::to(vec![Target::Unix(primary.socket())]).await;
    let mut place = Place::at(format!("postgres://postgres@{}/{DATABASE}", relay.addr()));
    let platform = Platform::of(&mut place).await;
    let daemon = Daemon::ready(&place).await;
    platform.opt_in("early", Behaviour::Silent).await;
    Database::of(&place).await.becomes("early", "sent").await;
    primary.kill();
    standby.promote().await;
    relay.lead_to(vec![Target::Unix(standby.socket())]);
    until("it says that it went back", async || daemon.log().contains("now on timeline 2").then_some(())).await;
    let database = Database::at(&standby.url()).await;
    noticed_a_while_ago(&database).await;
    until("late is acknowledged", async || {
        platform.sandbox.opt_in(PAGE, "late", Behaviour::Silent).await.then_some(())
    })
    .await;
    platform.register("bert");
    let body = format!(r#"{{"page_id": "{PAGE}", "login_id": "bert"}}"#);
    assert_eq!(daemon.site(&body).await.0, 200);
    for name in ["late", "bert"] {
        database.becomes(name, "pending").await;
    }
    assert_eq!(place.json("status --json")["pages"][0]["held_for"], "store rewound");
    assert_eq!(platform.clean().requests, 1, "nobody is sent to");
    place.json("store accept --lost-since 2026-01-01T00:00:00Z --confirm 0 --json");
    for name in ["late", "bert"] {
        database.becomes(name, "sent").await;
    }
    assert_eq!(platform.clean().requests, 3);
}
