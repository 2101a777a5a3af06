//! What holds a page and who ends it: owners, probes, credentials; and how long the platform is left alone.

use std::time::Duration;

use crate::ground::{Ground, NOW, PLENTY, accepted, ended, later, opt_in, page, wish};
use firstword::domain::allowance::Used;
use firstword::domain::budget::Budget;
use firstword::domain::hold::{Owner, PageOrder};
use firstword::domain::ids::PageId;
use firstword::domain::optin::{Reason, State};
use firstword::domain::outcome::{Ending, Outcome, Then};
use firstword::domain::policy::Policy;
use firstword::domain::signal::{Receipt, Signal};
use firstword::domain::time::Timestamp;
use firstword::store::claim::{Claim, Wish};

async fn crowd(ground: &Ground, people: usize) {
    let signals = (0..people).map(|n| opt_in(&format!("p{n:02}"), NOW.plus(Duration::from_millis(n as u64)))).collect();
    ground.store.apply(signals, NOW).await.unwrap();
}

async fn order(ground: &Ground, order: PageOrder, now: Timestamp) {
    let receipt = ground.apply_at(Signal::Page { page: page(), order }, now).await;
    assert_eq!(receipt, Receipt::Kept);
}

fn hold(owner: Owner, until: Option<Timestamp>) -> PageOrder {
    PageOrder::Hold { owner, reason: format!("for {owner}"), until }
}

fn coded(claim: &Claim, outcome: Outcome, code: i64, subcode: Option<i64>) -> Signal {
    let ending = Ending { code: Some(code), subcode, ..Ending::bare(outcome) };
    Signal::Attempt { optin: claim.optin, attempt: claim.attempt, ending: Some(ending) }
}

async fn held_for(ground: &Ground) -> Option<String> {
    ground.store.pages().await.unwrap().remove(0).held_for
}

async fn alerts(ground: &Ground) -> Vec<String> {
    let open = ground.store.open_alerts().await.unwrap();
    open.into_iter().map(|alert| format!("{} {} {}", alert.kind, alert.cause, alert.detail)).collect()
}

async fn pending(ground: &Ground) -> u64 {
    let counts = ground.store.counts().await.unwrap();
    counts.iter().filter(|count| count.state == State::Pending).map(|count| count.count).sum()
}

pub(crate) async fn a_hold_is_lifted_by_its_owner_alone(ground: Ground) {
    crowd(&ground, 9).await;
    let flying = ground.claim_at(2, NOW).await;
    order(&ground, hold(Owner::Operator, None), NOW).await;
    order(&ground, hold(Owner::Policy, None), NOW).await;
    assert_eq!(alerts(&ground).await, ["page_held 1001 policy: for policy"]);
    // Neither an acceptance nor the end of the breaker's hold beside it lifts it.
    ground.record(ended(&flying[0], Outcome::PageHold)).await;
    ground.record(ended(&flying[1], accepted("m.1"))).await;
    assert_eq!((ground.claim_at(9, later(600)).await.len(), ground.probe_at(later(600)).await.len()), (0, 0));
    order(&ground, PageOrder::Release { owner: Owner::Operator }, later(600)).await;
    assert_eq!(ground.probe_at(later(600)).await.len(), 0, "the platform's hold stands");
    order(&ground, PageOrder::Release { owner: Owner::Policy }, later(600)).await;
    assert_eq!(alerts(&ground).await, ["page_held 1001 page"]);
    assert_eq!(ground.claim_at(9, later(600)).await.len(), 0, "the breaker's hold stands");
    let probe = ground.probe_at(later(600)).await;
    ground.store.record(vec![ended(&probe[0], accepted("m.2"))], later(600)).await.unwrap();
    assert_eq!((alerts(&ground).await, ground.claim_at(9, later(600)).await.len()), (vec![], 7));
}

pub(crate) async fn a_hold_may_have_an_end(ground: Ground) {
    crowd(&ground, 2).await;
    order(&ground, hold(Owner::Operator, Some(later(60))), NOW).await;
    order(&ground, hold(Owner::Operator, Some(later(90))), NOW).await;
    let found = ground.store.holds().await.unwrap();
    assert_eq!((found.len(), found[0].owner, found[0].until), (1, Owner::Operator, Some(later(90))));
    assert_eq!((ground.claim_at(1, later(89)).await.len(), ground.store.end_holds(later(89)).await.unwrap()), (0, 0));
    assert_eq!(ground.claim_at(1, later(90)).await.len(), 1);
    assert_eq!(ground.store.end_holds(later(90)).await.unwrap(), 1);
    assert_eq!((ground.store.holds().await.unwrap(), alerts(&ground).await), (vec![], vec![]));
}

