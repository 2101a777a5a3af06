//! Alerts and the outbox: one alert for a cause, told once to each channel, in order, by one node at a time.

use std::sync::Arc;
use std::time::Duration;

use firstword::clock::ManualClock;
use firstword::domain::alert::{Alert, Kind};
use firstword::domain::outcome::Outcome;
use firstword::domain::signal::Signal;
use firstword::domain::time::Timestamp;
use firstword::store::Store;
use firstword::store::outbox::{Delivered, Taken};
use firstword::watch::Watch;
use firstword::watch::foresight::Foresight;

use crate::ground::{Ground, NOW, accepted, ended, later, opt_in};

const LEASE: Duration = Duration::from_secs(30);

fn skew(cause: &str, detail: &str) -> Alert {
    Alert::new(Kind::ClockSkew, cause, detail)
}

/// Open alerts: kind, cause, detail, times.
async fn open(store: &Store) -> Vec<(&'static str, String, String, i64)> {
    let alerts = store.open_alerts().await.unwrap();
    alerts.into_iter().map(|alert| (alert.kind.as_str(), alert.cause, alert.detail, alert.times)).collect()
}

fn one(kind: &'static str, cause: &str, detail: &str, times: i64) -> (&'static str, String, String, i64) {
    (kind, cause.to_owned(), detail.to_owned(), times)
}

/// Takes everything that is due on a channel: event and alert of each.
async fn take(store: &Store, channel: &'static str, now: Timestamp) -> Vec<(Taken, String)> {
    let taken = store.take_notices(channel, 10, LEASE, now).await.unwrap();
    let mut taken: Vec<_> = taken
        .into_iter()
        .map(|taken| {
            let body: serde_json::Value = serde_json::from_str(&taken.body).unwrap();
            let said = format!("{} {}", body["event"].as_str().unwrap(), body["kind"].as_str().unwrap());
            (taken, said)
        })
        .collect();
    taken.sort_by_key(|(taken, _)| taken.id);
    taken
}

fn said(taken: &[(Taken, String)]) -> Vec<&str> {
    taken.iter().map(|(_, said)| said.as_str()).collect()
}

async fn arrived(store: &Store, channel: &'static str, taken: Vec<(Taken, String)>) {
    let ended = taken.into_iter().map(|(taken, _)| (taken, Delivered::Yes)).collect();
    store.end_notices(channel, ended, NOW).await.unwrap();
}

pub(crate) async fn a_cause_is_one_alert_until_it_is_over(ground: Ground) {
    let store = &ground.store;
    store.raise(skew("1001", "2 s"), NOW).await.unwrap();
    store.raise(skew("1001", "3 s").times(3), later(9)).await.unwrap();
    store.raise(skew("1001", ""), later(9)).await.unwrap();
    store.raise(skew("2002", "9 s"), later(9)).await.unwrap();
    assert_eq!(open(store).await, [one("clock_skew", "1001", "3 s", 5), one("clock_skew", "2002", "9 s", 1)]);
    let first = &store.open_alerts().await.unwrap()[0];
    assert_eq!((first.first_at, first.last_at), (NOW, later(9)));

    assert!(store.resolve(Kind::ClockSkew, "1001".into(), later(10)).await.unwrap());
    assert!(!store.resolve(Kind::ClockSkew, "1001".into(), later(11)).await.unwrap());
    assert!(!store.resolve(Kind::AtRisk, "2002".into(), later(11)).await.unwrap());
    store.raise(skew("1001", "1 s"), later(20)).await.unwrap();
    assert_eq!(open(store).await, [one("clock_skew", "2002", "9 s", 1), one("clock_skew", "1001", "1 s", 1)]);
}

