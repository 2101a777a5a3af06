//! Answers and events that cross: an answer that waits for a process that stands still, evidence and a stop that commit
//! while the request is out.

use std::time::Duration;

use firstword::sandbox::Behaviour;
use rustix::process::Signal;

use crate::database::Database;
use crate::place::{PAGE, Place, until};
use crate::platform::Platform;
use crate::process::Daemon;

const PEOPLE: i64 = 6;
const EARLY: i64 = 3;

/// Frozen past the time-out, past the lease, past another node's verdict that nobody knows: what the platform said
/// meanwhile is read when the process wakes up, and is what counts.
pub(crate) async fn an_answer_that_waited_for_a_frozen_process_counts(mut place: Place) {
    let platform = Platform::of(&mut place).await;
    place.set("[send]\nmax_in_flight = 8\nstart_within = \"500ms\"\n[messenger]\nrequest_timeout = \"3s\"");
    let daemon = Daemon::ready(&place).await;
    let database = Database::of(&place).await;
    // A page begins slowly: three acceptances, and eight may be under way.
    for n in 0..EARLY {
        platform.opt_in(&format!("early{n}"), Behaviour::Silent).await;
        database.all_in(&["sent"], n + 1).await;
    }
    platform.answers_after(Duration::from_millis(1500));
    let people: Vec<String> = (0..PEOPLE).map(|n| format!("p{n}")).collect();
    for login in &people {
        platform.register(login);
    }
    let rows = people.iter().map(|login| format!("('{PAGE}', '{login}')")).collect::<Vec<_>>().join(", ");
    database.sql(&format!("INSERT INTO optins (page_id, login_id) VALUES {rows}")).await;
    until("all of them are in flight", async || (platform.sandbox.report().in_flight == 6).then_some(())).await;
    daemon.signal(Signal::STOP);
    let other =
        if matches!(database, Database::Postgres(_)) { Some(Daemon::ready(&place.beside()).await) } else { None };
    if other.is_some() {
        let doubted = "SELECT count(*) FROM optins WHERE state = 'uncertain'";
        until("the other node gives up on them", async || (database.number(doubted).await == PEOPLE).then_some(()))
            .await;
    } else {
        let ended = "SELECT max(lease_until) FROM optins WHERE state = 'sending'";
        let ended = database.number(ended).await;
        until("their lease is over", async || (crate::platform::now().ms() > ended).then_some(())).await;
    }
    daemon.signal(Signal::CONT);
    database.all_in(&["sent"], EARLY + PEOPLE).await;
    let accepted = "SELECT count(*) FROM attempts WHERE outcome = 'accepted' AND message_id IS NOT NULL";
    assert_eq!(database.number(accepted).await, EARLY + PEOPLE);
    let report = platform.clean();
    assert_eq!((report.accepted, report.delivered), (9, 9));
}

pub(crate) async fn evidence_and_a_stop_while_the_request_is_out(mut place: Place) {
    let platform = Platform::of(&mut place).await;
    place.set("[send]\nmax_in_flight = 2\n[messenger]\nrequest_timeout = \"10s\"");
    let daemon = Daemon::ready(&place).await;
    let database = Database::of(&place).await;
    platform.opt_in("early", Behaviour::Silent).await;
    database.becomes("early", "sent").await;
    platform.answers_after(Duration::from_secs(3));
    platform.opt_in("anna", Behaviour::Reply { after: Duration::from_millis(20) }).await;
    database.becomes("anna", "answered").await;
    assert_eq!(platform.sandbox.report().in_flight, 1, "her reply overtook the answer");
    assert_eq!(database.attempts("anna").await[0].0, "under way");
    platform.opt_in("bella", Behaviour::StopBefore { after: Duration::from_millis(300) }).await;
    let stopped = "SELECT count(*) FROM optins WHERE login_id = 'bella' AND opted_out_at IS NOT NULL";
    until("bella's stop is stored", async || (database.number(stopped).await == 1).then_some(())).await;
    assert_eq!(database.attempts("bella").await[0].0, "under way", "her stop overtook the answer");
    until("both are answered", async || (platform.sandbox.report().in_flight == 0).then_some(())).await;
    database.becomes("bella", "sent").await;
    until("anna's attempt is recorded", async || (database.attempts("anna").await[0].0 == "accepted").then_some(()))
        .await;
    assert_eq!((database.states().await["answered"], database.number(stopped).await), (1, 1));
    assert_eq!(database.attempts("bella").await[0].0, "accepted");
    // Whoever comes later is sent to later: nobody was tried again.
    platform.answers_after(Duration::ZERO);
    platform.opt_in("carla", Behaviour::Silent).await;
    database.becomes("carla", "sent").await;
    assert_eq!(platform.clean().accepted, 4);
    drop(daemon);
}

/// People are claimed ahead of free places while the platform is fast. When it stops answering they are not kept.
pub(crate) async fn whoever_waits_too_long_for_a_place_is_given_back(mut place: Place) {
    const CROWD: i64 = 60;
    let platform = Platform::of(&mut place).await;
    place.set("[send]\nmax_in_flight = 2\nstart_within = \"500ms\"\n[messenger]\nrequest_timeout = \"20s\"");
    let _daemon = Daemon::ready(&place).await;
    let database = Database::of(&place).await;
    let people: Vec<String> = (0..CROWD).map(|n| format!("p{n}")).collect();
    for login in &people {
        platform.register(login);
    }
    platform.answers_after(Duration::from_millis(20));
    let rows = people.iter().map(|login| format!("('{PAGE}', '{login}')")).collect::<Vec<_>>().join(", ");
    database.sql(&format!("INSERT INTO optins (page_id, login_id) VALUES {rows}")).await;
    until("it is under way", async || (platform.sandbox.report().accepted >= 10).then_some(())).await;
    platform.answers_after(Duration::from_secs(8));
    let before = platform.sandbox.report().accepted;
    let given_back = "SELECT count(*) FROM attempts WHERE outcome = 'given_back'";
    until("somebody is given back", async || (database.number(given_back).await > 0).then_some(())).await;
    assert!(platform.sandbox.report().accepted <= before + 2, "no place came free for them");
    let claimed = "SELECT count(*) FROM optins WHERE state = 'sending'";
    until("all of them are", async || (database.number(claimed).await == 2).then_some(())).await;
    assert_eq!(platform.sandbox.report().in_flight, 2);
    platform.answers_after(Duration::ZERO);
    database.all_in(&["sent"], CROWD).await;
    assert_eq!(platform.clean().accepted, u64::try_from(CROWD).unwrap());
}
