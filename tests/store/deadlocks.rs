//! Groups of every kind from three nodes over the same people of several pages, each in an order of its own: nobody may
//! wait for somebody who waits for them.
//!
//! A deadlock would be broken by the server after a second and tried again here, so that nothing would fail; but the
//! server counts them.

use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::task::JoinSet;

use crate::ground::{Ground, NOW, PLENTY, accepted, by_login, ended, later, login, tick, wish};
use firstword::domain::ids::PageId;
use firstword::domain::optin::Reason;
use firstword::domain::outcome::{Outcome, Then};
use firstword::domain::policy::Policy;
use firstword::domain::signal::{NewOptIn, Sign, Signal, Source, Tick};
use firstword::store::Store;
use firstword::store::claim::Wish;

const PAGES: [&str; 3] = ["1001", "1002", "1003"];
const PEOPLE: usize = 60;
const ROUNDS: usize = 50;

fn page(n: usize) -> PageId {
    PageId::new(PAGES[n]).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn group_commits_never_deadlock() {
    let ground = Ground::postgres().await;
    let stores = [ground.store.clone(), ground.node().await, ground.node().await];
    for store in &stores {
        store.govern(Policy::default(), (0..PAGES.len()).map(page)).await.unwrap();
    }
    let seed = fastrand::u64(..);
    let mut tasks = JoinSet::new();
    for n in 0..9 {
        let (store, dice) = (stores[n % 3].clone(), fastrand::Rng::with_seed(seed.wrapping_add(n as u64)));
        tasks.spawn(work(store, dice));
    }
    let claims: usize = tasks.join_all().await.into_iter().sum();
    assert!(claims > 100, "seed {seed}: {claims} claims");
    // A session's counts are told at its end at the latest.
    for store in stores {
        store.close().await;
    }
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(ground.number(deadlocks).await, Some(0), "seed {seed}");
    // That they would have been counted.
    one_deadlock(&ground.url).await;
    let began = Instant::now();
    while ground.number(deadlocks).await != Some(1) {
        assert!(began.elapsed() < Duration::from_secs(30), "the server counts no deadlock");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Two transactions that wait for each other.
async fn one_deadlock(url: &str) {
    let lock = |n: usize| format!("SELECT FROM pages WHERE page_id = '{}' FOR UPDATE", PAGES[n]);
    let begin = async |n| {
        let mut conn = PgConnection::connect(url).await.unwrap();
        conn.execute(AssertSqlSafe(format!("BEGIN; {}", lock(n)))).await.unwrap();
        conn
    };
    let (mut one, mut other) = (begin(0).await, begin(1).await);
    let (first, second) = tokio::join!(one.execute(AssertSqlSafe(lock(1))), other.execute(AssertSqlSafe(lock(0))));
    assert!(first.is_err() != second.is_err(), "{first:?} {second:?}");
    one.close().await.unwrap();
    other.close().await.unwrap();
}

/// What a node does all day, at random. How many it claimed.
async fn work(store: Store, mut dice: fastrand::Rng) -> usize {
    let mut claims = 0;
    for _ in 0..ROUNDS {
        match dice.u8(..10) {
            0..3 => _ = store.apply(opt_ins(&mut dice), NOW).await.unwrap(),
            3..5 => _ = store.apply(stops(&mut dice), NOW).await.unwrap(),
            5 => {
                let due = store.due(later(3600), 30).await.unwrap();
                _ = store.apply(due.into_iter().map(|id| tick(id, Tick::Due)).collect(), later(3600)).await.unwrap();
            }
            _ => claims += send(&store, &mut dice).await,
        }
    }
    claims
}

fn opt_ins(dice: &mut fastrand::Rng) -> Vec<Signal> {
    let one = |_| {
        let login = login(&format!("p{}", dice.usize(..PEOPLE)));
        let page = page(dice.usize(..PAGES.len()));
        Signal::OptIn(NewOptIn { page, login, at: Some(NOW), locale: None, reference: None, source: Source::Webhook })
    };
    (0..20).map(one).collect()
}

fn stops(dice: &mut fastrand::Rng) -> Vec<Signal> {
    let one = |_| {
        let links = by_login(&format!("p{}", dice.usize(..PEOPLE)));
        Signal::Person {
            page: page(dice.usize(..PAGES.len())),
            sign: Sign::OptOut(Reason::OptOutEvent),
            links,
            at: NOW,
        }
    };
    (0..3).map(one).collect()
}

async fn send(store: &Store, dice: &mut fastrand::Rng) -> usize {
    let page = page(dice.usize(..PAGES.len()));
    let mut claims = store.claim(Wish { page, budget: PLENTY, ..wish(10, NOW) }).await.unwrap().claims;
    dice.shuffle(&mut claims);
    let mut signals = Vec::new();
    for claim in &claims {
        let outcome = if dice.bool() { Outcome::Retry(Then::Again) } else { accepted(&format!("m.{}", claim.attempt)) };
        signals.push(ended(claim, outcome));
    }
    if !signals.is_empty() {
        store.record(signals, NOW).await.unwrap();
    }
    claims.len()
}