pub(crate) async fn what_is_under_way_is_stopped_by_a_hold(ground: Ground) {
    crowd(&ground, 4).await;
    let mut stops = ground.store.work().stops();
    let flying = ground.claim_at(3, NOW).await;
    ground.record(ended(&flying[0], Outcome::PageHold)).await;
    let heard = [stops.recv().await.unwrap(), stops.recv().await.unwrap()];
    assert_eq!(heard, [flying[1].attempt, flying[2].attempt]);
    order(&ground, hold(Owner::Policy, None), NOW).await;
    assert_eq!(stops.recv().await.unwrap(), flying[1].attempt);
}

pub(crate) async fn a_resume_ends_what_is_the_operators(ground: Ground) {
    crowd(&ground, 3).await;
    let claim = ground.claim_at(1, NOW).await.remove(0);
    ground.record(coded(&claim, Outcome::PageHold, 190, Some(460))).await;
    assert_eq!(held_for(&ground).await.as_deref(), Some("page 190/460"));
    order(&ground, hold(Owner::Operator, None), NOW).await;
    order(&ground, hold(Owner::Policy, None), NOW).await;
    order(&ground, PageOrder::Warned { reason: "spam".into() }, NOW).await;
    order(&ground, PageOrder::Resume, later(1)).await;
    let row = ground.store.pages().await.unwrap().remove(0);
    assert_eq!((row.held_since, row.resume_seq, row.is_held(later(1))), (None, 1, true));
    assert_eq!(alerts(&ground).await, ["page_held 1001 policy: for policy", "policy_enforcement 1001 spam"]);
    assert_eq!(ground.claim_at(9, later(1)).await.len(), 0);
    order(&ground, PageOrder::Release { owner: Owner::Policy }, later(2)).await;
    assert_eq!(ground.claim_at(9, later(2)).await.len(), 3);
}

pub(crate) async fn a_page_may_be_held_before_it_is_configured(ground: Ground) {
    let other = PageId::new("2002").unwrap();
    let held = Signal::Page { page: other.clone(), order: hold(Owner::Operator, None) };
    ground.apply(held).await;
    ground.store.govern(Policy::default(), [page(), other.clone()]).await.unwrap();
    assert!(ground.store.claim(Wish { page: other, ..wish(1, NOW) }).await.unwrap().stopped);
}

pub(crate) async fn the_platforms_latest_word_counts(ground: Ground) {
    crowd(&ground, 3).await;
    let blocked = |at| PageOrder::Blocked { reason: "spam".into(), at };
    order(&ground, blocked(later(10)), later(11)).await;
    assert_eq!(ground.claim_at(1, later(11)).await.len(), 0);
    order(&ground, PageOrder::Unblocked { at: later(9) }, later(12)).await;
    assert_eq!(ground.claim_at(1, later(12)).await.len(), 0, "an older word came late");
    order(&ground, hold(Owner::Operator, None), later(13)).await;
    order(&ground, PageOrder::Unblocked { at: later(14) }, later(14)).await;
    let found = ground.store.holds().await.unwrap();
    assert_eq!(found.iter().map(|hold| hold.owner).collect::<Vec<_>>(), [Owner::Operator]);
    order(&ground, PageOrder::Release { owner: Owner::Operator }, later(15)).await;
    order(&ground, blocked(later(10)), later(16)).await;
    assert_eq!(ground.claim_at(1, later(16)).await.len(), 1, "the platform repeats itself");
}

async fn with(ground: &Ground, credential: &str, most: usize, now: Timestamp) -> Vec<Claim> {
    ground.store.claim(Wish { credential: credential.into(), ..wish(most, now) }).await.unwrap().claims
}

async fn introduce(ground: &Ground, credential: &str, node: &str, now: Timestamp) {
    ground.store.introduce(vec![(page(), credential.into())], node.into(), now).await.unwrap();
}

