//! What an attempt reports, and what it leads to.

use std::time::Duration;

use crate::ground::{Ground, NOW, accepted, by_message, ended, later, opt_in, page, psid, said, tick, wish};
use firstword::domain::alert::Kind;
use firstword::domain::ids::{OptInId, PageId};
use firstword::domain::optin::{OptIn, Reason, State};
use firstword::domain::outcome::{Ending, Outcome, Then};
use firstword::domain::policy::Policy;
use firstword::domain::signal::{Command, Receipt, Sign, Signal, Tick};
use firstword::domain::window::Window;
use firstword::store::claim::Claim;

fn given_back(claim: &Claim) -> Signal {
    Signal::Attempt { optin: claim.optin, attempt: claim.attempt, ending: None }
}

async fn free_the_page(ground: &Ground) {
    ground.sql("UPDATE pages SET held_since = NULL, held_until = NULL, paused_until = 0").await;
}

pub(crate) async fn every_outcome_leads_where_the_table_says(ground: Ground) {
    let table = [
        (accepted("m.1"), "accepted", State::Sent, None),
        (Outcome::Retry(Then::Again), "retry", State::Retrying, None),
        (Outcome::Retry(Then::Person), "retry", State::Retrying, None),
        (Outcome::Throttled { regain: None }, "throttled", State::Retrying, None),
        (Outcome::Uncertain(Reason::Timeout), "uncertain", State::Uncertain, Some(Reason::Timeout)),
        (
            Outcome::PersonUnavailable(Reason::UnknownId),
            "person_unavailable",
            State::Unavailable,
            Some(Reason::UnknownId),
        ),
        (Outcome::WindowClosed, "window_closed", State::Missed, Some(Reason::WindowClosed)),
        (Outcome::PageHold, "page_hold", State::Pending, None),
        (Outcome::ContentHold, "content_hold", State::Pending, None),
    ];
    for (n, (outcome, word, state, reason)) in table.into_iter().enumerate() {
        let claim = ground.claimed(&format!("p{n}")).await;
        assert_eq!(ground.record(ended(&claim, outcome)).await, Receipt::Applied(claim.optin), "{word}");
        let OptIn { state: now, reason: why, .. } = ground.row(claim.optin).await;
        assert_eq!((now, why), (state, reason), "{word}");
        let attempt = ground.store.attempts_of(claim.optin).await.unwrap().remove(0);
        assert_eq!((attempt.outcome.as_deref(), attempt.ended_at), (Some(word), Some(NOW)));
        free_the_page(&ground).await;
        // Out of the way of the next one.
        ground.sql("UPDATE optins SET state = 'cancelled'").await;
    }
    let alerts = ground.store.open_alerts().await.unwrap();
    let holds = alerts.iter().find(|alert| alert.kind == Kind::PageHeld).unwrap();
    assert_eq!((holds.cause.as_str(), holds.detail.as_str(), holds.times), ("1001", "content", 2));
}

pub(crate) async fn what_the_platform_said_is_kept(ground: Ground) {
    let claim = ground.claimed("anna").await;
    let ending = Ending {
        outcome: Outcome::Uncertain(Reason::ServerError),
        http_status: Some(503),
        code: Some(1),
        subcode: Some(1_357_046),
        fbtrace_id: Some("Atrace".into()),
        detail: Some("An unknown error occurred: ünïcode".into()),
        variant: None,
    };
    ground.record(Signal::Attempt { optin: claim.optin, attempt: claim.attempt, ending: Some(ending) }).await;
    let attempt = ground.store.attempts_of(claim.optin).await.unwrap().remove(0);
    assert_eq!((attempt.http_status, attempt.code, attempt.subcode), (Some(503), Some(1), Some(1_357_046)));
    assert_eq!(attempt.fbtrace_id.as_deref(), Some("Atrace"));
    assert_eq!(attempt.detail.as_deref(), Some("An unknown error occurred: ünïcode"));
    assert_eq!(ground.row(claim.optin).await.maybe_greeted_at, Some(NOW));
}

