//! The line to the database: slow, silent, cut in the middle, or held by a node that stands still.

use std::time::{Duration, Instant};

use firstword::sandbox::{Behaviour, Crowd, Mix};
use rustix::process::Signal;
use tokio::task::JoinSet;

use crate::database::Database;
use crate::place::{PAGE, Place, until};
use crate::platform::Platform;
use crate::process::Daemon;
use crate::relay::{Relay, Target};

/// The socket's directory and the database's name, out of a URL of the test cluster.
pub(crate) fn parts(url: &str) -> (String, String) {
    let name = url.split(['/', '?']).nth(3).unwrap().to_owned();
    (url.split_once("host=").unwrap().1.split('&').next().unwrap().to_owned(), name)
}

/// Leads a place's connections to its database over a relay; the direct URL.
pub(crate) async fn relayed(place: &mut Place, user: &str) -> (Relay, String) {
    let direct = place.database.clone();
    let (socket, name) = parts(&direct);
    let relay = Relay::to(vec![Target::Unix(format!("{socket}/.s.PGSQL.5432").into())]).await;
    place.database = format!("postgres://{user}@{}/{name}", relay.addr());
    place.set(&format!("[database]\nurl = \"{}\"", place.database));
    (relay, direct)
}

/// Every connection to the database looks alive and carries nothing, the listener's too, as when a machine or a
/// firewall between them went: nothing is said, and nothing is ever heard again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_a_half_open_connection_costs_latency_only() {
    let mut place = Place::postgres().await;
    let (relay, direct) = relayed(&mut place, "postgres").await;
    let platform = Platform::of(&mut place).await;
    let daemon = Daemon::ready(&place).await;
    let database = Database::at(&direct).await;
    platform.opt_in("anna", Behaviour::Silent).await;
    database.becomes("anna", "sent").await;

    let listeners =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query ILIKE 'LISTEN%'";
    until("it listens", async || (database.number(listeners).await == 1).then_some(())).await;
    relay.swallow();
    let began = Instant::now();
    // Everything there is to read by waits for what never comes.
    let mut visitors = JoinSet::new();
    for _ in 0..20 {
        visitors.spawn(reqwest::get(place.url("/deletion/00000000000000000000000000000000")));
    }
    platform.opt_in("bella", Behaviour::Silent).await;
    database.becomes("bella", "sent").await;
    let back = began.elapsed();
    // The old listener stands there for ever; the new one is beside it.
    until("it listens again", async || (database.number(listeners).await >= 2).then_some(())).await;
    eprintln!("half-open: sending again after {back:.1?}, listening again after {:.1?}", began.elapsed());
    platform.opt_in("carla", Behaviour::Silent).await;
    database.becomes("carla", "sent").await;
    let ready = daemon.get("/readyz").await;
    assert_eq!((ready.0, daemon.get("/healthz").await.0), (200, 200), "{ready:?}");
    let report = platform.clean();
    assert_eq!((report.accepted, report.delivered), (3, 3));
}

/// A claim that comes back too late to start is given back, not sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_a_slow_database_makes_nobody_late() {
    let mut place = Place::postgres().await;
    let (relay, direct) = relayed(&mut place, "postgres").await;
    let platform = Platform::of(&mut place).await;
    let daemon = Daemon::ready(&place).await;
    let database = Database::at(&direct).await;
    platform.opt_in("anna", Behaviour::Silent).await;
    database.becomes("anna", "sent").await;
    relay.slow_down(Duration::from_millis(700));
    platform.register("bella");
    database.sql(&format!("INSERT INTO optins (page_id, login_id, state) VALUES ('{PAGE}', 'bella', 'pending')")).await;
    let too_late = "SELECT count(*) FROM attempts WHERE outcome IN ('given_back', 'retry')";
    until("a try came too late", async || (database.number(too_late).await >= 1).then_some(())).await;
    assert_eq!(platform.sandbox.report().requests, 1, "nothing left for bella");
    assert_eq!(daemon.get("/healthz").await.0, 200);
    relay.slow_down(Duration::ZERO);
    database.becomes("bella", "sent").await;
    assert_eq!(platform.clean().accepted, 2);
}

