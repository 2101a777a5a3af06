//! How fast the main path sends, against the same HTTP client without a database, interleaved, median of five.
//!
//! `cargo bench --bench send` prints for each engine, in-flight limit and sink latency: requests a second of the bare
//! client, of the whole path, and their ratio; and once more where the site's webhook wants to hear `sent`. The settings
//! are the durable ones: SQLite with synchronous=FULL, PostgreSQL with `fsync` and `synchronous_commit` on, as it says
//! itself in the line that is printed.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark stops at the first surprise and prints")]

#[path = "support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use firstword::clock::{Clock, SystemClock};
use firstword::deliver;
use firstword::domain::ids::LoginId;
use firstword::domain::site;
use firstword::domain::time::Timestamp;
use firstword::messenger::gate::Gate;
use tokio_util::sync::CancellationToken;

use support::{Engine, House, Sink, median};

const ROUNDS: usize = 5;

fn main() {
    tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).init();
    let only = std::env::args().skip(1).find(|arg| !arg.starts_with('-')).unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for engine in [Engine::Sqlite, Engine::Postgres] {
            for (in_flight, latency_ms, count) in
                [(64, 0, 20_000), (256, 0, 30_000), (64, 50, 6_000), (256, 50, 20_000)]
            {
                let name = format!("{engine:?} {in_flight} in flight, sink after {latency_ms} ms");
                if name.to_lowercase().contains(&only.to_lowercase()) {
                    compare(&name, engine, in_flight, Duration::from_millis(latency_ms), count, false).await;
                }
            }
            let name = format!("{engine:?} 64 in flight, sink after 0 ms, the site told of each");
            if name.to_lowercase().contains(&only.to_lowercase()) {
                compare(&name, engine, 64, Duration::ZERO, 20_000, true).await;
            }
        }
    });
}

async fn compare(name: &str, engine: Engine, in_flight: usize, latency: Duration, count: usize, told: bool) {
    let sink = Sink::start(latency).await;
    let (mut bares, mut wholes, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let mut settings = String::new();
    for _ in 0..ROUNDS {
        let mut house = House::build(engine, &sink).await;
        settings = house.settings().await;
        house.store.tell_site(if told { vec![site::Event::Sent] } else { Vec::new() });
        let bare = bare(&house, in_flight, count).await;
        house.begin();
        let whole = whole(&house, in_flight, count).await;
        bares.push(bare);
        wholes.push(whole);
        ratios.push(whole / bare);
        house.tear_down().await;
    }
    println!(
        "{name}: bare {:.0}/s, whole {:.0}/s, ratio {:.2} (of {count} sends; {settings})",
        median(&mut bares),
        median(&mut wholes),
        median(&mut ratios)
    );
}

/// The same client, the same requests, no database.
async fn bare(house: &House, in_flight: usize, count: usize) -> f64 {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let began = Instant::now();
    let next = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..in_flight {
        let (next, clock, house) = (Arc::clone(&next), Arc::clone(&clock), house.clone());
        workers.spawn(async move {
            loop {
                let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if number >= count {
                    return;
                }
                let login = LoginId::new(&support::login(number)).unwrap();
                let message = house.template.choose(None, 1).render("00000000000000000000000000");
                let gate = Gate::new(Arc::clone(&clock), clock.boot(), Duration::from_secs(2), Timestamp::LATEST);
                let sent = house.messenger.send(&house.sender, &login, &message, &Arc::new(gate)).await;
                assert_eq!(sent.ending.unwrap().outcome.as_str(), "accepted");
            }
        });
    }
    workers.join_all().await;
    rate(count, began)
}

/// Claim, gate, send and record, until everybody is sent.
async fn whole(house: &House, in_flight: usize, count: usize) -> f64 {
    house.opt_in(0..count).await;
    let delivery = house.delivery(in_flight);
    let stop = CancellationToken::new();
    let began = Instant::now();
    let running = tokio::task::JoinSet::from_iter([deliver::run(delivery, stop.clone())]);
    house.until_sent(count).await;
    let rate = rate(count, began);
    stop.cancel();
    running.join_all().await;
    assert_eq!(house.sent().await, count as u64, "everybody is recorded as sent");
    rate
}

fn rate(count: usize, began: Instant) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a rate to look at")]
    let count = count as f64;
    count / began.elapsed().as_secs_f64()
}
