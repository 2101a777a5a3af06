//! An orderly stop.

use std::time::Duration;

use firstword::sandbox::Behaviour;
use rustix::process::Signal;

use crate::database::Database;
use crate::place::{PAGE, Place, until};
use crate::platform::Platform;
use crate::process::Daemon;

pub(crate) async fn what_has_left_is_awaited_at_the_stop(mut place: Place) {
    let platform = Platform::of(&mut place).await;
    place.set("[send]\nmax_in_flight = 2\n[messenger]\nrequest_timeout = \"20s\"");
    let mut daemon = Daemon::ready(&place).await;
    // A page begins slowly: one acceptance, and two may be under way.
    platform.opt_in("early", Behaviour::Silent).await;
    let database = Database::of(&place).await;
    database.all_in(&["sent"], 1).await;
    platform.answers_after(Duration::from_secs(5));
    let people: Vec<String> = (0..8).map(|n| format!("p{n}")).collect();
    for login in &people {
        platform.register(login);
    }
    let rows = people.iter().map(|login| format!("('{PAGE}', '{login}')")).collect::<Vec<_>>().join(", ");
    database.sql(&format!("INSERT INTO optins (page_id, login_id) VALUES {rows}")).await;
    until("two are in flight", async || (platform.sandbox.report().accepted == 3).then_some(())).await;
    daemon.signal(Signal::TERM);
    until("the door is closed", async || (daemon.get("/healthz").await.0 == 0).then_some(())).await;
    assert!(!daemon.has_ended(), "it waits for the answers");
    assert_eq!(daemon.ended().await, Some(0), "{}", daemon.log());
    assert_eq!(database.states().await, [("pending".to_owned(), 6), ("sent".to_owned(), 3)].into());

    platform.answers_after(Duration::ZERO);
    let _daemon = Daemon::ready(&place).await;
    database.all_in(&["sent"], 9).await;
    assert_eq!((platform.clean().accepted, platform.clean().delivered), (9, 9));
}