/// Three nodes, whose connections are cut again and again in the middle of whatever they do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_connections_cut_in_the_middle_lose_and_double_nobody() {
    const PEOPLE: u64 = 250;
    let mut place = Place::postgres().await;
    place.set("[send]\nmax_in_flight = 8");
    let platform = Platform::of(&mut place).await;
    let others = [place.beside(), place.beside()];
    let _daemons = [Daemon::ready(&place).await, Daemon::ready(&others[0]).await, Daemon::ready(&others[1]).await];
    let database = Database::of(&place).await;
    let (sandbox, over) = (platform.sandbox.clone(), Duration::from_secs(4));
    let mix = Mix { block: 0, after: Duration::from_millis(100), ..Mix::default() };
    let crowd = platform.tasks.spawn(async move { sandbox.crowd(Crowd { people: PEOPLE, over, mix }).await });
    let (mut cut, mut busy) = (0, 0);
    let seed = fastrand::u64(..);
    let mut dice = fastrand::Rng::with_seed(seed);
    while cut < 40 {
        // The states are of the moment before: what a cut hits is mostly what it saw.
        let cuts =
            "SELECT count(*) FILTER (WHERE state <> 'idle') * 1000 + count(*) FILTER (WHERE pg_terminate_backend(pid))
                    FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'firstword'
                    AND pid <> pg_backend_pid()";
        let hit = database.number(cuts).await;
        (cut, busy) = (cut + 1, busy + hit / 1000);
        tokio::time::sleep(Duration::from_millis(dice.u64(20..400))).await;
    }
    tokio::time::timeout(Duration::from_mins(1), crowd).await.unwrap().unwrap();
    let open = "SELECT count(*) FROM optins WHERE state IN ('new', 'pending', 'retrying', 'sending')";
    until("nobody waits any more", async || (database.number(open).await == 0).then_some(())).await;
    assert_eq!(database.number("SELECT count(*) FROM optins").await, PEOPLE.cast_signed());
    let report = platform.clean();
    let unknown = "SELECT count(*) FROM optins WHERE state = 'uncertain'";
    let sure = "SELECT count(*) FROM optins WHERE state IN ('sent', 'answered')";
    let (unknown, sure) = (database.number(unknown).await, database.number(sure).await);
    eprintln!("{cut} cuts hit {busy} busy connections (seed {seed}): {sure} sent, {unknown} of unknown end");
    assert!(busy > 0 && sure > PEOPLE.cast_signed() * 3 / 4, "{report:#?}");
    assert!(platform.sandbox.people().iter().all(|person| person.delivered <= 1));
}

/// A node that stands still in the middle of a transaction keeps its locks for seconds only, and the others go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_a_frozen_node_holds_no_locks() {
    let mut place = Place::postgres().await;
    let platform = Platform::of(&mut place).await;
    let database = Database::of(&place).await;
    database.sql("CREATE ROLE frozen SUPERUSER LOGIN").await;
    let mut frozen_place = place.beside();
    let (relay, _) = relayed(&mut frozen_place, "frozen").await;
    let (frozen, well) = (Daemon::ready(&frozen_place).await, Daemon::ready(&place).await);
    // Each trip takes a while, so that a transaction is easily met in the middle.
    relay.slow_down(Duration::from_millis(30));
    let held = "SELECT count(*) FROM pg_stat_activity AS a JOIN pg_locks AS l ON l.pid = a.pid
                WHERE a.usename = 'frozen' AND a.datname = current_database() AND a.state = 'idle in transaction'
                AND l.locktype = 'transactionid'";
    let mut n = 0;
    let began = until("it is frozen with locks in its hand", async || {
        n += 1;
        // The site tells both nodes of the same people: rows that both want.
        let optin = format!(r#"{{"page_id": "{PAGE}", "login_id": "p{n}"}}"#);
        platform.register(&format!("p{n}"));
        let told = frozen.site(&optin);
        tokio::pin!(told);
        tokio::select! {
            _ = &mut told => {}
            () = tokio::time::sleep(Duration::from_millis(100 + 37 * (n % 12))) => {}
        }
        frozen.signal(Signal::STOP);
        let at = Instant::now();
        tokio::time::sleep(Duration::from_millis(150)).await;
        if database.number(held).await > 0 {
            return Some(at);
        }
        frozen.signal(Signal::CONT);
        None
    })
    .await;
    let locked = format!("p{n}");
    let body = format!(r#"{{"page_id": "{PAGE}", "login_id": "{locked}"}}"#);
    platform.register(&locked);
    until("the other node takes the same person in", async || (well.site(&body).await.0 == 200).then_some(())).await;
    database.becomes(&locked, "sent").await;
    // Whatever it was that it held.
    until("its locks are gone", async || (database.number(held).await == 0).then_some(())).await;
    let took = began.elapsed();
    eprintln!("a node frozen in the middle of a transaction held its locks for {took:.1?}");
    assert!(took < Duration::from_secs(20), "{took:?}");
    frozen.signal(Signal::CONT);
    relay.slow_down(Duration::ZERO);
    let everybody = i64::try_from(n).unwrap();
    until("it works again", async || {
        let last = format!(r#"{{"page_id": "{PAGE}", "login_id": "last"}}"#);
        platform.register("last");
        (frozen.site(&last).await.0 == 200).then_some(())
    })
    .await;
    database.becomes("last", "sent").await;
    assert!(database.number("SELECT count(*) FROM optins").await <= everybody + 1);
    platform.clean();
}
