//! What an operator is told.

use crate::ground::{Ground, NOW, accepted, by_message, created, ended, later, login, opt_in, page, psid, said, wish};
use firstword::domain::alert::Kind;
use firstword::domain::checkup::Heard;
use firstword::domain::ids::{OptInId, PageId};
use firstword::domain::optin::{Reason, State};
use firstword::domain::outcome::{Ending, Outcome};
use firstword::domain::signal::{Command, Links, NewOptIn, Sign, Signal, Tick};
use firstword::domain::window::Window;
use firstword::store::claim::Wish;
use firstword::store::report::Risk;

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
    assert!(ground.store.optin(OptInId(999)).await.unwrap().is_none());
    let pages = ground.store.pages().await.unwrap();
    assert_eq!((pages.len(), pages[0].page.as_str(), pages[0].held_since), (1, "1001", None));
}

pub(crate) async fn misses_are_counted_and_alerted_by_page(ground: Ground) {
    let ids = [ground.somebody("anna").await, ground.somebody("bert").await, ground.somebody("carl").await];
    let stop = Window::default().hard_stop(NOW);
    let late = stop.plus(std::time::Duration::from_secs(1));
    for (id, now) in [(ids[2], stop), (ids[0], late), (ids[1], late)] {
        ground.apply_at(Signal::Time { optin: id, tick: Tick::HardStop }, now).await;
    }
    assert_eq!(ground.store.misses_after(NOW).await.unwrap(), 3);
    assert_eq!(ground.store.misses_after(stop).await.unwrap(), 2);
    assert_eq!(ground.store.misses_after(late).await.unwrap(), 0);
    let alerts = ground.store.open_alerts().await.unwrap();
    let told: Vec<_> = alerts.iter().map(|a| (a.kind, a.cause.as_str(), a.times, a.first_at, a.last_at)).collect();
    assert_eq!(told, [(Kind::Missed, "1001", 3, stop, late)]);
    assert_eq!(alerts[0].detail, "the latest for hard_stop");
}

pub(crate) async fn everybody_who_can_still_be_missed_is_at_risk(ground: Ground) {
    assert_eq!(ground.store.at_risk(later(9)).await.unwrap(), []);
    ground.somebody("waits").await;
    let retried = ground.claimed("retried").await;
    ground.record(ended(&retried, Outcome::Retry(firstword::domain::outcome::Then::Again))).await;
    let uncertain = ground.claimed("doubted").await;
    ground.record(ended(&uncertain, Outcome::Uncertain(Reason::Timeout))).await;
    ground.claimed("sending").await;
    ground.greeted("greeted", "m.1").await;
    ground.apply(opt_in("late", later(5))).await;
    ground
        .sql(&format!("INSERT INTO optins (page_id, login_id, opted_in_at) VALUES ('77', 'anna', {})", later(2).ms()))
        .await;
    let risk = |page: &str, count, earliest| Risk { page: PageId::new(page).unwrap(), count, earliest };
    assert_eq!(ground.store.at_risk(later(1)).await.unwrap(), [risk("1001", 3, NOW)]);
    assert_eq!(ground.store.at_risk(later(9)).await.unwrap(), [risk("1001", 4, NOW), risk("77", 1, later(2))]);
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

pub(crate) async fn a_new_source_of_replies_is_alerted_once(ground: Ground) {
    let other = ground.node().await;
    for _ in 0..3 {
        ground.store.note_source("login_connect", NOW).await.unwrap();
        other.note_source("login_connect", NOW).await.unwrap();
    }
    ground.store.note_source("other", NOW).await.unwrap();
    let alerts = ground.store.open_alerts().await.unwrap();
    let told: Vec<_> = alerts.iter().map(|a| (a.kind, a.cause.as_str(), a.times)).collect();
    assert_eq!(told, [(Kind::ReplySource, "login_connect", 1), (Kind::ReplySource, "other", 1)]);
}

pub(crate) async fn unlinked_replies_are_alerted_where_nothing_was_ever_linked(ground: Ground) {
    let alerts =
        async || ground.store.open_alerts().await.unwrap().into_iter().map(|a| (a.kind, a.cause)).collect::<Vec<_>>();
    let none: Vec<(Kind, String)> = Vec::new();
    ground.somebody("anna").await;
    ground.store.note_unlinked(&page(), NOW).await.unwrap();
    assert_eq!(alerts().await, none, "nothing was sent");
    let claim = ground.claim_at(1, NOW).await.remove(0);
    ground.record(ended(&claim, accepted("m.1"))).await;
    ground.store.note_unlinked(&PageId::new("2002").unwrap(), NOW).await.unwrap();
    assert_eq!(alerts().await, none, "another page");
    ground.store.note_unlinked(&page(), NOW).await.unwrap();
    assert_eq!(alerts().await, [(Kind::UnlinkedReplies, "1001".to_owned())]);
    ground.sql("DELETE FROM alerts").await;
    ground.apply(said(Sign::Reply { stop: false }, Links { psid: Some(psid("77")), ..by_message("m.1") })).await;
    ground.greeted("bert", "m.2").await;
    ground.store.note_unlinked(&page(), NOW).await.unwrap();
    assert_eq!(alerts().await, none, "linking works");
}
