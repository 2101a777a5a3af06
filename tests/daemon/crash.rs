//! Killed with requests in flight: what was under way is uncertain and not sent again, everybody else gets theirs.

use std::time::Duration;

use firstword::sandbox::Behaviour;

use crate::database::Database;
use crate::place::{Place, until};
use crate::platform::Platform;
use crate::process::Daemon;

const PEOPLE: i64 = 12;
const IN_FLIGHT: i64 = 3;
const EARLY: i64 = 2;

pub(crate) async fn killed_with_requests_in_flight(mut place: Place) {
    let platform = Platform::of(&mut place).await;
    place.set("[send]\nmax_in_flight = 3\nstart_within = \"300ms\"\n[messenger]\nrequest_timeout = \"4s\"");
    let daemon = Daemon::ready(&place).await;
    // A page begins slowly: two acceptances, and three may be under way.
    for n in 0..EARLY {
        platform.opt_in(&format!("early{n}"), Behaviour::Silent).await;
    }
    let database = Database::of(&place).await;
    database.all_in(&["sent"], EARLY).await;
    platform.answers_after(Duration::from_mins(1));
    for n in 0..PEOPLE {
        platform.opt_in(&format!("p{n}"), Behaviour::Silent).await;
    }
    until("the platform holds their answers", async || {
        (platform.sandbox.report().accepted == (EARLY + IN_FLIGHT).cast_unsigned()).then_some(())
    })
    .await;
    assert_eq!(database.states().await["sending"], IN_FLIGHT);
    daemon.kill();
    platform.answers_after(Duration::ZERO);

    let _daemon = Daemon::ready(&place).await;
    let everybody = EARLY + PEOPLE;
    database.all_in(&["sent", "uncertain"], everybody).await;
    let lapsed = "SELECT count(*) FROM optins WHERE state = 'uncertain' AND reason = 'lease_expired'";
    assert_eq!((database.number(lapsed).await, database.states().await["sent"]), (IN_FLIGHT, everybody - IN_FLIGHT));
    let report = platform.clean();
    assert_eq!((report.accepted, report.delivered), (everybody.cast_unsigned(), everybody.cast_unsigned()));
    assert!(platform.sandbox.people().iter().all(|person| person.delivered == 1));
}
