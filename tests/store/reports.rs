//! What an operator is told.

use crate::ground::{Ground, NOW, accepted, created, ended, later, login, opt_in, page, wish};
use firstword::domain::checkup::Heard;
use firstword::domain::ids::{OptInId, PageId};
use firstword::domain::optin::State;
use firstword::domain::outcome::{Ending, Outcome};
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

pub(crate) async fn the_last_webhook_is_noted_once_a_minute(ground: Ground) {
    let secs = |n| NOW.plus(std::time::Duration::from_secs(n));
    assert_eq!(ground.store.heard().await.unwrap(), Heard::default());
    for (at, noted) in [(0, 0), (59, 0), (60, 60), (61, 60), (200, 200)] {
        ground.store.note_webhook(secs(at)).await.unwrap();
        assert_eq!(ground.store.heard().await.unwrap().webhook, Some(secs(noted)), "{at}");
    }
    // Another node knows, and notes for itself.
    let other = ground.node().await;
    assert_eq!(other.heard().await.unwrap().webhook, Some(secs(200)));
    other.note_webhook(secs(201)).await.unwrap();
    assert_eq!(ground.store.heard().await.unwrap().webhook, Some(secs(201)));
}

pub(crate) async fn the_latest_failure_of_a_page_is_told_until_an_acceptance(ground: Ground) {
    let refused =
        Ending { code: Some(100), subcode: Some(33), ..Ending::explained(Outcome::PageHold, "no such object") };
    ground.somebody("anna").await;
    ground.somebody("bert").await;
    let claims = ground.store.claim(wish(2, NOW)).await.unwrap().claims;
    assert_eq!(ground.store.latest_failure(&page()).await.unwrap(), None);
    let (optin, attempt) = (claims[0].optin, claims[0].attempt);
    ground.record(Signal::Attempt { optin, attempt, ending: Some(refused) }).await;
    let failure = ground.store.latest_failure(&page()).await.unwrap().unwrap();
    assert_eq!((failure.outcome.as_str(), failure.code, failure.subcode), ("page_hold", Some(100), Some(33)));
    assert_eq!(failure.detail.as_deref(), Some("no such object"));
    assert_eq!(ground.store.latest_failure(&PageId::new("2002").unwrap()).await.unwrap(), None);
    let heard = ground.store.heard().await.unwrap();
    assert_eq!((heard.first_attempt, heard.accepted), (Some(failure.at), None));
    ground.record(ended(&claims[1], accepted("m.1"))).await;
    assert_eq!(ground.store.latest_failure(&page()).await.unwrap(), None, "it works again");
    assert!(ground.store.heard().await.unwrap().accepted.is_some());
}

pub(crate) async fn the_engine_names_itself(ground: Ground) {
    let engine = ground.store.engine().await.unwrap().unwrap();
    let (version, writes) = if ground.is_sqlite() { ("3.", "wal") } else { ("", "on") };
    assert!(engine.version.starts_with(version) && engine.writes == writes && engine.schema >= 1, "{engine:?}");
}