pub(crate) async fn acceptances_are_recorded_together(ground: Ground) {
    let mut claims = Vec::new();
    for name in ["anna", "ben", "carla", "dora"] {
        claims.push(ground.claimed(name).await);
    }
    let message = |claim: &Claim| format!("m.{}", claim.attempt);
    let arrived = |claim: &Claim| ended(claim, accepted(&message(claim)));
    let applied = |claims: &[Claim]| claims.iter().map(|claim| Receipt::Applied(claim.optin)).collect::<Vec<_>>();
    let all_at_once = claims[..3].iter().rev().map(arrived).collect();
    let mut expected = applied(&claims[..3]);
    expected.reverse();
    assert_eq!(ground.store.record(all_at_once, NOW).await.unwrap(), expected);
    // One that is known already is no obstacle to the one that is not.
    let again = vec![arrived(&claims[0]), arrived(&claims[3])];
    assert_eq!(ground.store.record(again, later(60)).await.unwrap().len(), 2);
    for (nth, claim) in claims.iter().enumerate() {
        let at = if nth == 3 { later(60) } else { NOW };
        let row = ground.row(claim.optin).await;
        assert_eq!((row.state, row.state_since, row.message_id), (State::Sent, at, Some(message(claim))));
        let attempt = ground.store.attempts_of(claim.optin).await.unwrap().remove(0);
        assert_eq!((attempt.outcome.as_deref(), attempt.message_id), (Some("accepted"), Some(message(claim))));
    }
}

pub(crate) async fn a_refusal_at_the_gate_is_no_attempt(ground: Ground) {
    let claim = ground.claimed("anna").await;
    ground.record(given_back(&claim)).await;
    let row = ground.row(claim.optin).await;
    assert_eq!((row.state, row.attempts, row.maybe_greeted_at), (State::Pending, 0, None));
    let again = ground.claim_at(1, NOW).await.remove(0);
    assert!(again.attempt > claim.attempt && again.number == 1);
    let story = ground.store.attempts_of(claim.optin).await.unwrap();
    assert_eq!(story.iter().map(|attempt| attempt.outcome.as_deref()).collect::<Vec<_>>(), [Some("given_back"), None]);
}

pub(crate) async fn a_retry_is_promoted_when_due(ground: Ground) {
    assert_eq!(ground.store.next_due().await.unwrap(), None);
    let claim = ground.claimed("anna").await;
    ground.record(ended(&claim, Outcome::Retry(Then::Again))).await;
    let due = ground.store.next_due().await.unwrap().unwrap();
    assert!(due > NOW && due < later(10), "{due}");
    let before = due.minus(Duration::from_millis(1));
    assert_eq!(ground.store.due(before, 10).await.unwrap(), []);
    ground.apply_at(tick(claim.optin, Tick::Due), before).await;
    assert_eq!(ground.state(claim.optin).await, State::Retrying);
    assert_eq!(ground.store.due(due, 10).await.unwrap(), [claim.optin]);
    ground.apply_at(tick(claim.optin, Tick::Due), due).await;
    let again = ground.claim_at(1, due).await.remove(0);
    assert_eq!((again.optin, again.number), (claim.optin, 2));
}

pub(crate) async fn a_person_who_fails_twice_while_others_succeed(ground: Ground) {
    for (name, others, state) in [("alone", false, State::Retrying), ("among others", true, State::Unavailable)] {
        let first = ground.claimed(name).await;
        ground.record(ended(&first, Outcome::Retry(Then::Person))).await;
        let due = ground.row(first.optin).await.next_attempt_at.unwrap();
        ground.apply_at(tick(first.optin, Tick::Due), due).await;
        let second = ground.claim_at(1, due).await.remove(0);
        if others {
            ground.store.apply(vec![opt_in("another", due)], due).await.unwrap();
            let other = ground.claim_at(1, due).await.remove(0);
            ground.store.record(vec![ended(&other, accepted("m.2"))], due).await.unwrap();
        }
        ground.store.record(vec![ended(&second, Outcome::Retry(Then::Person))], due).await.unwrap();
        assert_eq!(ground.state(first.optin).await, state, "{name}");
    }
}

