//! Whether a claim costs more when more people wait: median and p99 of claims of 20, with a thousand and with a million
//! pending, on both engines. `cargo bench --bench claim`.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark stops at the first surprise and prints")]

#[path = "support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use firstword::clock::Clock;
use firstword::domain::budget::Budget;
use firstword::domain::ids::PageId;
use firstword::domain::policy::Policy;
use firstword::domain::reach::Reach;
use firstword::store::claim::Wish;

use support::{Engine, House, Sink};

const CLAIMS: usize = 200;
const EACH: usize = 20;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let sink = Sink::start(Duration::ZERO).await;
        for engine in [Engine::Sqlite, Engine::Postgres] {
            for pending in [10_000, 1_000_000] {
                let house = House::build(engine, &sink).await;
                house.opt_in(0..pending).await;
                let (median, p99) = claims(&house).await;
                println!("{engine:?}, {pending} pending: a claim of {EACH} takes {median:?}, p99 {p99:?}");
                house.tear_down().await;
            }
        }
    });
}

async fn claims(house: &House) -> (Duration, Duration) {
    let mut took = Vec::new();
    for _ in 0..CLAIMS {
        let wish = Wish {
            page: PageId::new(support::PAGE).unwrap(),
            budget: Budget::per_second(1_000_000.0),
            most: EACH,
            reach: Reach::EVERYBODY,
            now: house.clock.now(),
            window: Policy::default().window,
            node: "bench".into(),
            credential: "0".into(),
            probe: None,
        };
        let began = Instant::now();
        let claimed = house.store.claim(wish).await.unwrap();
        took.push(began.elapsed());
        assert_eq!(claimed.claims.len(), EACH);
    }
    took.sort_unstable();
    (took.get(CLAIMS / 2).copied().unwrap(), took.get(CLAIMS * 99 / 100).copied().unwrap())
}