pub(crate) async fn restating_raises_and_ends(ground: Ground) {
    let store = &ground.store;
    store.raise(Alert::new(Kind::Missed, "1", ""), NOW).await.unwrap();
    let risk = |page: &str, count| Alert::new(Kind::AtRisk, page, format!("{count} wait")).times(count);
    store.restate(Kind::AtRisk, vec![risk("2", 7), risk("1", 5)], NOW).await.unwrap();
    store.restate(Kind::AtRisk, vec![risk("2", 4), risk("3", 1)], later(1)).await.unwrap();
    let still = [one("missed", "1", "", 1), one("at_risk", "2", "4 wait", 4), one("at_risk", "3", "1 wait", 1)];
    assert_eq!(open(store).await, still);
    store.restate(Kind::AtRisk, Vec::new(), later(2)).await.unwrap();
    assert_eq!(open(store).await, [one("missed", "1", "", 1)]);
}

pub(crate) async fn moments_pass_and_states_end_with_their_cause(ground: Ground) {
    let store = &ground.store;
    for kind in [Kind::Missed, Kind::ClockSkew] {
        store.raise(Alert::new(kind, "1001", ""), NOW).await.unwrap();
    }
    let claim = ground.claimed("anna").await;
    ground.record(ended(&claim, Outcome::PageHold)).await;
    ground
        .apply(Signal::OptIn(firstword::domain::signal::NewOptIn {
            page: firstword::domain::ids::PageId::new("77").unwrap(),
            ..crate::ground::new("bert", NOW)
        }))
        .await;
    let kinds = async || {
        let mut kinds: Vec<_> = open(store).await.into_iter().map(|(kind, ..)| kind).collect();
        kinds.sort_unstable();
        kinds
    };
    store.resolve_what_is_over(NOW.minus(Duration::from_secs(1)), later(1)).await.unwrap();
    assert_eq!(kinds().await, ["clock_skew", "missed", "page_held", "unknown_page"]);
    store.resolve_what_is_over(NOW, later(2)).await.unwrap();
    assert_eq!(kinds().await, ["clock_skew", "page_held", "unknown_page"]);
    ground.sql("UPDATE pages SET held_since = NULL").await;
    ground.sql("UPDATE optins SET state = 'missed' WHERE page_id = '77'").await;
    store.resolve_what_is_over(NOW, later(3)).await.unwrap();
    assert_eq!(kinds().await, ["clock_skew"]);
}

pub(crate) async fn a_hold_is_alerted_and_its_end_too(ground: Ground) {
    let claim = ground.claimed("anna").await;
    ground.record(ended(&claim, Outcome::PageHold)).await;
    assert_eq!(open(&ground.store).await, [one("page_held", "1001", "page", 1)]);
    let probe = ground.probe_at(later(100)).await.remove(0);
    ground.record(ended(&probe, accepted("m.1"))).await;
    assert_eq!(open(&ground.store).await, []);
}