pub(crate) async fn a_page_that_fails_three_times_is_held(ground: Ground) {
    let mut claim = ground.claimed("anna").await;
    let mut now = NOW;
    for attempt in 1..=3 {
        assert_eq!(claim.number, attempt);
        ground.store.record(vec![ended(&claim, Outcome::Retry(Then::Page))], now).await.unwrap();
        if attempt < 3 {
            now = ground.row(claim.optin).await.next_attempt_at.unwrap();
            ground.apply_at(tick(claim.optin, Tick::Due), now).await;
            claim = ground.claim_at(1, now).await.remove(0);
        }
    }
    assert_eq!(ground.state(claim.optin).await, State::Pending);
    assert_eq!(ground.store.pages().await.unwrap()[0].held_since, Some(now));
    assert_eq!(ground.claim_at(1, now).await.len(), 0);
}

pub(crate) async fn holds_double_and_an_acceptance_lifts_them(ground: Ground) {
    let mut now = NOW;
    ground.somebody("anna").await;
    for minutes in [1_u64, 2, 4, 8, 15, 15] {
        let claim = if now == NOW { ground.claim_at(1, now).await } else { ground.probe_at(now).await }.remove(0);
        ground
            .store
            .record(vec![ended(&claim, Outcome::PageHold), ended(&claim, Outcome::PageHold)], now)
            .await
            .unwrap();
        let page = ground.store.pages().await.unwrap().remove(0);
        assert_eq!((page.held_since, page.held_for.as_deref()), (Some(NOW), Some("page")));
        let until = now.plus(Duration::from_mins(minutes));
        assert_eq!(page.held_until, Some(until));
        now = until;
    }
    let claim = ground.probe_at(now).await.remove(0);
    ground.store.record(vec![ended(&claim, accepted("m.1"))], now).await.unwrap();
    assert_eq!(ground.store.pages().await.unwrap()[0].held_since, None);
    assert_eq!(ground.store.open_alerts().await.unwrap(), []);
    assert_eq!(ground.number("SELECT holds FROM pages").await, Some(0));
    // Throttled: the page waits as long as the platform says, and the longest wins.
    let claim = {
        ground.store.apply(vec![opt_in("bert", now)], now).await.unwrap();
        ground.claim_at(1, now).await.remove(0)
    };
    let wait = |minutes| ended(&claim, Outcome::Throttled { regain: Some(Duration::from_mins(minutes)) });
    ground.store.record(vec![wait(9), wait(5)], now).await.unwrap();
    ground.store.record(vec![wait(2)], now).await.unwrap();
    assert_eq!(ground.store.pages().await.unwrap()[0].paused_until, now.plus(Duration::from_mins(9)));
    assert!(ground.store.claim(wish(1, now)).await.unwrap().claims.is_empty());
}

pub(crate) async fn a_stale_fence_changes_nothing(ground: Ground) {
    let old = ground.claimed("anna").await;
    ground.record(given_back(&old)).await;
    let current = ground.claim_at(1, NOW).await.remove(0);
    let before = ground.row(old.optin).await;
    // An acceptance would be a fact all the same: see `a_late_acceptance_stops_the_next_attempt`.
    for outcome in [
        Outcome::Retry(Then::Again),
        Outcome::Uncertain(Reason::Reset),
        Outcome::PersonUnavailable(Reason::Unavailable),
        Outcome::WindowClosed,
        Outcome::PageHold,
    ] {
        ground.record(ended(&old, outcome)).await;
        assert_eq!(ground.row(old.optin).await, before);
    }
    ground.record(given_back(&old)).await;
    ground.apply_at(tick(old.optin, Tick::Lease(old.attempt)), later(3600)).await;
    assert_eq!(ground.row(old.optin).await, before);
    ground.record(ended(&current, accepted("m.new"))).await;
    assert_eq!(ground.row(old.optin).await.message_id.as_deref(), Some("m.new"));
}

