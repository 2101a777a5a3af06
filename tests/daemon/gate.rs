//! Between the claim's commit and the first byte: who is stopped there is not written to.
//!
//! The platform's queue of connections is full, so that the daemon's connect hangs while its claim stands in the
//! database. Then something happens, then the platform lets everybody in.

use std::time::Duration;

use firstword::domain::ids::AttemptId;
use firstword::domain::keyed::StoreKey;
use firstword::domain::token::Tokens;
use rustix::process::Signal;

use crate::database::Database;
use crate::place::{PAGE, Place, until};
use crate::platform::now;
use crate::process::Daemon;
use crate::wire::{Full, Wire};

/// Long enough for a frozen caller's kernel to knock again, which it does after a second.
const START_WITHIN: Duration = Duration::from_secs(3);

fn optin(login: &str) -> String {
    format!(r#"{{"page_id": "{PAGE}", "login_id": "{login}"}}"#)
}

fn stop(login: &str) -> String {
    let now = now().ms();
    format!(
        r#"{{"object": "page", "entry": [{{"id": "{PAGE}", "time": {now}, "messaging": [{{"recipient": {{"id": "{PAGE}"}},
            "timestamp": {now}, "optout": {{"login_id": "{login}"}}}}]}}]}}"#
    )
}

/// A daemon whose one request waits for its connection.
async fn waiting_for_a_connection(place: &mut Place) -> (Daemon, Full, Database) {
    waiting_for(place, START_WITHIN).await
}

/// The same, for so long.
async fn waiting_for(place: &mut Place, start_within: Duration) -> (Daemon, Full, Database) {
    let full = Full::bind().await;
    place.send_to(&full.url());
    let start_within = start_within.as_secs();
    place.set(&format!("[send]\nstart_within = \"{start_within}s\"\n[messenger]\nrequest_timeout = \"500ms\""));
    let daemon = Daemon::ready(place).await;
    assert_eq!(daemon.site(&optin("anna")).await.0, 200);
    let database = Database::of(place).await;
    database.becomes("anna", "sending").await;
    until("it knocks", async || full.knocked_at().then_some(())).await;
    (daemon, full, database)
}

/// The tokens that this database's attempts carry in their messages.
async fn tokens(database: &Database) -> Tokens {
    let key = database.pairs("SELECT value, CAST(0 AS BIGINT) FROM settings WHERE key = 'store_key'").await.remove(0).0;
    Tokens::new(&StoreKey::new(hex::decode(key).unwrap().try_into().unwrap()))
}

