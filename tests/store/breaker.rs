//! What looks like a person's fault and is everybody's: runs of failures, holds, and the probes of held pages.

use std::time::Duration;

use crate::ground::{Ground, NOW, accepted, ended, later, opt_in, wish};
use firstword::domain::optin::{Reason, State};
use firstword::domain::outcome::{Ending, Outcome};
use firstword::domain::signal::Signal;
use firstword::domain::time::Timestamp;
use firstword::store::claim::Claim;

fn unknown(claim: &Claim, code: i64) -> Signal {
    let ending = Ending { code: Some(code), ..Ending::bare(Outcome::PersonUnavailable(Reason::UnknownId)) };
    Signal::Attempt { optin: claim.optin, attempt: claim.attempt, ending: Some(ending) }
}

fn doubt() -> Outcome {
    Outcome::Uncertain(Reason::Timeout)
}

async fn crowd(ground: &Ground, people: usize) {
    let signals = (0..people).map(|n| opt_in(&format!("p{n:02}"), NOW.plus(Duration::from_millis(n as u64)))).collect();
    ground.store.apply(signals, NOW).await.unwrap();
}

async fn fail(ground: &Ground, claims: &[Claim], outcome: &Outcome, now: Timestamp) {
    let signals = claims.iter().map(|claim| ended(claim, outcome.clone())).collect();
    ground.store.record(signals, now).await.unwrap();
}

async fn held_for(ground: &Ground) -> Option<String> {
    ground.store.pages().await.unwrap().remove(0).held_for
}

async fn in_state(ground: &Ground, state: State) -> usize {
    let counts = ground.store.counts().await.unwrap();
    counts.iter().filter(|count| count.state == state).map(|count| usize::try_from(count.count).unwrap()).sum()
}

pub(crate) async fn one_error_for_five_people_is_nobodys(ground: Ground) {
    crowd(&ground, 8).await;
    for (n, claim) in ground.claim_at(5, NOW).await.iter().enumerate() {
        assert_eq!((held_for(&ground).await, in_state(&ground, State::Unavailable).await), (None, n));
        ground.record(unknown(claim, 551)).await;
    }
    assert_eq!(held_for(&ground).await.as_deref(), Some("person_unavailable 551"));
    assert_eq!(in_state(&ground, State::Unavailable).await, 0);
    assert_eq!(in_state(&ground, State::Pending).await, 8);
    let alerts = ground.store.open_alerts().await.unwrap();
    assert_eq!(alerts.iter().filter(|alert| alert.kind.as_str() == "page_held").count(), 1);
    assert_eq!(ground.claim_at(9, later(59)).await.len(), 0);
}

pub(crate) async fn different_errors_and_acceptances_are_no_run(ground: Ground) {
    crowd(&ground, 12).await;
    let claims = ground.claim_at(12, NOW).await;
    for (n, claim) in claims[..8].iter().enumerate() {
        ground.record(unknown(claim, if n % 2 == 0 { 2_018_218 } else { 551 })).await;
    }
    assert_eq!(held_for(&ground).await, None);
    // Alone it takes the short road, in company the long one: both end the runs.
    ground.record(ended(&claims[8], accepted("m.1"))).await;
    assert_eq!(ground.number("SELECT count(*) FROM failure_runs").await, Some(0));
    ground.record(unknown(&claims[9], 100)).await;
    let company = vec![unknown(&claims[10], 100), ended(&claims[11], accepted("m.2"))];
    ground.store.record(company, NOW).await.unwrap();
    assert_eq!(ground.number("SELECT count(*) FROM failure_runs").await, Some(0));
    assert_eq!((held_for(&ground).await, in_state(&ground, State::Unavailable).await), (None, 10));
}

pub(crate) async fn three_doubts_hold_the_page_and_stay_doubts(ground: Ground) {
    crowd(&ground, 9).await;
    let claims = ground.claim_at(3, NOW).await;
    fail(&ground, &claims[..2], &doubt(), NOW).await;
    assert_eq!(held_for(&ground).await, None);
    fail(&ground, &claims[2..], &doubt(), NOW).await;
    assert_eq!(held_for(&ground).await.as_deref(), Some("uncertain"));
    assert_eq!((in_state(&ground, State::Uncertain).await, in_state(&ground, State::Pending).await), (3, 6));
}