pub(crate) async fn a_failure_under_an_old_token_holds_nothing(ground: Ground) {
    crowd(&ground, 30).await;
    introduce(&ground, "old", "a", NOW).await;
    introduce(&ground, "new", "b", later(1)).await;
    introduce(&ground, "old", "a", later(2)).await;
    let claim = with(&ground, "old", 1, later(3)).await.remove(0);
    ground.store.record(vec![coded(&claim, Outcome::PageHold, 190, None)], later(3)).await.unwrap();
    assert_eq!((held_for(&ground).await, ground.state(claim.optin).await), (None, State::Pending));
    assert_eq!(ground.store.refused(&page(), "old").await.unwrap(), Some((later(3), "page 190".into())));
    assert_eq!(ground.store.refused(&page(), "new").await.unwrap(), None);
    assert_eq!(
        alerts(&ground).await,
        ["node_outdated 1001: here an old token or message for page 1001 was refused: page 190"]
    );
    // That node claims nothing more, the other goes on; a failure of the newest is the page's.
    assert_eq!((with(&ground, "old", 9, later(4)).await.len(), with(&ground, "new", 2, later(4)).await.len()), (0, 2));
}

pub(crate) async fn a_wrong_old_token_burns_nobody(ground: Ground) {
    crowd(&ground, 30).await;
    introduce(&ground, "old", "a", NOW).await;
    introduce(&ground, "new", "b", later(1)).await;
    let claim = with(&ground, "old", 1, later(3)).await.remove(0);
    ground.store.record(vec![coded(&claim, Outcome::PageHold, 190, None)], later(3)).await.unwrap();
    // An operator who resumes wants it tried again; and whoever takes over the new token is no longer alone.
    order(&ground, PageOrder::Resume, later(5)).await;
    assert_eq!(alerts(&ground).await, [""; 0]);
    let six = with(&ground, "old", 6, later(6)).await;
    assert_eq!(six.len(), 6);
    // A wrong token may also look like people nobody knows: they wait again, and the page goes on.
    for claim in &six[..5] {
        let unknown = coded(claim, Outcome::PersonUnavailable(Reason::UnknownId), 100, Some(2_018_001));
        ground.store.record(vec![unknown], later(6)).await.unwrap();
    }
    assert_eq!((held_for(&ground).await, pending(&ground).await), (None, 30 - 1));
    assert!(ground.store.refused(&page(), "old").await.unwrap().is_some());
    introduce(&ground, "new", "here", later(7)).await;
    assert_eq!(alerts(&ground).await, [""; 0]);
    let newest = with(&ground, "new", 1, later(8)).await.remove(0);
    ground.store.record(vec![coded(&newest, Outcome::PageHold, 190, None)], later(8)).await.unwrap();
    assert_eq!(held_for(&ground).await.as_deref(), Some("page 190"));
}

pub(crate) async fn a_new_token_is_tried_at_once(ground: Ground) {
    crowd(&ground, 3).await;
    introduce(&ground, "token-1", "a", NOW).await;
    let claim = ground.claim_at(1, NOW).await.remove(0);
    ground.record(ended(&claim, Outcome::PageHold)).await;
    introduce(&ground, "token-1", "a", later(5)).await;
    assert_eq!(ground.probe_at(later(5)).await.len(), 0);
    introduce(&ground, "token-2", "b", later(5)).await;
    // The old token's probe tells nothing, and costs no time.
    let probe = ground.probe_at(later(6)).await.remove(0);
    ground.store.record(vec![ended(&probe, Outcome::PageHold)], later(6)).await.unwrap();
    let held = ground.store.held(&page(), later(6)).await.unwrap().unwrap();
    assert_eq!((held.probe_at, held.holds), (later(6), 1));
    assert_eq!(ground.probe_at(later(6)).await.len(), 0, "who was refused does not probe");
}

