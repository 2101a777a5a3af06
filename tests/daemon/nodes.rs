//! Three daemons on one database.

use std::time::{Duration, Instant};

use firstword::sandbox::{Behaviour, Crowd, Faults, Mix, Options};

use crate::database::Database;
use crate::place::{Place, until};
use crate::platform::Platform;
use crate::process::Daemon;

const PEOPLE: u64 = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_three_daemons_share_the_work_and_break_no_promise() {
    let mut place = Place::postgres().await;
    place.set("[send]\nmax_in_flight = 8\n[messenger]\nrequest_timeout = \"2s\"\n[policy]\nsettle_after = \"1s\"");
    let faults = Faults {
        before: 0.1,
        after: 0.08,
        unavailable: 0.03,
        hang: Duration::from_secs(3),
        latency: Duration::from_millis(20),
        jitter: Duration::from_millis(40),
        ..Faults::default()
    };
    let platform = Platform::with(&mut place, |options| Options { faults, ..options }).await;
    let others = [place.beside(), place.beside()];
    let _daemons = [Daemon::ready(&place).await, Daemon::ready(&others[0]).await, Daemon::ready(&others[1]).await];
    let mix = Mix { after: Duration::from_millis(300), ..Mix::default() };
    platform.sandbox.crowd(Crowd { people: PEOPLE, over: Duration::from_secs(3), mix }).await;

    let database = Database::of(&place).await;
    let open = "SELECT count(*) FROM optins WHERE state IN ('new', 'pending', 'retrying', 'sending')";
    until("nobody waits any more", async || (database.number(open).await == 0).then_some(())).await;
    assert_eq!(database.number("SELECT count(*) FROM optins").await, PEOPLE.cast_signed());
    let report = platform.clean();
    assert!(platform.sandbox.people().iter().all(|person| person.delivered <= 1));
    assert_eq!(report.accepted, report.delivered);
    assert!(report.delivered > PEOPLE / 2 && report.faults.before > 0 && report.faults.after > 0, "{report:#?}");
    assert_eq!(report.per_node.len(), 3, "{:?}", report.per_node);
    assert!(report.per_node.values().all(|sent| *sent > 0), "{:?}", report.per_node);
    assert!(report.peak_second <= 200, "{report:#?}");
    // Who is not known to have been reached was not, or nobody can know.
    let sure = "SELECT count(*) FROM optins WHERE state IN ('sent', 'answered')";
    assert!(database.number(sure).await <= report.delivered.cast_signed());
}

/// With the default time-outs: how long a dead node's work lies about, from its death until the other has settled it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_a_dead_nodes_work_is_settled_in_time() {
    let mut place = Place::postgres().await;
    place.set("[send]\nmax_in_flight = 4\nstart_within = \"2s\"\npoll_interval = \"1s\"\n[messenger]\nrequest_timeout = \"10s\"");
    let platform = Platform::of(&mut place).await;
    let doomed = Daemon::ready(&place).await;
    let database = Database::of(&place).await;
    // A page begins slowly: two acceptances, and four may be under way.
    for n in 0..2 {
        platform.opt_in(&format!("early{n}"), Behaviour::Silent).await;
        database.all_in(&["sent"], n + 1).await;
    }
    let _other = Daemon::ready(&place.beside()).await;
    platform.answers_after(Duration::from_mins(1));
    let sending = format!(
        "SELECT count(*) FROM optins AS o JOIN attempts AS a ON a.id = o.fence
         WHERE o.state = 'sending' AND a.node LIKE '%-{}'",
        doomed.pid()
    );
    for n in 0..4 {
        platform.opt_in(&format!("p{n}"), Behaviour::Silent).await;
    }
    // At once: the younger the claim, the longer its lease.
    until("it has something under way", async || (database.number(&sending).await > 0).then_some(())).await;
    doomed.kill();
    let died = Instant::now();
    until("the other has settled it", async || (database.number(&sending).await == 0).then_some(())).await;
    let took = died.elapsed();
    eprintln!("a dead node's work was settled after {took:.1?}, with a request_timeout of 10 s");
    // 15 s by right, and room for a machine that does other things too.
    assert!(took < Duration::from_secs(17), "{took:?}");
    platform.clean();
}
