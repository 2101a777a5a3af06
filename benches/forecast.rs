//! What a forecast costs when a million people wait, spread over a day, and tens of thousands are tried again: the
//! bar is one second, on both engines. `cargo bench --bench forecast`.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark stops at the first surprise and prints")]

#[path = "support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use firstword::clock::Clock;
use firstword::domain::budget::Budget;
use firstword::domain::ids::PageId;
use firstword::watch::foresight::Foresight;
use sqlx::{AssertSqlSafe, Connection};

use support::{Engine, House, Sink};

const LOOKS: usize = 7;
const BAR: Duration = Duration::from_secs(1);
const PEOPLE: &str = "INSERT INTO optins (page_id, login_id, opted_in_at, state, state_since, next_attempt_at)
    SELECT '{page}', 'login-' || n, {now} - 84000000 + n * 83, CASE WHEN n % 20 = 0 THEN 'retrying' ELSE 'pending' END,
           {now} - 84000000 + n * 83, CASE WHEN n % 20 = 0 THEN {now} + n END FROM numbers";

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let sink = Sink::start(Duration::ZERO).await;
        for engine in [Engine::Sqlite, Engine::Postgres] {
            let house = House::build(engine, &sink).await;
            fill(&house).await;
            let (median, worst, told) = looks(&house).await;
            println!(
                "{engine:?}: a forecast over 1,000,000 takes {median:?}, at worst {worst:?} (bar {BAR:?}): {told}"
            );
            assert!(median < BAR, "{median:?}");
            house.tear_down().await;
        }
    });
}

async fn fill(house: &House) {
    let now = house.clock.now().ms().to_string();
    let text = PEOPLE.replace("{page}", support::PAGE).replace("{now}", &now);
    if house.url.starts_with("sqlite") {
        let numbers =
            "WITH RECURSIVE numbers (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM numbers WHERE n < 1000000) SELECT";
        let mut conn = sqlx::SqliteConnection::connect(&house.url).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(text.replacen("SELECT", numbers, 1))).execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
    } else {
        let text = text.replace("FROM numbers", "FROM generate_series(1, 1000000) AS n");
        let mut conn = sqlx::PgConnection::connect(&house.url).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut conn).await.unwrap();
        // As autovacuum leaves it after a while.
        sqlx::raw_sql("VACUUM ANALYZE optins").execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
    }
}

async fn looks(house: &House) -> (Duration, Duration, String) {
    let (mut took, mut told) = (Vec::new(), String::new());
    for _ in 0..LOOKS {
        let budgets = || vec![(PageId::new(support::PAGE).unwrap(), Budget::per_second(10.0))];
        // A new one each time: it keeps what it saw.
        let foresight = Foresight::new(house.store.clone(), Arc::new(budgets), false);
        let began = Instant::now();
        let pages = foresight.look(house.clock.now()).await.unwrap();
        took.push(began.elapsed());
        let forecast = pages.first().unwrap().forecast;
        assert!(forecast.waiting > 990_000, "{forecast:?}");
        told = format!("{} of {} would miss", forecast.will_miss, forecast.waiting);
    }
    took.sort_unstable();
    (took.get(LOOKS / 2).copied().unwrap(), took.last().copied().unwrap(), told)
}