async fn lapsed(ground: &Ground, name: &str) -> Claim {
    let claim = ground.claimed(name).await;
    let over = NOW.plus(Window::default().lease());
    assert_eq!(ground.store.lapsed(over.minus(Duration::from_millis(1)), 10).await.unwrap(), []);
    assert_eq!(ground.store.lapsed(over, 10).await.unwrap(), [(claim.optin, claim.attempt)]);
    ground.store.record(vec![tick(claim.optin, Tick::Lease(claim.attempt))], over).await.unwrap();
    let row = ground.row(claim.optin).await;
    assert_eq!(
        (row.state, row.reason, row.maybe_greeted_at),
        (State::Uncertain, Some(Reason::LeaseExpired), Some(over))
    );
    let attempt = ground.store.attempts_of(claim.optin).await.unwrap().remove(0);
    assert_eq!(attempt.outcome.as_deref(), Some("lease_expired"));
    claim
}

pub(crate) async fn a_late_acceptance_is_believed(ground: Ground) {
    let claim = lapsed(&ground, "anna").await;
    ground.store.record(vec![ended(&claim, accepted("m.1"))], later(60)).await.unwrap();
    let row = ground.row(claim.optin).await;
    assert_eq!((row.state, row.message_id.as_deref()), (State::Sent, Some("m.1")));
    let attempt = ground.store.attempts_of(claim.optin).await.unwrap().remove(0);
    assert_eq!((attempt.outcome.as_deref(), attempt.message_id.as_deref()), (Some("accepted"), Some("m.1")));
}

/// The attempt was given up and another one is out: what the first one says in the end is evidence.
pub(crate) async fn a_late_acceptance_stops_the_next_attempt(ground: Ground) {
    let first = lapsed(&ground, "anna").await;
    let settle = Command::Settle { delivered: false, before: later(60) };
    ground.apply_at(Signal::Command { optin: first.optin, command: settle }, later(60)).await;
    ground.apply_at(tick(first.optin, Tick::Due), later(3600)).await;
    let second = ground.claim_at(1, later(3600)).await.remove(0);
    let mut stops = ground.store.work().stops();
    ground.store.record(vec![ended(&first, accepted("m.1"))], later(3601)).await.unwrap();
    assert_eq!(stops.recv().await.unwrap(), second.attempt);
    ground.store.record(vec![ended(&second, Outcome::Retry(Then::Again))], later(3602)).await.unwrap();
    let row = ground.row(first.optin).await;
    assert_eq!((row.state, row.message_id.as_deref()), (State::Sent, Some("m.1")));
}

/// Also one that its row does not name: of an earlier cycle, or of a first attempt that was heard of last.
pub(crate) async fn every_message_is_found(ground: Ground) {
    ground.store.govern(Policy { greet_again: true, ..Policy::default() }, [page()]).await.unwrap();
    let first = lapsed(&ground, "anna").await;
    let settle = Command::Settle { delivered: false, before: later(60) };
    ground.apply_at(Signal::Command { optin: first.optin, command: settle }, later(60)).await;
    ground.apply_at(tick(first.optin, Tick::Due), later(3600)).await;
    let second = ground.claim_at(1, later(3600)).await.remove(0);
    ground.store.record(vec![ended(&second, accepted("m.2"))], later(3601)).await.unwrap();
    ground.store.record(vec![ended(&first, accepted("m.1"))], later(3602)).await.unwrap();
    assert_eq!(ground.row(first.optin).await.message_id.as_deref(), Some("m.2"));
    ground.apply_at(said(Sign::Reply { stop: false }, by_message("m.2")), later(3603)).await;
    assert_eq!(ground.apply_at(opt_in("anna", later(9000)), later(9000)).await, Receipt::Reopened(first.optin));
    let third = ground.claim_at(1, later(9001)).await.remove(0);
    ground.store.record(vec![ended(&third, accepted("m.3"))], later(9002)).await.unwrap();

    for message in ["m.1", "m.2", "m.3"] {
        let receipt = ground.apply_at(said(Sign::Receipt, by_message(message)), later(9003)).await;
        assert_eq!(receipt, Receipt::Applied(first.optin), "{message}");
    }
    let attempts = ground.store.attempts_of(first.optin).await.unwrap();
    let evident: Vec<_> = attempts.iter().map(|a| (a.message_id.as_deref(), a.evidence.as_deref())).collect();
    assert_eq!(evident, [(Some("m.1"), Some("receipt")), (Some("m.2"), Some("reply")), (Some("m.3"), Some("receipt"))]);
    ground.sql("UPDATE optins SET state = 'expired'").await;
    assert_eq!(ground.store.purge(later(10_000), 9, later(10_000)).await.unwrap(), 1);
    assert_eq!(ground.number("SELECT count(*) FROM other_messages").await, Some(0));
}

