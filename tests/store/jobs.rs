//! The runs of jobs.

use std::time::Duration;

use crate::ground::{Ground, NOW, created, ended, later, opt_in, page, tick};
use firstword::domain::outcome::{Outcome, Then};
use firstword::domain::signal::Tick;
use firstword::domain::time::Timestamp;
use firstword::store::Store;
use firstword::store::ticks::{self, History};

const LEASE: Duration = Duration::from_mins(1);

pub(crate) async fn take(store: &Store, due: Timestamp, node: &str, now: Timestamp) -> Option<ticks::Tick> {
    store.take_tick("purge".into(), due, node.into(), LEASE, now).await.unwrap()
}

pub(crate) async fn a_tick_is_taken_once(ground: Ground) {
    let other = ground.node().await;
    let tick = take(&ground.store, NOW, "east", NOW).await.unwrap();
    assert!(take(&other, NOW, "west", later(1)).await.is_none());
    assert!(ground.store.end_tick(tick, "done", "expired 3".into(), later(2)).await.unwrap());
    assert!(!ground.store.end_tick(tick, "failed", String::new(), later(3)).await.unwrap());
    assert!(take(&other, NOW, "west", later(999)).await.is_none(), "what is done is done");
    let run = other.runs(5).await.unwrap().remove(0);
    assert_eq!((run.name.as_str(), run.tick, run.node.as_str(), run.started_at), ("purge", NOW, "east", NOW));
    assert_eq!(
        (run.ended_at, run.result.as_deref(), run.detail.as_deref()),
        (Some(later(2)), Some("done"), Some("expired 3"))
    );
    // Another job has its own ticks.
    assert!(other.take_tick("expire".into(), NOW, "west".into(), LEASE, NOW).await.unwrap().is_some());
}

pub(crate) async fn a_dead_nodes_tick_is_taken_over(ground: Ground) {
    let dead = take(&ground.store, NOW, "east", NOW).await.unwrap();
    assert!(take(&ground.store, NOW, "west", later(59)).await.is_none());
    let alive = take(&ground.store, NOW, "west", later(60)).await.unwrap();
    assert!(!ground.store.end_tick(dead, "done", String::new(), later(61)).await.unwrap(), "it is no longer its tick");
    assert!(ground.store.end_tick(alive, "done", String::new(), later(62)).await.unwrap());
    let run = ground.store.runs(5).await.unwrap().remove(0);
    assert_eq!((run.node.as_str(), run.started_at), ("west", later(60)));
}

pub(crate) async fn runs_do_not_overlap(ground: Ground) {
    let first = take(&ground.store, NOW, "east", NOW).await.unwrap();
    assert!(take(&ground.store, later(30), "east", later(30)).await.is_none(), "the first still runs");
    ground.store.end_tick(first, "done", String::new(), later(31)).await.unwrap();
    assert!(take(&ground.store, later(30), "east", later(32)).await.is_some());
    assert_eq!(history(&ground.store, "purge", later(32)).await.last, Some(later(30)));
    assert_eq!(history(&ground.store, "expire", later(32)).await.last, None);
    // A dead run blocks no longer than its lease.
    assert!(take(&ground.store, later(60), "east", later(91)).await.is_none());
    assert!(take(&ground.store, later(60), "east", later(92)).await.is_some());
}

pub(crate) async fn old_runs_are_forgotten(ground: Ground) {
    for (due, now) in [(NOW, NOW), (later(100), later(100))] {
        let tick = take(&ground.store, due, "east", now).await.unwrap();
        ground.store.end_tick(tick, "done", String::new(), now).await.unwrap();
    }
    ground.store.forget_before(later(100), 9).await.unwrap();
    let runs = ground.store.runs(9).await.unwrap();
    assert_eq!(runs.iter().map(|run| run.tick).collect::<Vec<_>>(), [later(100)]);
    // The latest run of a job stays, so that `job list` can tell of a yearly one.
    ground.store.forget_before(later(999_999), 9).await.unwrap();
    assert_eq!(ground.store.runs_of("purge", 9).await.unwrap().len(), 1);
    assert_eq!(ground.store.runs_of("expire", 9).await.unwrap().len(), 0);
}

async fn history(store: &Store, name: &str, now: Timestamp) -> History {
    store.job_history(name, NOW, NOW.minus(Duration::from_hours(1)), now).await.unwrap()
}