pub(crate) async fn three_closed_windows_in_one_group_wait_again(ground: Ground) {
    crowd(&ground, 3).await;
    let claims = ground.claim_at(3, NOW).await;
    fail(&ground, &claims, &Outcome::WindowClosed, NOW).await;
    assert_eq!(held_for(&ground).await.as_deref(), Some("window_closed"));
    assert_eq!((in_state(&ground, State::Missed).await, in_state(&ground, State::Pending).await), (0, 3));
}

pub(crate) async fn whoever_said_stop_is_not_brought_back(ground: Ground) {
    crowd(&ground, 5).await;
    let claims = ground.claim_at(5, NOW).await;
    let unavailable = Outcome::PersonUnavailable(Reason::Unavailable);
    fail(&ground, &claims[..4], &unavailable, NOW).await;
    ground.sql(&format!("UPDATE optins SET opted_out_at = 5 WHERE id = {}", claims[0].optin)).await;
    fail(&ground, &claims[4..], &unavailable, NOW).await;
    assert_eq!((in_state(&ground, State::Unavailable).await, in_state(&ground, State::Pending).await), (1, 4));
}

pub(crate) async fn a_held_page_is_probed_by_one(ground: Ground) {
    crowd(&ground, 9).await;
    let before = ground.claim_at(4, NOW).await;
    fail(&ground, &before[..1], &Outcome::PageHold, NOW).await;
    // What was in flight before tells nothing new, whether it succeeds or fails.
    fail(&ground, &before[1..2], &accepted("m.1"), NOW).await;
    fail(&ground, &before[2..3], &Outcome::PageHold, NOW).await;
    ground.store.record(vec![ended(&before[3], accepted("m.2")), ended(&before[2], doubt())], NOW).await.unwrap();
    assert_eq!(held_for(&ground).await.as_deref(), Some("page"));
    // The most urgent one who was not tried goes first, and nobody beside them.
    let probe = ground.probe_at(later(60)).await;
    assert_eq!(probe.iter().map(|claim| claim.login.as_str()).collect::<Vec<_>>(), ["p04"]);
    assert_eq!((ground.claim_at(9, later(60)).await.len(), ground.probe_at(later(60)).await.len()), (0, 0));
    assert!(ground.store.claim(wish(9, later(61))).await.unwrap().stopped);
    fail(&ground, &probe, &accepted("m.3"), later(61)).await;
    assert_eq!(held_for(&ground).await, None);
    assert_eq!(ground.claim_at(9, later(61)).await.len(), 6);
}

pub(crate) async fn a_probe_that_fails_prolongs_the_hold(ground: Ground) {
    crowd(&ground, 9).await;
    let claims = ground.claim_at(1, NOW).await;
    fail(&ground, &claims, &Outcome::PageHold, NOW).await;
    let probe = ground.probe_at(later(60)).await;
    fail(&ground, &probe, &doubt(), later(62)).await;
    let page = ground.store.pages().await.unwrap().remove(0);
    assert_eq!((page.held_since, page.held_until), (Some(NOW), Some(later(62 + 120))));
    // A probe that never left takes nothing from the next.
    let probe = ground.probe_at(later(182)).await.remove(0);
    let back = Signal::Attempt { optin: probe.optin, attempt: probe.attempt, ending: None };
    ground.store.record(vec![back], later(183)).await.unwrap();
    assert_eq!(ground.probe_at(later(183)).await.len(), 1);
    // One that is never heard of leaves its right with its lease.
    let lease = wish(1, NOW).window.lease();
    assert_eq!(ground.probe_at(later(183).plus(lease).minus(Duration::from_millis(1))).await.len(), 0);
    assert_eq!(ground.probe_at(later(183).plus(lease)).await.len(), 1);
}
