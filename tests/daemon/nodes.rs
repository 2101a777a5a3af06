//! Three daemons on one database.

use std::time::Duration;

use firstword::sandbox::{Crowd, Faults, Mix, Options};

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
