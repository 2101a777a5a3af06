//! A synchronous standby takes over while three nodes send: real servers, one address, and an old primary that is
//! surely dead.

use std::time::{Duration, Instant};

use firstword::sandbox::{Crowd, Faults, Mix};

use crate::database::Database;
use crate::place::{Place, until};
use crate::platform::Platform;
use crate::process::Daemon;
use crate::relay::{Relay, Target};
use crate::server::{DATABASE, Server};

const PEOPLE: u64 = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_a_synchronous_standby_takes_over() {
    let mut primary = Server::start().await;
    let standby = primary.standby().await;
    let relay = Relay::to(vec![Target::Unix(primary.socket())]).await;
    let mut place = Place::at(format!("postgres://postgres@{}/{DATABASE}", relay.addr()));
    place.set("[database]\nfailover = \"synchronous\"\n[send]\nmax_in_flight = 8");
    let faults = Faults { latency: Duration::from_millis(20), jitter: Duration::from_millis(40), ..Faults::default() };
    let platform = Platform::with(&mut place, |options| firstword::sandbox::Options { faults, ..options }).await;
    let others = [place.beside(), place.beside()];
    let daemons = [Daemon::ready(&place).await, Daemon::ready(&others[0]).await, Daemon::ready(&others[1]).await];
    let (sandbox, over) = (platform.sandbox.clone(), Duration::from_secs(6));
    let mix = Mix { block: 0, after: Duration::from_millis(200), ..Mix::default() };
    let crowd = platform.tasks.spawn(async move { sandbox.crowd(Crowd { people: PEOPLE, over, mix }).await });
    until("they are in full swing", async || {
        let report = platform.sandbox.report();
        (report.accepted > PEOPLE / 5 && report.in_flight > 2).then_some(())
    })
    .await;

    let died = Instant::now();
    primary.kill();
    let before = platform.sandbox.report().accepted;
    standby.promote().await;
    let promoted = Instant::now();
    relay.lead_to(vec![Target::Unix(standby.socket())]);
    let database = Database::at(&standby.url()).await;
    let sent = "SELECT count(*) FROM attempts WHERE outcome = 'accepted'";
    let recorded = database.number(sent).await;
    until("sending goes on", async || {
        let more = platform.sandbox.report().accepted > before + 20;
        (more && database.number(sent).await > recorded + 20).then_some(())
    })
    .await;
    eprintln!(
        "failover: 20 more sent {:.1?} after the promotion, {:.1?} after the death",
        promoted.elapsed(),
        died.elapsed()
    );

    tokio::time::timeout(Duration::from_mins(1), crowd).await.unwrap().unwrap();
    let open = "SELECT count(*) FROM optins WHERE state IN ('new', 'pending', 'retrying', 'sending')";
    until("nobody waits any more", async || (database.number(open).await == 0).then_some(())).await;
    assert_eq!(database.number("SELECT count(*) FROM optins").await, PEOPLE.cast_signed(), "all that was acknowledged");
    let report = platform.clean();
    let states = database.states().await;
    eprintln!("failover: {states:?}; second {}, late {}", report.violations.second, report.violations.late);
    let people = platform.sandbox.people();
    assert!(people.iter().all(|person| person.delivered <= 1));
    // Who is said to have theirs has it.
    let sure = database.pairs("SELECT login_id, attempts FROM optins WHERE state IN ('sent', 'answered')").await;
    let has = |login: &str| people.iter().any(|person| person.login_id == login && person.delivered == 1);
    assert!(sure.iter().all(|(login, _)| has(login)));
    // Whose end is not known is of those under way when it happened: a claim whose commit nobody could confirm.
    let unknown = states.get("uncertain").copied().unwrap_or(0);
    assert!(unknown <= 3 * 8, "{states:?}");
    for daemon in &daemons {
        assert_eq!(daemon.get("/readyz").await.0, 200);
    }
}
