//! What the site is told of its opt-ins, and the beats of nodes.

use std::time::Duration;

use firstword::domain::ids::OptInId;
use firstword::domain::optin::{Reason, State};
use firstword::domain::outcome::Outcome;
use firstword::domain::policy::Policy;
use firstword::domain::signal::{Command, Links, Sign, Signal, Tick};
use firstword::domain::site::Event;
use firstword::domain::window::Window;
use firstword::store::outbox::Delivered;
use serde_json::Value;

use crate::ground::{Ground, NOW, by_message, ended, later, opt_in, page, psid, said, tick};

/// What waits for the site, in order: event and body; all of it is taken as delivered.
async fn news(ground: &Ground) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    loop {
        let mut taken =
            ground.store.take_notices("site", 100, Duration::from_mins(1), later(10_000_000)).await.unwrap();
        taken.sort_by_key(|one| one.id);
        if taken.is_empty() {
            return all;
        }
        for one in &taken {
            let body: Value = serde_json::from_str(&one.body).unwrap();
            assert_eq!(one.event.as_deref(), body["id"].as_str());
            all.push((body["event"].as_str().unwrap().to_owned(), body["optin"].clone()));
        }
        let ended = taken.into_iter().map(|one| (one, Delivered::Yes)).collect();
        ground.store.end_notices("site", ended, later(10_000_000)).await.unwrap();
    }
}

fn words(news: &[(String, Value)]) -> Vec<&str> {
    news.iter().map(|(event, _)| event.as_str()).collect()
}

pub(crate) async fn the_site_hears_of_a_whole_life(ground: Ground) {
    ground.store.tell_site(Event::ALL.to_vec());
    let claim = ground.greeted("anna", "m.1").await;
    let reply = Links { psid: Some(psid("77")), ..by_message("m.1") };
    ground.apply(said(Sign::Reply { stop: false }, reply)).await;
    ground.apply(said(Sign::Reply { stop: false }, by_message("m.1"))).await;
    ground.apply(Signal::Command { optin: claim.optin, command: Command::OptOut }).await;
    let news = news(&ground).await;
    assert_eq!(words(&news), ["sent", "answered", "opted_out"]);
    let (sent, answered) = (&news[0].1, &news[1].1);
    assert_eq!((&sent["message_id"], &sent["psid"], &sent["state"]), (&"m.1".into(), &Value::Null, &"sent".into()));
    assert_eq!((&answered["psid"], &answered["login_id"]), (&"77".into(), &"anna".into()));
    assert!(answered["window_open_until"].is_string() && news[2].1["opted_out_at"].is_string());
    assert_eq!(news[2].1["id"], claim.optin.0);
}

/// Each reply opens the window for promotional messages anew; one that is told late does not close it.
pub(crate) async fn a_later_reply_moves_the_window(ground: Ground) {
    ground.store.tell_site(Event::ALL.to_vec());
    let id = ground.greeted("anna", "m.1").await.optin;
    for (at, last) in [(0, 0), (600, 600), (300, 600), (601, 601)] {
        let sign = Sign::Reply { stop: false };
        let reply = Signal::Person { page: page(), sign, links: by_message("m.1"), at: later(at) };
        ground.apply_at(reply, later(700)).await;
        assert_eq!(ground.row(id).await.replied_at, Some(later(last)), "after the reply of {at} s");
    }
    ground.apply_at(Signal::Command { optin: id, command: Command::OptOut }, later(700)).await;
    let news = news(&ground).await;
    assert_eq!(words(&news), ["sent", "answered", "opted_out"]);
    let window = |n: usize| news[n].1["window_open_until"].as_str().map(str::to_owned);
    let a_day_after = |at: u64| Some(later(at).plus(Duration::from_hours(24)).to_string());
    assert_eq!((window(1), window(2)), (a_day_after(0), a_day_after(601)));
}

pub(crate) async fn the_site_hears_of_ends(ground: Ground) {
    ground.store.tell_site(Event::ALL.to_vec());
    let missed = ground.somebody("missed").await;
    ground.apply_at(tick(missed, Tick::HardStop), Window::default().hard_stop(NOW)).await;
    let gone = ground.claimed("gone").await;
    ground.record(ended(&gone, Outcome::PersonUnavailable(Reason::Unavailable))).await;
    let silent = ground.greeted("silent", "m.2").await;
    let over = NOW.plus(Policy::default().answer_window);
    ground.apply_at(tick(silent.optin, Tick::AnswerOver), over).await;
    let late = ground.apply_at(opt_in("late", NOW.minus(Duration::from_hours(30))), NOW).await;
    let news = news(&ground).await;
    assert_eq!(words(&news), ["missed", "unavailable", "sent", "missed", "expired"]);
    assert_eq!((&news[0].1["reason"], &news[3].1["reason"]), (&"hard_stop".into(), &"arrived_late".into()));
    // A row that is new in its group has its number all the same.
    let id = news[3].1["id"].as_i64().unwrap();
    assert!(id > 0 && ground.row(OptInId(id)).await.login.as_str() == "late", "{late:?}");
}