pub(crate) async fn a_question_that_fails_puts_the_probe_off(ground: Ground) {
    crowd(&ground, 3).await;
    introduce(&ground, "old", "a-7", NOW).await;
    introduce(&ground, "new", "b-8", later(1)).await;
    let claim = with(&ground, "new", 1, later(1)).await.remove(0);
    ground.store.record(vec![ended(&claim, Outcome::PageHold)], later(1)).await.unwrap();
    let held = ground.store.held(&page(), later(61)).await.unwrap().unwrap();
    assert_eq!((held.probe_at, held.holds), (later(61), 1));
    let put_off = |credential: &str, generation, refused| {
        let (credential, node) = (credential.to_owned(), "a-7".to_owned());
        PageOrder::PutOff { generation, holds: held.holds, credential, node, refused }
    };
    // A token that others have left behind says nothing of the page.
    order(&ground, put_off("old", held.generation, true), later(61)).await;
    assert_eq!(ground.store.held(&page(), later(61)).await.unwrap(), Some(held));
    assert!(alerts(&ground).await.iter().any(|alert| alert.starts_with("node_outdated 1001: a ")));
    order(&ground, put_off("new", held.generation, true), later(61)).await;
    let next = ground.store.held(&page(), later(61)).await.unwrap().unwrap();
    assert_eq!((next.probe_at, next.holds), (later(61 + 120), 2));
    // Two nodes asked at the same moment: once is enough.
    order(&ground, put_off("new", held.generation, false), later(62)).await;
    assert_eq!(ground.store.held(&page(), later(62)).await.unwrap(), Some(next));
}

pub(crate) async fn three_invalid_requests_in_a_row_are_our_message(ground: Ground) {
    crowd(&ground, 9).await;
    for claim in ground.claim_at(3, NOW).await {
        ground.record(coded(&claim, Outcome::PersonUnavailable(Reason::UnknownId), 100, None)).await;
    }
    assert_eq!(held_for(&ground).await.as_deref(), Some("content: person_unavailable 100"));
    assert_eq!(pending(&ground).await, 9);
}

pub(crate) async fn whoever_was_under_way_when_the_page_was_held_waits_too(ground: Ground) {
    crowd(&ground, 9).await;
    let unavailable = |claim: &Claim| coded(claim, Outcome::PersonUnavailable(Reason::Unavailable), 551, None);
    for claim in ground.claim_at(8, NOW).await {
        ground.record(unavailable(&claim)).await;
    }
    assert_eq!(pending(&ground).await, 9);
    let probe = ground.probe_at(later(60)).await.remove(0);
    ground.store.record(vec![unavailable(&probe)], later(60)).await.unwrap();
    assert_eq!(pending(&ground).await, 9);
}

pub(crate) async fn a_platform_that_is_away_holds_everybody_for_a_moment(ground: Ground) {
    // One who fails again and again is one.
    let mut now = NOW;
    let alone = ground.somebody("alone").await;
    for _ in 0..12 {
        let claim = ground.claim_at(1, now).await.remove(0);
        ground.store.record(vec![ended(&claim, Outcome::Retry(Then::Again))], now).await.unwrap();
        now = ground.row(alone).await.next_attempt_at.unwrap();
        ground.apply_at(crate::ground::tick(alone, firstword::domain::signal::Tick::Due), now).await;
    }
    assert_eq!(held_for(&ground).await, None);
    crowd(&ground, 30).await;
    let claims = ground.claim_at(31, now).await;
    // Nine more make ten.
    for claim in claims.iter().filter(|claim| claim.optin != alone).take(9) {
        assert_eq!(held_for(&ground).await, None);
        ground.store.record(vec![ended(claim, Outcome::Retry(Then::Again))], now).await.unwrap();
    }
    assert_eq!(held_for(&ground).await.as_deref(), Some("retry"));
    let row = ground.store.pages().await.unwrap().remove(0);
    assert_eq!(row.held_until, Some(now.plus(Duration::from_secs(5))));
}

pub(crate) async fn a_probe_comes_before_the_earliest_hard_stop(ground: Ground) {
    crowd(&ground, 3).await;
    let claim = ground.claim_at(1, NOW).await.remove(0);
    let stop = wish(1, NOW).window.hard_stop(NOW);
    let late = stop.minus(Duration::from_secs(40));
    ground.store.record(vec![coded(&claim, Outcome::PageHold, 368, None)], late).await.unwrap();
    let held = ground.store.held(&page(), late).await.unwrap().unwrap();
    assert_eq!(held.probe_at, late.plus(Duration::from_secs(20)));
    assert_eq!(ground.store.pages().await.unwrap()[0].held_until, Some(late.plus(Duration::from_mins(30))));
    let probe = ground.probe_at(held.probe_at).await.remove(0);
    ground.store.record(vec![coded(&probe, Outcome::PageHold, 368, None)], held.probe_at).await.unwrap();
    let next = ground.store.held(&page(), held.probe_at).await.unwrap().unwrap();
    assert_eq!(next.probe_at.since(held.probe_at), Duration::from_secs(15));
    // With nobody left there is nobody to probe with, and nothing to ask for.
    assert_eq!(ground.store.held(&page(), stop.plus(Duration::from_secs(1))).await.unwrap(), None);
}

