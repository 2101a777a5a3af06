//! What time does: leases, hard stops, answers that never came, retention.

use std::time::Duration;

use crate::ground::{Ground, NOW, by_login, created, later, opt_in, page, said, tick};
use firstword::domain::optin::{Reason, State};
use firstword::domain::policy::Policy;
use firstword::domain::signal::{Receipt, Sign, Signal, Tick};
use firstword::domain::time::Timestamp;
use firstword::domain::window::Window;

const DAY: Duration = Duration::from_hours(24);

fn days(count: u32) -> Timestamp {
    NOW.plus(DAY * count)
}

pub(crate) async fn a_lapsed_lease_is_a_doubt(ground: Ground) {
    let mut stops = ground.store.work().stops();
    let (anna, bert) = (ground.claimed("anna").await, ground.claimed("bert").await);
    let over = NOW.plus(Window::default().lease());
    let found = ground.store.lapsed(over, 10).await.unwrap();
    assert_eq!(found, [(anna.optin, anna.attempt), (bert.optin, bert.attempt)]);
    assert_eq!(ground.store.lapsed(over, 1).await.unwrap().len(), 1);
    // Too early, nothing happens, whoever asks.
    ground.apply_at(tick(anna.optin, Tick::Lease(anna.attempt)), over.minus(Duration::from_millis(1))).await;
    assert_eq!(ground.state(anna.optin).await, State::Sending);
    ground.apply_at(tick(anna.optin, Tick::Lease(anna.attempt)), over).await;
    assert_eq!(ground.row(anna.optin).await.reason, Some(Reason::LeaseExpired));
    assert_eq!(stops.recv().await.unwrap(), anna.attempt);
    assert_eq!(ground.store.lapsed(over, 10).await.unwrap(), [(bert.optin, bert.attempt)]);
}

pub(crate) async fn the_hard_stop_ends_waiting(ground: Ground) {
    let id = ground.somebody("anna").await;
    let window = Window::default();
    let stop = window.hard_stop(NOW);
    let early = stop.minus(Duration::from_millis(1));
    assert_eq!(ground.store.past_hard_stop(&page(), window.cutoff(early), 10).await.unwrap(), []);
    assert_eq!(ground.store.past_hard_stop(&page(), window.cutoff(stop), 10).await.unwrap(), [id]);
    ground.apply_at(tick(id, Tick::HardStop), early).await;
    assert_eq!(ground.state(id).await, State::Pending);
    ground.apply_at(tick(id, Tick::HardStop), stop).await;
    let row = ground.row(id).await;
    assert_eq!((row.state, row.reason, row.state_since), (State::Missed, Some(Reason::HardStop), stop));
}

pub(crate) async fn a_renewed_consent_starts_the_next_window(ground: Ground) {
    let id = ground.somebody("anna").await;
    let renewed = NOW.plus(Duration::from_hours(20));
    assert_eq!(ground.apply_at(opt_in("anna", renewed), renewed).await, Receipt::Renewed(id));
    let stop = Window::default().hard_stop(NOW);
    ground.apply_at(tick(id, Tick::HardStop), stop).await;
    let row = ground.row(id).await;
    assert_eq!((row.state, row.cycle, row.opted_in_at, row.renewed_at), (State::Pending, 2, renewed, None));
    assert_eq!(ground.claim_at(1, stop).await.len(), 1);
}

pub(crate) async fn nobody_answered(ground: Ground) {
    let claim = ground.greeted("anna", "m.1").await;
    let since = |now: Timestamp| now.minus(Policy::default().answer_window);
    let early = days(30).minus(Duration::from_millis(1));
    assert_eq!(ground.store.unanswered(since(early), 10).await.unwrap(), []);
    assert_eq!(ground.store.unanswered(since(days(30)), 10).await.unwrap(), [claim.optin]);
    ground.apply_at(tick(claim.optin, Tick::AnswerOver), early).await;
    assert_eq!(ground.state(claim.optin).await, State::Sent);
    ground.apply_at(tick(claim.optin, Tick::AnswerOver), days(30)).await;
    let row = ground.row(claim.optin).await;
    assert_eq!((row.state, row.reason), (State::Expired, Some(Reason::NoReply)));
}

