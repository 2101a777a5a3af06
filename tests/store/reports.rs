//! What an operator is told.

use crate::ground::{Ground, NOW, accepted, created, ended, later, login, opt_in, page, wish};
use firstword::domain::ids::{OptInId, PageId};
use firstword::domain::optin::State;
use firstword::domain::signal::{Command, NewOptIn, Signal, Tick};
use firstword::domain::window::Window;
use firstword::store::claim::Wish;

pub(crate) async fn counts_and_lists(ground: Ground) {
    let ids = [ground.somebody("anna").await, ground.somebody("bert").await, ground.somebody("carl").await];
    ground.apply(Signal::Command { optin: ids[1], command: Command::Cancel }).await;
    let other = PageId::new("2002").unwrap();
    let far =
        created(ground.apply(Signal::OptIn(NewOptIn { page: other.clone(), ..crate::ground::new("anna", NOW) })).await);
    let counts = ground.store.counts().await.unwrap();
    let told: Vec<_> = counts.iter().map(|count| (count.page.as_str(), count.state, count.count)).collect();
    assert_eq!(told, [("1001", State::Cancelled, 1), ("1001", State::Pending, 2), ("2002", State::New, 1)]);
    assert_eq!(counts[1].earliest, NOW);

    let list = async |after, state, page, most| {
        let rows = ground.store.list(after, state, page, most).await.unwrap();
        rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(list(OptInId(0), None, None, 10).await, [ids[0], ids[1], ids[2], far]);
    assert_eq!(list(ids[0], None, None, 2).await, [ids[1], ids[2]]);
    assert_eq!(list(OptInId(0), Some(State::Pending), None, 10).await, [ids[0], ids[2]]);
    assert_eq!(list(OptInId(0), None, Some(&other), 10).await, [far]);
    assert_eq!(ground.store.optins_of_login(&login("anna"), None).await.unwrap().len(), 2);
    assert_eq!(ground.store.optins_of_login(&login("anna"), Some(&other)).await.unwrap()[0].id, far);
    assert_eq!(ground.store.pending_between(&page(), NOW, later(9)).await.unwrap(), 0);
    assert_eq!(
        ground.store.pending_between(&page(), NOW.minus(std::time::Duration::from_millis(1)), NOW).await.unwrap(),
        2
    );
    assert!(ground.store.optin(OptInId(999)).await.unwrap().is_none());
    let pages = ground.store.pages().await.unwrap();
    assert_eq!((pages.len(), pages[0].page.as_str(), pages[0].held_since), (1, "1001", None));
}

pub(crate) async fn alerts_are_counted(ground: Ground) {
    ground.store.raise("clock_skew", "2 s".into(), 1, NOW).await.unwrap();
    ground.store.raise("clock_skew", "2 s".into(), 3, later(9)).await.unwrap();
    ground.store.raise("clock_skew", "9 s".into(), 1, later(9)).await.unwrap();
    let alerts = ground.store.open_alerts().await.unwrap();
    let told: Vec<_> = alerts.iter().map(|a| (a.cause.as_str(), a.times, a.first_at, a.last_at)).collect();
    assert_eq!(told, [("2 s", 4, NOW, later(9)), ("9 s", 1, later(9), later(9))]);
    // Resolved, it may be raised anew.
    ground.sql("UPDATE alerts SET resolved_at = 1 WHERE cause = '2 s'").await;
    ground.store.raise("clock_skew", "2 s".into(), 1, later(20)).await.unwrap();
    let alerts = ground.store.open_alerts().await.unwrap();
    assert_eq!((alerts.len(), alerts[1].times), (2, 1));
}

pub(crate) async fn misses_are_listed_in_order(ground: Ground) {
    let ids = [ground.somebody("anna").await, ground.somebody("bert").await, ground.somebody("carl").await];
    let stop = Window::default().hard_stop(NOW);
    let late = stop.plus(std::time::Duration::from_secs(1));
    for (id, now) in [(ids[2], stop), (ids[0], late), (ids[1], late)] {
        ground.apply_at(Signal::Time { optin: id, tick: Tick::HardStop }, now).await;
    }
    let since = async |after, than, most| {
        let misses = ground.store.missed_since(after, than, most).await.unwrap();
        misses.into_iter().map(|miss| (miss.optin, miss.at)).collect::<Vec<_>>()
    };
    assert_eq!(since(NOW, OptInId(0), 10).await, [(ids[2], stop), (ids[0], late), (ids[1], late)]);
    assert_eq!(since(stop, ids[2], 1).await, [(ids[0], late)]);
    assert_eq!(since(late, ids[0], 10).await, [(ids[1], late)]);
    assert_eq!(since(late, ids[1], 10).await, []);
}

pub(crate) async fn nodes_and_their_acceptances(ground: Ground) {
    for (n, node) in ["east", "west", "west"].into_iter().enumerate() {
        let id = created(ground.apply(opt_in(&format!("p{n}"), NOW)).await);
        let claims = ground.store.claim(Wish { node: node.into(), ..wish(1, NOW) }).await.unwrap().claims;
        assert_eq!(claims[0].optin, id);
        ground.record(ended(&claims[0], accepted(&format!("m.{n}")))).await;
    }
    let told = ground.store.accepted_by_node().await.unwrap();
    assert_eq!(told, [("east".to_owned(), 1), ("west".to_owned(), 2)]);
}