pub(crate) async fn the_site_hears_what_it_asked_for(ground: Ground) {
    ground.greeted("anna", "m.1").await;
    assert_eq!(news(&ground).await, []);
    ground.store.tell_site(vec![Event::Answered]);
    ground.greeted("bert", "m.2").await;
    ground.apply(said(Sign::Reply { stop: false }, by_message("m.2"))).await;
    assert_eq!(words(&news(&ground).await), ["answered"]);
    ground.store.tell_site(Vec::new());
    ground.apply(said(Sign::Reply { stop: false }, by_message("m.1"))).await;
    assert_eq!(news(&ground).await, []);
}

pub(crate) async fn one_person_is_told_of_in_order(ground: Ground) {
    ground.store.tell_site(Event::DEFAULT.to_vec());
    ground.greeted("anna", "m.1").await;
    ground.apply(said(Sign::Reply { stop: false }, by_message("m.1"))).await;
    ground.greeted("bert", "m.2").await;
    let lease = Duration::from_mins(1);
    let take = async |now| ground.store.take_notices("site", 100, lease, now).await.unwrap();
    let first = take(NOW).await;
    assert_eq!(first.len(), 2, "one of each");
    assert_eq!(take(NOW).await, []);
    let failed = first.into_iter().map(|one| (one, Delivered::Later(later(100), "answered 503".into()))).collect();
    ground.store.end_notices("site", failed, NOW).await.unwrap();
    assert_eq!(take(later(99)).await, []);
    let again = take(later(100)).await;
    assert!(again.iter().all(|one| one.attempt == 2 && one.body.contains(r#""event":"sent""#)), "{again:?}");
}

pub(crate) async fn purged_people_are_told_of_no_more(ground: Ground) {
    ground.store.tell_site(Event::DEFAULT.to_vec());
    let claim = ground.greeted("anna", "m.1").await;
    ground.somebody("bert").await;
    ground.sql(&format!("UPDATE optins SET state = 'expired' WHERE id = {}", claim.optin)).await;
    assert_eq!(ground.store.notices_waiting().await.unwrap()[0].count, 1);
    assert_eq!(ground.store.purge(later(1), 10, later(1)).await.unwrap(), 1);
    assert_eq!(ground.store.notices_waiting().await.unwrap(), []);
    assert_eq!(ground.number("SELECT count(*) FROM outbox WHERE body LIKE '%anna%'").await, Some(0));
}

pub(crate) async fn thousands_are_told_of_once_each(ground: Ground) {
    ground.store.tell_site(vec![Event::OptedOut]);
    let mut ids = Vec::new();
    for n in 0..300 {
        ids.push(ground.apply(opt_in(&format!("p{n}"), NOW)).await);
    }
    let stop = |receipt: &_| {
        let firstword::domain::signal::Receipt::Created(optin) = receipt else { panic!("{receipt:?}") };
        Signal::Command { optin: *optin, command: Command::OptOut }
    };
    ground.store.apply(ids.iter().map(stop).collect(), NOW).await.unwrap();
    assert_eq!(ground.number("SELECT count(*) FROM outbox").await, Some(300));
    assert_eq!(ground.number("SELECT count(DISTINCT optin_id) FROM outbox").await, Some(300));
    let states = ground.store.counts().await.unwrap();
    assert_eq!((states[0].state, states[0].count), (State::OptedOut, 300));
}

pub(crate) async fn the_last_beat_of_any_node_counts(ground: Ground) {
    let store = &ground.store;
    assert_eq!(store.last_beat().await.unwrap(), None);
    store.note_beat("east".into(), later(5)).await.unwrap();
    store.note_beat("west".into(), later(3)).await.unwrap();
    store.note_beat("east".into(), later(4)).await.unwrap();
    assert_eq!(store.last_beat().await.unwrap(), Some(later(5)));
    // Whoever is gone for a week is forgotten.
    store.note_beat("west".into(), later(5 + 7 * 86_400 + 1)).await.unwrap();
    assert_eq!(ground.number("SELECT count(*) FROM beats").await, Some(1));
}
