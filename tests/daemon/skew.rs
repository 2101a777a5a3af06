//! Wall clocks that are wrong: ten minutes ahead, ten behind, stepped while everybody works. The time that counts is
//! the database's, on a clock that nobody sets.
//!
//! The process's own wall clock is faked (libfaketime, Debian's); the clocks that measure spans are not, as in life.

use std::time::Duration;

use firstword::sandbox::{Crowd, Faults, Mix};

use crate::database::Database;
use crate::place::{Place, until};
use crate::platform::{Platform, now};
use crate::process::Daemon;

const PEOPLE: u64 = 150;

/// The library that fakes the wall clock of a process.
fn library() -> String {
    let found =
        std::fs::read_dir("/usr/lib").unwrap().flatten().map(|entry| entry.path().join("faketime/libfaketime.so.1"));
    let found = found.filter(|path| path.exists()).last();
    assert!(found.is_some(), "libfaketime is missing: apt-get install libfaketime");
    found.unwrap_or_default().display().to_string()
}

/// A node whose wall clock is off by what its file says, from moment to moment.
async fn node(place: &Place, off: &str) -> Daemon {
    place.write("faketime", off);
    let (library, file) = (library(), place.path("faketime").display().to_string());
    let environment = [
        ("LD_PRELOAD", library.as_str()),
        ("FAKETIME_TIMESTAMP_FILE", &file),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    let mut daemon = Daemon::start(place, "info", &environment);
    daemon.becomes_ready().await;
    daemon
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_clocks_that_are_wrong_or_stepped_do_no_harm() {
    let mut place = Place::postgres().await;
    // A window in which ten minutes are everything: 60 s usable for a message.
    place.set("[policy]\nwindow = \"70s\"\nsafety_margin = \"1s\"\n[send]\nmax_in_flight = 8");
    let faults = Faults { before: 0.1, latency: Duration::from_millis(20), ..Faults::default() };
    let platform = Platform::with(&mut place, |options| firstword::sandbox::Options {
        window: Duration::from_secs(70),
        faults,
        ..options
    })
    .await;
    let others = [place.beside(), place.beside()];
    let daemons = [node(&place, "+600s").await, node(&others[0], "-600s").await, node(&others[1], "+0s").await];
    // That the clocks are faked shows in what the nodes write into their logs.
    let said: Vec<String> =
        daemons.iter().map(|daemon| daemon.log().lines().next().unwrap_or_default().to_owned()).collect();
    let hour = |log: &str| log.find('T').and_then(|at| log.get(at + 1..at + 6)).unwrap_or_default().to_owned();
    assert_ne!(hour(&said[0]), hour(&said[1]), "{said:?}");

    let (sandbox, over) = (platform.sandbox.clone(), Duration::from_secs(5));
    let mix = Mix { block: 0, after: Duration::from_millis(100), ..Mix::default() };
    let crowd = platform.tasks.spawn(async move { sandbox.crowd(Crowd { people: PEOPLE, over, mix }).await });
    for (first, second, third) in
        [("-600s", "+600s", "+7200s"), ("+3600s", "-7200s", "-600s"), ("+0s", "+600s", "-600s")]
    {
        tokio::time::sleep(Duration::from_millis(1200)).await;
        place.write("faketime", first);
        others[0].write("faketime", second);
        others[1].write("faketime", third);
    }
    tokio::time::timeout(Duration::from_mins(1), crowd).await.unwrap().unwrap();
    let database = Database::of(&place).await;
    let open = "SELECT count(*) FROM optins WHERE state IN ('new', 'pending', 'retrying', 'sending')";
    until("nobody waits any more", async || (database.number(open).await == 0).then_some(())).await;
    let states = database.states().await;
    assert_eq!(states.values().sum::<i64>(), PEOPLE.cast_signed());
    assert!(!states.contains_key("missed") && !states.contains_key("uncertain"), "{states:?}");
    let report = platform.clean();
    assert!(report.per_node.len() == 3 && report.per_node.values().all(|sent| *sent > 0), "{report:#?}");
    // Everything that was stored bears the database's time.
    let far = format!("SELECT count(*) FROM attempts WHERE abs(started_at - {}) > 120000", now().ms());
    assert_eq!(database.number(&far).await, 0);
}
