//! Days in seconds: windows close, what was missed is told, what is over is deleted and remembered.

use std::time::Duration;

use firstword::sandbox::{Behaviour, Faults};

use crate::database::Database;
use crate::place::{PAGE, Place, until};
use crate::platform::Platform;
use crate::process::Daemon;

const POLICY: &str = r#"
[policy]
window = "3s"
safety_margin = "200ms"
answer_window = "1s"
retention = "2s"
[send]
start_within = "300ms"
[messenger]
request_timeout = "1s"
[alerts]
at_risk = "1s"
[jobs]
dir = "jobs"
"#;
const WATCH: &str = "name = \"watch\"\ntask = \"watch-deadlines\"\nschedule = \"*/1 * * * * *\"\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_missed_is_told_and_never_sent_late() {
    let mut place = Place::sqlite();
    let broken = Faults { before: 1.0, ..Faults::default() };
    let platform = Platform::with(&mut place, |options| firstword::sandbox::Options {
        window: Duration::from_secs(3),
        faults: broken,
        ..options
    })
    .await;
    std::fs::create_dir(place.path("jobs")).unwrap();
    place.write("jobs/watch.toml", WATCH);
    place.set(POLICY);
    let daemon = Daemon::ready(&place).await;
    let database = Database::of(&place).await;
    platform.opt_in("anna", Behaviour::Silent).await;
    let story = until("anna is missed", async || {
        let story = database.pairs("SELECT reason, state_since - opted_in_at FROM optins WHERE state = 'missed'").await;
        story.into_iter().next()
    })
    .await;
    assert_eq!(story.0, "hard_stop");
    // Up to the hard stop after 1.5 s; the last moments hold no further try.
    assert!(story.1 >= 1000, "it was given up after {} ms", story.1);
    assert!(platform.person("anna").refused >= 1, "it was tried");
    // The platform is well again: whoever is missed stays so.
    platform.sandbox.set_faults(Faults::default()).unwrap();
    until("the miss is told", async || daemon.log().contains("deadline missed").then_some(())).await;
    let alerts = "SELECT count(*) FROM alerts WHERE kind = 'missed'";
    until("the alert is raised", async || (database.number(alerts).await == 1).then_some(())).await;
    until("anna is purged", async || (database.states().await.is_empty()).then_some(())).await;
    assert_eq!((database.number("SELECT count(*) FROM tombstones").await, platform.person("anna").delivered), (1, 0));
    assert_eq!(daemon.log().matches("deadline missed").count(), 1);
    assert_eq!(platform.clean().accepted, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_greeted_is_remembered_after_their_row() {
    let mut place = Place::sqlite();
    let platform = Platform::of(&mut place).await;
    std::fs::create_dir(place.path("jobs")).unwrap();
    place.set(&format!("{POLICY}\n"));
    place.set("[policy]\nwindow = \"1h\"\nreopen_after = \"0ms\"");
    let _daemon = Daemon::ready(&place).await;
    let database = Database::of(&place).await;
    platform.opt_in("anna", Behaviour::Silent).await;
    until("anna has her message", async || (platform.person("anna").delivered == 1).then_some(())).await;
    until("she is purged", async || (database.number("SELECT count(*) FROM tombstones").await == 1).then_some(()))
        .await;
    let about_her = format!("SELECT count(*) FROM optins WHERE page_id = '{PAGE}'");
    assert_eq!((database.number(&about_her).await, database.number("SELECT count(*) FROM attempts").await), (0, 0));

    platform.opt_in("anna", Behaviour::Silent).await;
    let refused = database.pairs("SELECT state, attempts FROM optins WHERE reason = 'greeted_before'").await;
    assert_eq!(refused, [("refused".to_owned(), 0)]);
    platform.opt_in("bella", Behaviour::Silent).await;
    until("bella has hers", async || (platform.person("bella").delivered == 1).then_some(())).await;
    assert_eq!(platform.person("anna").delivered, 1);
}
