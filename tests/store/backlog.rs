//! Who still waits, and how fast they are served.

use std::time::Duration;

use crate::ground::{Ground, NOW, accepted, created, ended, later, new, opt_in, page};
use firstword::domain::ids::PageId;
use firstword::domain::outcome::{Outcome, Then};
use firstword::domain::signal::{NewOptIn, Signal};
use firstword::store::backlog::Recent;

pub(crate) async fn who_can_still_be_missed_is_counted_in_buckets(ground: Ground) {
    let ago = |minutes| NOW.minus(Duration::from_mins(minutes));
    for (name, minutes) in [("a", 100), ("b", 100), ("c", 59), ("d", 1), ("old", 200)] {
        ground.apply(opt_in(name, ago(minutes))).await;
    }
    let other = PageId::new("77").unwrap();
    ground.apply(Signal::OptIn(NewOptIn { page: other.clone(), ..new("stranger", ago(100)) })).await;
    // One of page's people in every other state.
    for (state, minutes) in
        [("new", 100), ("retrying", 59), ("sending", 59), ("sent", 59), ("uncertain", 59), ("missed", 59)]
    {
        let id = created(ground.apply(opt_in(state, ago(minutes))).await);
        ground.sql(&format!("UPDATE optins SET state = '{state}' WHERE id = {id}")).await;
    }
    let backlog = ground.store.backlog(&[page()], ago(120), NOW, Duration::from_hours(1)).await.unwrap();
    let counted = |page: &PageId| {
        let buckets = backlog.get(page).into_iter().flatten();
        buckets.map(|bucket| (bucket.from.ms(), bucket.to, bucket.people)).collect::<Vec<_>>()
    };
    let mut mine = counted(&page());
    // Those of one bucket may come from several sources.
    mine.sort_unstable_by_key(|(from, _, people)| (*from, *people));
    let (first, second) = (ago(120).ms() + 1, ago(60).ms() + 1);
    assert_eq!(
        mine,
        [(first, ago(60), 1), (first, ago(60), 2), (second, NOW, 1), (second, NOW, 1), (second, NOW, 2)],
        "new; two pending; retrying; sending; two pending"
    );
    assert_eq!(counted(&other), [(first, ago(60), 1)], "a page nobody sends for is found too");
    let longest = ground.store.longest_wait(&page(), ago(120)).await.unwrap();
    assert_eq!((longest, ground.store.longest_wait(&other, ago(120)).await.unwrap()), (Some(NOW), None));
}

pub(crate) async fn what_became_of_the_latest_attempts(ground: Ground) {
    for name in ["a", "b", "c", "d"] {
        ground.apply(opt_in(name, NOW)).await;
    }
    let first = ground.claim_at(1, NOW).await.remove(0);
    ground.record(ended(&first, accepted("m1"))).await;
    let rest = ground.claim_at(9, later(30)).await;
    ground.record(ended(&rest[0], accepted("m2"))).await;
    ground.record(ended(&rest[1], Outcome::Retry(Then::Again))).await;
    let recent = async |since| ground.store.recent_attempts(since).await.unwrap().get(&page()).copied();
    assert_eq!(recent(NOW).await, Some(Recent { ended: 3, accepted: 2, since: NOW }));
    assert_eq!(recent(later(30)).await, Some(Recent { ended: 2, accepted: 1, since: later(30) }));
    assert_eq!(recent(later(31)).await, None);
}
