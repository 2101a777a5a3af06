//! Pages beside each other: a long queue at one takes nothing from the others.

use std::time::Duration;

use firstword::sandbox::{Faults, Options, Page};

use crate::database::Database;
use crate::place::{PAGE_TOKEN, Place, until};
use crate::platform::Platform;
use crate::process::Daemon;

/// The pages, and how many wait at each for each node.
const BACKLOGS: [(&str, usize); 4] = [("1001", 300), ("1002", 100), ("1003", 70), ("1004", 70)];
/// Few enough that pages compete for them, at a rate that none of them reaches.
const PLACES: usize = 8;

pub(crate) async fn pages_share_one_node(place: Place) {
    let fairness = share(place, 1).await;
    assert!(fairness >= 0.9, "{fairness}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_pages_share_three_nodes() {
    let fairness = share(Place::postgres().await, 3).await;
    assert!(fairness >= 0.9, "{fairness}");
}

/// Sends to everybody; how evenly the pages were served while there was work at all of them.
async fn share(mut place: Place, nodes: usize) -> f64 {
    let page = |(id, _): &(&str, usize)| {
        format!(
            "[[pages]]\nid = \"{id}\"\naccess_token = \"{PAGE_TOKEN}\"\nmessage = \"hello.json\"\nrate_per_second = 1000\n"
        )
    };
    let pages: String = BACKLOGS.iter().map(page).collect();
    place.set(&format!("{pages}[send]\nmax_in_flight = {PLACES}"));
    let faults = Faults { latency: Duration::from_millis(20), ..Faults::default() };
    let there = BACKLOGS.iter().map(|(id, _)| Page { id: (*id).into(), token: PAGE_TOKEN.into() }).collect();
    let platform =
        Platform::with(&mut place, |options| Options { pages: there, faults, callback: None, open: true, ..options })
            .await;
    let others: Vec<Place> = (1..nodes).map(|_| place.beside()).collect();
    let mut daemons = Vec::new();
    for place in std::iter::once(&place).chain(&others) {
        daemons.push(Daemon::ready(place).await);
    }
    let database = Database::of(&place).await;
    let people = BACKLOGS.iter().flat_map(|(id, people)| (0..people * nodes).map(move |n| format!("('{id}', 'p{n}')")));
    let people = people.collect::<Vec<_>>().join(",");
    database.sql(&format!("INSERT INTO optins (page_id, login_id) VALUES {people}")).await;
    let waiting = "SELECT count(*) FROM optins WHERE state <> 'sent'";
    until("everybody is sent to", async || (database.number(waiting).await == 0).then_some(())).await;
    platform.clean();

    let starts = database
        .pairs("SELECT o.page_id, a.started_at FROM attempts AS a JOIN optins AS o ON o.id = a.optin_id ORDER BY 2")
        .await;
    let of = |id: &str| starts.iter().filter(|start| start.0 == id).map(|start| start.1).collect::<Vec<_>>();
    let by_page: Vec<Vec<i64>> = BACKLOGS.iter().map(|(id, _)| of(id)).collect();
    // From when the last page began until the first had nobody left.
    let from = by_page.iter().map(|starts| starts[0]).max().unwrap();
    let to = by_page.iter().map(|starts| *starts.last().unwrap()).min().unwrap();
    let counts: Vec<usize> =
        by_page.iter().map(|starts| starts.iter().filter(|at| (from..=to).contains(*at)).count()).collect();
    let fairness = jain(&counts);
    let places = if place.database.starts_with("postgres") { "PostgreSQL" } else { "SQLite" };
    eprintln!("fairness, {nodes} node(s) on {places}: {counts:?} in {} ms, Jain's index {fairness:.3}", to - from);
    assert!(counts.iter().sum::<usize>() > 100 * nodes, "too few to tell: {counts:?}");
    fairness
}

/// Jain's index: 1 where all have the same, 1/n where one has everything.
fn jain(counts: &[usize]) -> f64 {
    let counts: Vec<f64> = counts.iter().map(|count| f64::from(u32::try_from(*count).unwrap())).collect();
    let (sum, squares): (f64, f64) = (counts.iter().sum(), counts.iter().map(|count| count * count).sum());
    sum * sum / (f64::from(u32::try_from(counts.len()).unwrap()) * squares)
}