pub(crate) async fn each_channel_is_told_once_and_again_while_it_lasts(ground: Ground) {
    let store = &ground.store;
    let long_ago = Timestamp::EARLIEST;
    assert!(!store.has_untold_alerts(long_ago).await.unwrap());
    store.raise(skew("1001", "2 s"), NOW).await.unwrap();
    assert!(store.has_untold_alerts(long_ago).await.unwrap());
    assert_eq!(store.tell_alerts(vec!["log", "webhook"], long_ago, NOW).await.unwrap(), 1);
    assert!(!store.has_untold_alerts(long_ago).await.unwrap());
    assert_eq!(store.tell_alerts(vec!["log", "webhook"], long_ago, NOW).await.unwrap(), 0);
    assert!(store.has_notices("log", NOW).await.unwrap() && !store.has_notices("command", NOW).await.unwrap());
    let log = take(store, "log", NOW).await;
    assert_eq!(said(&log), ["raised clock_skew"]);
    assert!(log[0].0.body.contains(r#""detail":"2 s""#) && log[0].0.body.contains(r#""severity":"warning""#));
    arrived(store, "log", log).await;
}

pub(crate) async fn what_lasts_is_told_again_and_its_end_last(ground: Ground) {
    let store = &ground.store;
    store.raise(skew("1001", "2 s"), NOW).await.unwrap();
    store.tell_alerts(vec!["log", "webhook"], Timestamp::EARLIEST, NOW).await.unwrap();
    arrived(store, "log", take(store, "log", NOW).await).await;
    // It lasts. The webhook has not even the first: one is enough.
    assert_eq!(store.tell_alerts(vec!["log", "webhook"], NOW, later(60)).await.unwrap(), 1);
    assert_eq!(said(&take(store, "log", later(60)).await), ["repeated clock_skew"]);
    let webhook = take(store, "webhook", later(60)).await;
    assert_eq!(said(&webhook), ["raised clock_skew"]);

    // It is over: told once more, after what was told before.
    store.resolve(Kind::ClockSkew, "1001".into(), later(70)).await.unwrap();
    assert_eq!(store.tell_alerts(vec!["log", "webhook"], NOW, later(70)).await.unwrap(), 1);
    assert_eq!(store.tell_alerts(vec!["log", "webhook"], later(700), later(700)).await.unwrap(), 0);
    assert_eq!(said(&take(store, "webhook", later(70)).await), Vec::<&str>::new());
    arrived(store, "webhook", webhook).await;
    let webhook = take(store, "webhook", later(70)).await;
    assert_eq!(said(&webhook), ["resolved clock_skew"]);
    assert!(webhook[0].0.body.contains(&format!(r#""resolved_at":"{}""#, later(70))));
    let waiting = store.notices_waiting().await.unwrap();
    let waiting: Vec<_> = waiting.iter().map(|one| (one.channel.as_str(), one.count)).collect();
    assert_eq!(waiting, [("log", 2), ("webhook", 1)]);
}

pub(crate) async fn what_was_over_before_it_was_told_is_told_in_order(ground: Ground) {
    let store = &ground.store;
    store.raise(skew("1001", ""), NOW).await.unwrap();
    store.resolve(Kind::ClockSkew, "1001".into(), NOW).await.unwrap();
    for _ in 0..3 {
        store.tell_alerts(vec!["log"], Timestamp::EARLIEST, NOW).await.unwrap();
    }
    let mut heard = Vec::new();
    for _ in 0..2 {
        let taken = take(store, "log", NOW).await;
        heard.extend(taken.iter().map(|(_, said)| said.clone()));
        arrived(store, "log", taken).await;
    }
    assert_eq!(heard, ["raised clock_skew", "resolved clock_skew"]);
    assert_eq!(store.notices_waiting().await.unwrap(), []);
}

pub(crate) async fn a_notice_has_one_carrier_at_a_time(ground: Ground) {
    let store = &ground.store;
    store.raise(skew("1001", ""), NOW).await.unwrap();
    store.tell_alerts(vec!["webhook"], Timestamp::EARLIEST, NOW).await.unwrap();
    let other = ground.node().await;
    let (mine, theirs) = tokio::join!(take(store, "webhook", NOW), take(&other, "webhook", NOW));
    assert_eq!(mine.len() + theirs.len(), 1);
    let first = mine.into_iter().chain(theirs).next().unwrap();
    assert_eq!(first.0.attempt, 1);

    // Its carrier died: after the lease somebody else has it, and what the dead one says later counts for nothing.
    assert_eq!(take(&other, "webhook", later(29)).await, []);
    let second = take(&other, "webhook", later(30)).await;
    assert_eq!(second[0].0.attempt, 2);
    arrived(store, "webhook", vec![first]).await;
    assert_eq!(store.notices_waiting().await.unwrap()[0].count, 1);
    arrived(&other, "webhook", second).await;
    assert_eq!(store.notices_waiting().await.unwrap(), []);
}

pub(crate) async fn what_does_not_arrive_is_tried_again_and_then_told_elsewhere(ground: Ground) {
    let store = &ground.store;
    store.raise(skew("1001", ""), NOW).await.unwrap();
    store.tell_alerts(vec!["webhook"], Timestamp::EARLIEST, NOW).await.unwrap();
    for attempt in 1_u64..=4 {
        let now = later(100 * attempt);
        let (taken, _) = take(store, "webhook", now).await.remove(0);
        assert_eq!(taken.attempt, i64::try_from(attempt).unwrap());
        let again = Delivered::Later(later(100 * (attempt + 1)), "answered 500".into());
        store.end_notices("webhook", vec![(taken, again)], now).await.unwrap();
        assert!(!store.has_notices("webhook", later(100 * attempt + 99)).await.unwrap());
    }
    let undelivered = one("undelivered", "webhook", "answered 500", 1);
    assert_eq!(open(store).await[1..], [undelivered]);
    assert_eq!(store.notices_waiting().await.unwrap()[0].error.as_deref(), Some("answered 500"));
    let taken = take(store, "webhook", later(500)).await;
    arrived(store, "webhook", taken).await;
    assert_eq!(open(store).await.len(), 1, "it arrives again");

    store.tell_alerts(vec!["webhook"], later(600), later(600)).await.unwrap();
    let (taken, _) = take(store, "webhook", later(600)).await.remove(0);
    store.end_notices("webhook", vec![(taken, Delivered::Never("too old".into()))], later(600)).await.unwrap();
    assert_eq!(open(store).await[1..], [one("undelivered", "webhook", "one was dropped: too old", 1)]);
    // What is left waiting is the word about the webhook itself.
    assert_eq!(store.notices_waiting().await.unwrap()[0].count, 1);
}

pub(crate) async fn alerts_of_a_group_share_its_transaction(ground: Ground) {
    // A group that is refused as a whole leaves no alert behind.
    let page = firstword::domain::ids::PageId::new("77").unwrap();
    let unknown = Signal::OptIn(firstword::domain::signal::NewOptIn { page, ..crate::ground::new("bert", NOW) });
    ground.sql("ALTER TABLE unparsed RENAME TO elsewhere").await;
    let broken = Signal::Unparsed { page: None, raw: "?".into() };
    assert!(ground.store.apply(vec![unknown.clone(), broken], NOW).await.is_err());
    assert_eq!(open(&ground.store).await, []);
    ground.sql("ALTER TABLE elsewhere RENAME TO unparsed").await;
    ground.store.apply(vec![unknown, opt_in("anna", NOW)], NOW).await.unwrap();
    assert_eq!(open(&ground.store).await, [one("unknown_page", "77", "", 1)]);
}

pub(crate) async fn a_days_report_is_told_once_and_is_never_open(ground: Ground) {
    ground.greeted("anna", "m.1").await;
    ground.somebody("bert").await;
    ground.sql("UPDATE optins SET variant = 'warm' WHERE login_id = 'anna'").await;
    let store = &ground.store;
    let foresight = Foresight::new(store.clone(), Arc::new(Vec::new), false);
    let clock = Arc::new(ManualClock::at(later(1)));
    let watch = Watch { store: store.clone(), clock, at_risk: Duration::from_hours(2), foresight };
    let counts = watch.daily_report().await.unwrap().counts;
    assert_eq!((counts["opted_in"], counts["sent"], counts["waiting"]), (2, 1, 1));
    assert_eq!(open(store).await, []);
    let channels = || vec!["log", "webhook"];
    assert_eq!(store.tell_alerts(channels(), NOW, later(2)).await.unwrap(), 1);
    for channel in channels() {
        let taken = take(store, channel, later(2)).await;
        assert_eq!(said(&taken), ["reported daily_report"]);
        let body: serde_json::Value = serde_json::from_str(&taken[0].0.body).unwrap();
        let all = "2 opted in, 1 sent, 0 answered (0.0%), 0 missed, 0 opted out, 1 waiting, 0 uncertain";
        let detail = format!("{all}; page 1001: {all}; page 1001, variant warm: 1 sent, 0 answered (0.0%)");
        assert_eq!((&body["detail"], &body["resolved_at"]), (&detail.as_str().into(), &serde_json::Value::Null));
        assert_eq!(body["text"], format!("REPORT daily_report: the last 24 hours, all pages: {detail}"));
        arrived(store, channel, taken).await;
    }
    // Neither an end nor a repetition follows, and the next day's is news of its own.
    assert_eq!(store.tell_alerts(channels(), later(9_999), later(9_999)).await.unwrap(), 0);
    watch.daily_report().await.unwrap();
    assert_eq!(store.tell_alerts(channels(), NOW, later(9_999)).await.unwrap(), 1);
    assert_eq!(said(&take(store, "log", later(9_999)).await), ["reported daily_report"]);
}