fn times_written_to(wire: &Wire, login: &str) -> usize {
    wire.bytes().matches(&format!(r#""login_id":"{login}""#)).count()
}

pub(crate) async fn a_frozen_process_sends_nothing_late(mut place: Place) {
    let (daemon, full, database) = waiting_for_a_connection(&mut place).await;
    daemon.signal(Signal::STOP);
    let wire = full.open().await;
    until("the kernel connects for it", async || (wire.connections() == 1).then_some(())).await;
    let claimed_at = database.number("SELECT started_at FROM attempts").await;
    assert_eq!(database.attempts("anna").await[0].0, "under way", "it was frozen too late to mean anything");
    until("too late to start", async || {
        (now().ms() > claimed_at + i64::try_from(START_WITHIN.as_millis()).unwrap() + 100).then_some(())
    })
    .await;
    daemon.signal(Signal::CONT);
    database.becomes("anna", "sent").await;

    let attempts = database.attempts("anna").await;
    let outcomes: Vec<_> = attempts.iter().map(|(outcome, _)| outcome.as_str()).collect();
    assert!(matches!(outcomes[..], ["given_back" | "retry", "accepted"]), "{outcomes:?}");
    let tokens = tokens(&database).await;
    let [first, second] = [0, 1].map(|n: usize| tokens.mint(AttemptId(attempts[n].1)));
    let bytes = wire.bytes();
    assert!(!bytes.contains(&first), "the frozen attempt's body left: {bytes}");
    assert!(bytes.contains(&second) && times_written_to(&wire, "anna") == 1, "{bytes}");
}

pub(crate) async fn a_stop_before_the_connection_stands_wins(mut place: Place) {
    let (daemon, full, database) = waiting_for_a_connection(&mut place).await;
    assert_eq!(daemon.webhook(&stop("anna")).await, 200);
    let wire = full.open().await;
    database.becomes("anna", "opted_out").await;
    assert_eq!(daemon.site(&optin("bert")).await.0, 200);
    database.becomes("bert", "sent").await;
    assert_eq!((times_written_to(&wire, "anna"), times_written_to(&wire, "bert")), (0, 1), "{}", wire.bytes());
    let outcomes: Vec<_> = database.attempts("anna").await.into_iter().map(|(outcome, _)| outcome).collect();
    assert_eq!(outcomes, ["given_back"]);
}

/// The other side of the frozen process: thawed in time, the very same attempt goes out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thawed_in_time_it_sends() {
    let mut place = Place::sqlite();
    let (daemon, full, database) = waiting_for_a_connection(&mut place).await;
    daemon.signal(Signal::STOP);
    let wire = full.open().await;
    until("the kernel connects for it", async || (wire.connections() == 1).then_some(())).await;
    assert_eq!(wire.bytes(), "");
    daemon.signal(Signal::CONT);
    database.becomes("anna", "sent").await;
    let attempts = database.attempts("anna").await;
    let first = tokens(&database).await.mint(AttemptId(attempts[0].1));
    let late = attempts[0].0 != "accepted";
    assert!(late || wire.bytes().contains(&first), "{attempts:?} {}", wire.bytes());
    assert_eq!(times_written_to(&wire, "anna"), 1);
}

/// The stop comes in at another node than the one that waits for its connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_a_stop_reaches_the_node_that_sends() {
    let mut place = Place::postgres().await;
    let (_daemon, full, database) = waiting_for(&mut place, 10 * START_WITHIN).await;
    let other = Daemon::ready(&place.beside()).await;
    assert_eq!(other.webhook(&stop("anna")).await, 200);
    database.becomes("anna", "opted_out").await;
    let took = database.number("SELECT ended_at - started_at FROM attempts").await;
    assert_eq!(database.attempts("anna").await[0].0, "given_back", "after {took} ms");
    let wire = full.open().await;
    assert_eq!(other.site(&optin("bert")).await.0, 200);
    database.becomes("bert", "sent").await;
    assert_eq!(times_written_to(&wire, "anna"), 0);
}

/// Stopped by the operator: what has not left is given back, at once and not after its time-out.
pub(crate) async fn what_has_not_left_is_given_back_at_the_stop(mut place: Place) {
    let (mut daemon, _full, database) = waiting_for_a_connection(&mut place).await;
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended().await, Some(0));
    assert_eq!(database.states().await, [("pending".to_owned(), 1)].into());
    assert_eq!(database.attempts("anna").await[0].0, "given_back");
}

/// Frozen past its lease, so that another node has given up on it: awake again it says itself that nothing left, and
/// only then is there a second attempt.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_frozen_past_its_lease_it_sends_nothing() {
    let mut place = Place::postgres().await;
    let (daemon, full, database) = waiting_for_a_connection(&mut place).await;
    daemon.signal(Signal::STOP);
    let other = Daemon::ready(&place.beside()).await;
    database.becomes("anna", "uncertain").await;
    let wire = full.open().await;
    assert_eq!(other.site(&optin("bert")).await.0, 200);
    database.becomes("bert", "sent").await;
    assert_eq!(times_written_to(&wire, "anna"), 0, "nobody sends again while nobody knows");
    daemon.signal(Signal::CONT);
    database.becomes("anna", "sent").await;
    let attempts = database.attempts("anna").await;
    let first = tokens(&database).await.mint(AttemptId(attempts[0].1));
    let bytes = wire.bytes();
    assert!(matches!(&*attempts[0].0, "given_back" | "retry") && attempts.len() == 2, "{attempts:?}");
    assert!(!bytes.contains(&first) && times_written_to(&wire, "anna") == 1, "{bytes}");
}

