//! Killed with requests in flight: what was under way is uncertain and not sent again, everybody else gets theirs.

use std::time::Duration;

use firstword::sandbox::Behaviour;

use crate::database::Database;
use crate::place::{Place, until};
use crate::platform::Platform;
use crate::process::Daemon;

const PEOPLE: i64 = 12;
const IN_FLIGHT: i64 = 3;

pub(crate) async fn killed_with_requests_in_flight(mut place: Place) {
    let platform = Platform::of(&mut place).await;
    place.set("[send]\nmax_in_flight = 3\nstart_within = \"300ms\"\n[messenger]\nrequest_timeout = \"4s\"");
    platform.answers_after(Duration::from_mins(1));
    let daemon = Daemon::ready(&place).await;
    for n in 0..PEOPLE {
        platform.opt_in(&format!("p{n}"), Behaviour::Silent).await;
    }
    let database = Database::of(&place).await;
    until("the platform holds their answers", async || {
        (platform.sandbox.report().accepted == IN_FLIGHT.cast_unsigned()).then_some(())
    })
    .await;
    assert_eq!(database.states().await["sending"], IN_FLIGHT);
    daemon.kill();
    platform.answers_after(Duration::ZERO);

    let _daemon = Daemon::ready(&place).await;
    database.all_in(&["sent", "uncertain"], PEOPLE).await;
    let lapsed = "SELECT count(*) FROM optins WHERE state = 'uncertain' AND reason = 'lease_expired'";
    assert_eq!((database.number(lapsed).await, database.states().await["sent"]), (IN_FLIGHT, PEOPLE - IN_FLIGHT));
    let report = platform.clean();
    assert_eq!((report.accepted, report.delivered), (PEOPLE.cast_unsigned(), PEOPLE.cast_unsigned()));
    assert!(platform.sandbox.people().iter().all(|person| person.delivered == 1));
}
