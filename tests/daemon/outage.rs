//! A database that is not there, comes, goes, and comes back.

use std::os::unix::fs::symlink;
use std::time::Duration;

use firstword::sandbox::Behaviour;
use rustix::process::Signal;

use crate::database::Database;
use crate::place::{Place, until};
use crate::platform::Platform;
use crate::process::Daemon;

/// A place whose database is reached by a link that is not there yet; where the link leads, and the direct way.
async fn without_database() -> (Place, String, String) {
    let mut place = Place::postgres().await;
    let direct = place.database.clone();
    let socket = direct.split_once("host=").unwrap().1.split('&').next().unwrap().to_owned();
    place.database = direct.replace(&socket, &place.path("socket").display().to_string());
    place.set(&format!("[database]\nurl = \"{}\"", place.database));
    (place, socket, direct)
}

async fn answers(daemon: &Daemon, path: &str, status: u16) -> String {
    until(&format!("{path} answers {status}"), async || {
        let (found, text) = daemon.get(path).await;
        (found == status).then_some(text)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_it_waits_for_its_database_and_may_be_stopped_meanwhile() {
    let (place, ..) = without_database().await;
    let mut daemon = Daemon::start(&place, "info", &[]);
    answers(&daemon, "/healthz", 200).await;
    let (status, reasons) = daemon.get("/readyz").await;
    assert!(status == 503 && reasons.contains("the database was not reached yet"), "{status} {reasons}");
    assert_eq!((daemon.webhook("{}").await, daemon.site("{}").await.0), (503, 503));
    until("it says why", async || daemon.log().contains("the database cannot be reached yet").then_some(())).await;
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended().await, Some(0), "{}", daemon.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_it_recovers_by_itself() {
    let (mut place, socket, direct) = without_database().await;
    let platform = Platform::of(&mut place).await;
    let mut daemon = Daemon::start(&place, "info", &[]);
    answers(&daemon, "/readyz", 503).await;
    symlink(&socket, place.path("socket")).unwrap();
    daemon.becomes_ready().await;
    platform.opt_in("anna", Behaviour::Silent).await;
    let database = Database::at(&direct).await;
    database.becomes("anna", "sent").await;

    std::fs::remove_file(place.path("socket")).unwrap();
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND application_name = 'firstword'";
    database.sql(cut).await;
    let reasons = answers(&daemon, "/readyz", 503).await;
    assert!(reasons.contains("the database does not answer"), "{reasons}");
    assert_eq!(daemon.get("/healthz").await.0, 200);
    let late = {
        let sandbox = platform.sandbox.clone();
        platform.tasks.spawn(async move { sandbox.opt_in(crate::place::PAGE, "bella", Behaviour::Silent).await })
    };
    until("the platform was sent away", async || (platform.sandbox.report().webhooks.retried > 0).then_some(())).await;
    assert_eq!(database.number("SELECT count(*) FROM optins").await, 1);

    symlink(&socket, place.path("socket")).unwrap();
    answers(&daemon, "/readyz", 200).await;
    assert!(tokio::time::timeout(Duration::from_secs(30), late).await.unwrap().unwrap());
    database.becomes("bella", "sent").await;
    assert_eq!(platform.clean().delivered, 2);
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended().await, Some(0), "{}", daemon.log());
}