/// Frozen past its lease and past the hard stop, and let in meanwhile: awake again it sends nothing, and says so itself.
/// Nobody was greeted, so the person is missed, and not in doubt for ever.
pub(crate) async fn frozen_past_its_lease_and_the_hard_stop_it_sends_nothing(mut place: Place) {
    place.set("[policy]\nwindow = \"12s\"\nsafety_margin = \"500ms\"");
    let (daemon, full, database) = waiting_for_a_connection(&mut place).await;
    daemon.signal(Signal::STOP);
    let wire = full.open().await;
    until("the kernel connects for it", async || (wire.connections() == 1).then_some(())).await;
    assert_eq!(database.attempts("anna").await[0].0, "under way", "it was frozen too late to mean anything");
    let lease = database.number("SELECT lease_until FROM optins").await;
    let other = matches!(database, Database::Postgres(_)).then(|| place.beside());
    let _other = match &other {
        Some(place) => Some(Daemon::ready(place).await),
        None => None,
    };
    if other.is_some() {
        database.becomes("anna", "uncertain").await;
    }
    // 12 s - 0.5 s - start_within 3 s - request_timeout 0.5 s.
    let hard_stop = database.number("SELECT opted_in_at FROM optins").await + 8_000;
    until("lease and hard stop are over", async || (now().ms() > lease.max(hard_stop) + 100).then_some(())).await;
    daemon.signal(Signal::CONT);
    is_missed_and_never_written_to(&database, &wire).await;
}

/// Awake again long before the attempt is too old, and a moment after the hard stop: that alone keeps the gate shut.
pub(crate) async fn thawed_in_time_but_after_the_hard_stop_it_sends_nothing(mut place: Place) {
    place.set("[policy]\nwindow = \"40s\"\nsafety_margin = \"1500ms\"");
    let (daemon, full, database) = waiting_for(&mut place, Duration::from_secs(30)).await;
    daemon.signal(Signal::STOP);
    let wire = full.open().await;
    until("the kernel connects for it", async || (wire.connections() == 1).then_some(())).await;
    assert_eq!(database.attempts("anna").await[0].0, "under way", "it was frozen too late to mean anything");
    // 40 s - 1.5 s - start_within 30 s - request_timeout 0.5 s.
    let hard_stop = database.number("SELECT opted_in_at FROM optins").await + 8_000;
    until("the hard stop is over", async || (now().ms() > hard_stop + 100).then_some(())).await;
    daemon.signal(Signal::CONT);
    is_missed_and_never_written_to(&database, &wire).await;
    let took = database.number("SELECT ended_at - started_at FROM attempts").await;
    assert!(took < 30_000, "it was too old as well, after {took} ms");
}

async fn is_missed_and_never_written_to(database: &Database, wire: &Wire) {
    database.becomes("anna", "missed").await;
    let row = "SELECT reason, CAST(attempts AS BIGINT) FROM optins WHERE maybe_greeted_at IS NULL";
    assert_eq!(database.pairs(row).await[0].0, "hard_stop");
    let attempts = database.attempts("anna").await;
    assert!(matches!(&*attempts[0].0, "given_back" | "retry") && attempts.len() == 1, "{attempts:?}");
    let token = tokens(database).await.mint(AttemptId(attempts[0].1));
    let bytes = wire.bytes();
    assert!(!bytes.contains(&token) && times_written_to(wire, "anna") == 0, "{bytes}");
}

/// Killed there: nobody can know any more that nothing left, so nobody sends again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_before_the_first_byte_it_stays_uncertain() {
    let mut place = Place::sqlite();
    let (daemon, full, database) = waiting_for_a_connection(&mut place).await;
    daemon.kill();
    let wire = full.open().await;
    let daemon = Daemon::ready(&place).await;
    database.becomes("anna", "uncertain").await;
    assert_eq!(daemon.site(&optin("bert")).await.0, 200);
    database.becomes("bert", "sent").await;
    assert_eq!((times_written_to(&wire, "anna"), times_written_to(&wire, "bert")), (0, 1));
}