pub(crate) async fn what_is_over_is_purged_and_remembered(ground: Ground) {
    let claim = ground.greeted("anna", "m.1").await;
    ground.apply_at(tick(claim.optin, Tick::AnswerOver), days(30)).await;
    let missed = created(ground.apply(opt_in("bert", NOW.minus(DAY))).await);
    assert_eq!(ground.store.purge(NOW.minus(DAY), 10, days(31)).await.unwrap(), 0);
    assert_eq!(ground.store.purge(days(30), 1, days(31)).await.unwrap(), 1);
    assert!(ground.store.optin(missed).await.unwrap().is_none(), "the one that ended first goes first");
    assert_eq!(ground.store.purge(days(30), 10, days(31)).await.unwrap(), 1);
    assert_eq!(ground.store.purge(days(30), 10, days(31)).await.unwrap(), 0);
    assert_eq!(ground.number("SELECT count(*) FROM attempts").await, Some(0));
    assert_eq!(ground.number("SELECT count(*) FROM tombstones").await, Some(2));
    // The greeted one is refused, the missed one is welcome; numbers are never used again.
    let Receipt::Refused(again) = ground.apply_at(opt_in("anna", days(40)), days(40)).await else {
        panic!("greeted twice")
    };
    let row = ground.row(again).await;
    assert_eq!((row.state, row.reason), (State::Refused, Some(Reason::GreetedBefore)));
    let welcome = created(ground.apply_at(opt_in("bert", days(40)), days(40)).await);
    assert!(again > missed && welcome > missed);
    assert_eq!(ground.claim_at(9, days(40)).await.len(), 1);
    // The refusal is remembered as well as what it came from.
    assert_eq!(ground.store.purge(days(50), 10, days(50)).await.unwrap(), 1);
    assert!(matches!(ground.apply_at(opt_in("anna", days(60)), days(60)).await, Receipt::Refused(_)));
}

pub(crate) async fn a_stop_outlives_its_row(ground: Ground) {
    let id = ground.somebody("anna").await;
    ground.apply(said(Sign::OptOut(Reason::Deauthorized), by_login("anna"))).await;
    assert_eq!(ground.state(id).await, State::OptedOut);
    assert_eq!(ground.store.purge(NOW, 10, later(1)).await.unwrap(), 1);
    // The consent from before the stop, told again.
    let id = created(ground.apply_at(opt_in("anna", later(5)), later(5)).await);
    let row = ground.row(id).await;
    assert_eq!((row.state, row.opted_out_at), (State::OptedOut, Some(NOW)));
    assert_eq!(ground.store.purge(later(5), 10, later(6)).await.unwrap(), 1);
    let id = created(ground.apply_at(opt_in("anna", later(900)), later(900)).await);
    assert_eq!(ground.state(id).await, State::Pending);
}

pub(crate) async fn a_stop_told_again_after_the_purge_opens_nothing(ground: Ground) {
    ground.greeted("anna", "m.1").await;
    let stop = || said(Sign::OptOut(Reason::OptOutEvent), by_login("anna"));
    ground.apply(stop()).await;
    assert_eq!(ground.store.purge(NOW, 10, later(1)).await.unwrap(), 1);
    // The platform tells of the stop once more: a new row, which knows of the stop alone.
    ground.apply_at(stop(), days(2)).await;
    let fresh = ground.apply_at(opt_in("anna", days(3)), days(3)).await;
    let Receipt::Reopened(id) = fresh else { panic!("{fresh:?}") };
    let row = ground.row(id).await;
    assert_eq!((row.state, row.reason), (State::Refused, Some(Reason::GreetedBefore)));
    assert!(ground.claim_at(9, days(3)).await.is_empty());
}

pub(crate) async fn answered_people_are_kept(ground: Ground) {
    let claim = ground.greeted("anna", "m.1").await;
    ground.apply(said(Sign::Reply { stop: false }, by_login("anna"))).await;
    assert_eq!(ground.store.purge(days(9_000), 10, days(9_000)).await.unwrap(), 0);
    assert_eq!(ground.state(claim.optin).await, State::Answered);
}

pub(crate) async fn old_raw_events_are_forgotten(ground: Ground) {
    let raw = |page| Signal::Unparsed { page, raw: "{\"odd\":\"\u{1f600}\"}".into() };
    assert_eq!(ground.apply(raw(Some(page()))).await, Receipt::Kept);
    assert_eq!(ground.apply_at(raw(None), days(3)).await, Receipt::Kept);
    let alerts = ground.store.open_alerts().await.unwrap();
    assert_eq!(alerts.iter().map(|alert| alert.cause.as_str()).collect::<Vec<_>>(), ["1001", "unknown page"]);
    assert_eq!(
        ground.text("SELECT raw FROM unparsed WHERE page_id = '1001'").await.unwrap(),
        "{\"odd\":\"\u{1f600}\"}"
    );
    assert_eq!(ground.store.forget_before(days(1), 9).await.unwrap(), 1);
    assert_eq!(ground.number("SELECT count(*) FROM unparsed").await, Some(1));
    assert_eq!(ground.store.forget_before(days(4), 9).await.unwrap(), 1);
    assert_eq!(ground.number("SELECT count(*) FROM unparsed").await, Some(0));
    // No more at once than was asked for: whoever waits for the writer gets a turn between.
    ground.store.apply((0..5).map(|_| raw(None)).collect(), NOW).await.unwrap();
    let mut deleted = Vec::new();
    for _ in 0..4 {
        deleted.push(ground.store.forget_before(days(4), 2).await.unwrap());
    }
    assert_eq!(deleted, [2, 2, 1, 0]);
}