pub(crate) async fn a_late_sure_failure_settles_the_doubt(ground: Ground) {
    let claim = lapsed(&ground, "anna").await;
    ground.store.record(vec![ended(&claim, Outcome::Retry(Then::Again))], later(60)).await.unwrap();
    let row = ground.row(claim.optin).await;
    assert_eq!((row.state, row.maybe_greeted_at), (State::Retrying, None));
}

pub(crate) async fn an_answer_may_name_the_psid(ground: Ground) {
    let claim = ground.claimed("anna").await;
    let outcome = Outcome::Accepted { message_id: "m.1".into(), psid: Some(psid("77")) };
    ground.record(ended(&claim, outcome)).await;
    let found = ground.store.optins_of_psid(&psid("77"), None).await.unwrap();
    assert_eq!((found.len(), found[0].id, found[0].sent_at), (1, claim.optin, Some(NOW)));
}

pub(crate) async fn an_operator_settles_what_was_in_doubt_by_then(ground: Ground) {
    let doubt = Outcome::Uncertain(Reason::Timeout);
    let (early, late) = (ground.claimed("early").await, ground.claimed("late").await);
    ground.store.record(vec![ended(&early, doubt.clone())], NOW).await.unwrap();
    ground.store.record(vec![ended(&late, doubt)], later(60)).await.unwrap();
    let sending = ground.claimed("sending").await;
    let found = async |page: Option<&str>, before| {
        let page = page.map(|page| PageId::new(page).unwrap());
        ground.store.in_doubt(page.as_ref(), before, OptInId(0), 9).await.unwrap()
    };
    assert_eq!(found(None, later(60)).await, [early.optin]);
    assert_eq!(found(Some("1001"), later(61)).await, [early.optin, late.optin]);
    assert_eq!(found(Some("2002"), later(61)).await, []);
    let settle = |optin, delivered, before| Signal::Command { optin, command: Command::Settle { delivered, before } };
    for (optin, before) in [(late.optin, later(60)), (sending.optin, later(99))] {
        let receipt = ground.apply_at(settle(optin, false, before), later(100)).await;
        assert_eq!(receipt, Receipt::Refused(optin));
    }
    ground.apply_at(settle(early.optin, false, later(60)), later(100)).await;
    let row = ground.row(early.optin).await;
    assert_eq!((row.state, row.maybe_greeted_at, row.fence), (State::Retrying, None, Some(early.attempt)));
    ground.apply_at(settle(late.optin, true, later(99)), later(100)).await;
    let row = ground.row(late.optin).await;
    assert_eq!((row.state, row.maybe_greeted_at, row.sent_at), (State::Sent, Some(later(60)), Some(later(60))));
    // The attempt itself may yet tell that it arrived after all: nothing is sent then.
    ground.store.record(vec![ended(&early, accepted("m.9"))], later(101)).await.unwrap();
    assert_eq!(ground.state(early.optin).await, State::Sent);
}
