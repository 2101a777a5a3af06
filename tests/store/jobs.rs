//! The runs of jobs.

use std::time::Duration;

use crate::ground::{Ground, NOW, later};
use firstword::domain::time::Timestamp;
use firstword::store::Store;
use firstword::store::ticks::Tick;

const LEASE: Duration = Duration::from_mins(1);

pub(crate) async fn take(store: &Store, due: Timestamp, node: &str, now: Timestamp) -> Option<Tick> {
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
    assert_eq!(ground.store.last_tick("purge").await.unwrap(), Some(later(30)));
    assert_eq!(ground.store.last_tick("expire").await.unwrap(), None);
    // A dead run blocks no longer than its lease.
    assert!(take(&ground.store, later(60), "east", later(91)).await.is_none());
    assert!(take(&ground.store, later(60), "east", later(92)).await.is_some());
}

pub(crate) async fn old_runs_are_forgotten(ground: Ground) {
    for (due, now) in [(NOW, NOW), (later(100), later(100))] {
        let tick = take(&ground.store, due, "east", now).await.unwrap();
        ground.store.end_tick(tick, "done", String::new(), now).await.unwrap();
    }
    ground.store.forget_before(later(100)).await.unwrap();
    let runs = ground.store.runs(9).await.unwrap();
    assert_eq!(runs.iter().map(|run| run.tick).collect::<Vec<_>>(), [later(100)]);
}