pub(crate) async fn throttles_in_a_row_pause_longer(ground: Ground) {
    let throttled = |claim: &Claim| coded(claim, Outcome::Throttled { regain: None }, 613, None);
    let (mut now, mut waits) = (NOW, Vec::new());
    for n in 0..6 {
        ground.store.apply(vec![opt_in(&format!("p{n}"), now), opt_in(&format!("q{n}"), now)], now).await.unwrap();
        let claims = ground.claim_at(2, now).await;
        // The second was under way already: it is the same throttle.
        ground.store.record(vec![throttled(&claims[0])], now).await.unwrap();
        ground.store.record(vec![throttled(&claims[1])], now).await.unwrap();
        let until = ground.store.pages().await.unwrap()[0].paused_until;
        waits.push(until.since(now).as_secs() / 60);
        now = until;
    }
    assert_eq!(waits, [1, 2, 4, 8, 15, 15]);
    now = now.plus(Duration::from_secs(1));
    let claim = ground.claim_at(1, now).await;
    if claim.is_empty() {
        ground.store.apply(vec![opt_in("last", now)], now).await.unwrap();
    }
    let claim = claim.into_iter().chain(ground.claim_at(1, now).await).next().unwrap();
    ground.store.record(vec![ended(&claim, accepted("m.1"))], now).await.unwrap();
    ground.store.apply(vec![opt_in("after", now)], now).await.unwrap();
    let claim = ground.claim_at(1, now).await.remove(0);
    ground.store.record(vec![throttled(&claim)], now).await.unwrap();
    assert_eq!(ground.store.pages().await.unwrap()[0].paused_until, now.plus(Duration::from_mins(1)));
}

pub(crate) async fn the_apps_limit_pauses_every_page(ground: Ground) {
    let other = PageId::new("2002").unwrap();
    ground.store.govern(Policy::default(), [page(), other.clone()]).await.unwrap();
    crowd(&ground, 2).await;
    let claims = ground.claim_at(2, NOW).await;
    ground.record(coded(&claims[0], Outcome::Throttled { regain: Some(Duration::from_mins(9)) }, 80_006, None)).await;
    let until = async || ground.store.pages().await.unwrap().iter().map(|row| row.paused_until).collect::<Vec<_>>();
    assert_eq!(until().await, [later(540), Timestamp::default()]);
    ground.record(coded(&claims[1], Outcome::Throttled { regain: None }, 4, None)).await;
    assert_eq!(until().await, [later(540), later(60)]);
}

pub(crate) async fn usage_is_kept_for_every_node(ground: Ground) {
    crowd(&ground, 2).await;
    ground.store.note_usage(&page(), 85, None, NOW).await.unwrap();
    let row = ground.node().await.pages().await.unwrap().remove(0);
    assert_eq!((row.used, row.paused_until), (Used { percent: 85, at: NOW }, Timestamp::default()));
    assert_eq!(ground.claim_at(1, NOW).await.len(), 1);
    ground.store.note_usage(&page(), 101, Some(Duration::from_mins(19)), NOW).await.unwrap();
    assert_eq!(ground.store.pages().await.unwrap()[0].paused_until, later(19 * 60));
    assert_eq!(ground.claim_at(1, later(18 * 60)).await.len(), 0);
    // What was claimed at the slower rate is not forgotten by a node that goes by it.
    let slow = Used { percent: 90, at: NOW }.budget(Budget::per_second(1.0), NOW);
    ground.store.govern(Policy::default(), [page()]).await.unwrap();
    ground.store.apply((0..9).map(|n| opt_in(&format!("x{n}"), NOW)).collect(), NOW).await.unwrap();
    let start = later(20 * 60);
    let taken = async |ms| {
        let now = start.plus(Duration::from_millis(ms));
        ground.store.claim(Wish { budget: slow, ..wish(9, now) }).await.unwrap().claims.len()
    };
    assert_eq!([taken(0).await, taken(1999).await, taken(2000).await], [1, 0, 1]);
    assert!(PLENTY.interval_us < slow.interval_us);
}