pub(crate) async fn a_tick_is_kept_by_renewing_it_and_found_when_left_behind(ground: Ground) {
    let tick = take(&ground.store, NOW, "east", NOW).await.unwrap();
    assert!(ground.store.renew_tick(tick, LEASE, later(50)).await.unwrap());
    assert!(take(&ground.store, NOW, "west", later(60)).await.is_none(), "it was renewed");
    assert_eq!(history(&ground.store, "purge", later(109)).await.left, []);
    assert_eq!(history(&ground.store, "purge", later(110)).await.left, [NOW]);
    assert_eq!(ground.store.run_of("purge", NOW).await.unwrap().unwrap().lease_until, later(110));
    assert_eq!(ground.store.run_of("purge", later(1)).await.unwrap(), None);
    let over = take(&ground.store, NOW, "west", later(110)).await.unwrap();
    assert!(!ground.store.renew_tick(tick, LEASE, later(111)).await.unwrap(), "it is another's");
    // Given back, it can be taken at once.
    assert!(ground.store.renew_tick(over, Duration::ZERO, later(112)).await.unwrap());
    let third = take(&ground.store, NOW, "north", later(112)).await.unwrap();
    ground.store.end_tick(third, "done", String::new(), later(113)).await.unwrap();
    assert!(!ground.store.renew_tick(third, LEASE, later(114)).await.unwrap(), "it is over");
    assert_eq!(history(&ground.store, "purge", later(999)).await.left, []);
    let old = ground.store.job_history("purge", NOW, NOW, later(999)).await.unwrap();
    assert_eq!((old.since, old.last), (NOW, Some(NOW)));
}

pub(crate) async fn a_job_is_known_since_it_was_first_met(ground: Ground) {
    assert_eq!(ground.store.meet_job("purge".into(), NOW).await.unwrap(), NOW);
    assert_eq!(ground.node().await.meet_job("purge".into(), later(500)).await.unwrap(), NOW);
    assert_eq!(ground.store.meet_job("other".into(), later(7)).await.unwrap(), later(7));
}

pub(crate) async fn a_batch_is_open_while_something_is_left(ground: Ground) {
    let store = &ground.store;
    let pages = || vec![page()];
    let reach = async || {
        let batches = store.batches().await.unwrap();
        batches.into_iter().map(|batch| (batch.page, batch.up_to, batch.open_until)).collect::<Vec<_>>()
    };
    let cutoff = NOW.minus(Duration::from_hours(20));
    let ago = |minutes| NOW.minus(Duration::from_mins(minutes));
    let left = async |soon| store.batch_left(&page(), cutoff, NOW, soon).await.unwrap();
    store.open_batch(pages(), NOW, later(60)).await.unwrap();
    store.open_batch(pages(), ago(1), later(99)).await.unwrap();
    assert_eq!(reach().await, [(page(), NOW, later(60))], "the later one stays");

    let tried = created(ground.apply(opt_in("tried", ago(50))).await);
    let claim = ground.claim_at(1, NOW).await.remove(0);
    assert!(left(NOW).await, "somebody is being sent to");
    ground.record(ended(&claim, Outcome::Retry(Then::Again))).await;
    assert!(!left(NOW).await && left(later(60)).await, "somebody is tried again soon");
    ground.apply_at(tick(tried, Tick::Due), later(60)).await;
    for (name, minutes) in [("a", 40), ("b", 30), ("late", 0)] {
        ground.apply(opt_in(name, ago(minutes).plus(Duration::from_millis(u64::from(minutes == 0))))).await;
    }
    assert_eq!(store.batch_waiting(&page(), cutoff, NOW).await.unwrap(), 3);
    assert!(left(NOW).await);
    ground.sql("UPDATE optins SET state = 'new' WHERE login_id = 'b'").await;
    ground.sql("UPDATE optins SET state = 'cancelled' WHERE login_id IN ('a', 'tried')").await;
    assert!(left(NOW).await, "somebody waits for admission");
    ground.sql("UPDATE optins SET state = 'cancelled' WHERE login_id = 'b'").await;
    assert!(!left(NOW).await, "whoever came later is not part of it");
}

pub(crate) async fn whoever_is_left_waits_for_the_next_batch(ground: Ground) {
    let store = &ground.store;
    let pages = || vec![page()];
    let ago = |minutes| NOW.minus(Duration::from_mins(minutes));
    let cutoff = NOW.minus(Duration::from_hours(20));
    let reach = async || {
        let batches = store.batches().await.unwrap();
        batches.into_iter().map(|batch| (batch.up_to, batch.open_until)).collect::<Vec<_>>()
    };
    assert_eq!(reach().await, []);
    store.open_batch(pages(), NOW, later(60)).await.unwrap();
    ground.apply(opt_in("tried", ago(50))).await;
    let claim = ground.claim_at(1, NOW).await.remove(0);
    ground.record(ended(&claim, Outcome::Retry(Then::Again))).await;
    ground.apply_at(tick(claim.optin, Tick::Due), later(60)).await;
    for (name, minutes) in [("a", 40), ("b", 30)] {
        ground.apply(opt_in(name, ago(minutes))).await;
    }
    store.close_batch(pages(), ago(1), cutoff, later(1)).await.unwrap();
    assert_eq!(reach().await, [(NOW, later(60))], "another batch was meant");
    store.close_batch(pages(), NOW, cutoff, later(2)).await.unwrap();
    assert_eq!(reach().await, [(ago(40).minus(Duration::from_millis(1)), later(2))]);
    ground.sql("UPDATE optins SET state = 'cancelled'").await;
    // With nobody left it keeps its reach, for whoever is tried again.
    store.open_batch(pages(), NOW, later(60)).await.unwrap();
    store.close_batch(pages(), NOW, cutoff, later(3)).await.unwrap();
    assert_eq!(reach().await, [(NOW, later(3))]);
}
