//! What silence is worth: each condition by itself, and all of them together.

use std::time::Duration;

use firstword::domain::alert::Kind;
use firstword::domain::evidence::{SAMPLE_AGE, against, against_one};
use firstword::domain::optin::State;
use firstword::domain::policy::Policy;
use firstword::domain::signal::{Links, Receipt, Sign, Signal, Tick};
use firstword::domain::time::Timestamp;
use firstword::store::claim::Claim;
use firstword::store::doubt::Doubt;

use crate::doubts::{DOUBT, in_doubt, settle, settled_at};
use crate::ground::{Ground, NOW, accepted, by_attempt, by_message, ended, later, opt_in, page, tick};

const ECHO: Sign = Sign::Echo { elsewhere: false };
const SAMPLE: u32 = 5;

fn rules() -> Policy {
    Policy { evidence_sample: SAMPLE, ..Policy::default() }
}

fn lease_over() -> Timestamp {
    NOW.plus(Policy::default().window.lease())
}

async fn echo(ground: &Ground, links: Links, at: Timestamp) {
    ground.apply_at(Signal::Person { page: page(), sign: ECHO, links, at }, at).await;
}

/// Somebody who opts in and is sent a message, all at once.
async fn talk(ground: &Ground, name: &str, at: Timestamp) -> Claim {
    ground.apply_at(opt_in(name, at), at).await;
    let claim = ground.claim_at(1, at).await.remove(0);
    ground.store.record(vec![ended(&claim, accepted(&format!("m.{name}")))], at).await.unwrap();
    claim
}

/// The same, and the platform tells of it.
async fn echoed(ground: &Ground, name: &str, at: Timestamp) -> Claim {
    let claim = talk(ground, name, at).await;
    echo(ground, by_attempt(claim.attempt), at).await;
    claim
}

/// The intake is up from one time to another.
async fn up(ground: &Ground, from: Timestamp, to: Timestamp) {
    let mut at = from;
    while at < to {
        ground.store.note_intake("a", at).await.unwrap();
        at = at.plus(Duration::from_secs(20));
    }
    ground.store.note_intake("a", to).await.unwrap();
}

/// A page whose messages are all echoed, and somebody in doubt.
async fn measured(ground: &Ground) -> Claim {
    ground.store.govern(rules(), [page()]).await.unwrap();
    for n in 0..SAMPLE {
        echoed(ground, &format!("early{n}"), NOW).await;
    }
    in_doubt(ground, "anna").await
}

/// What else must be: messages after the doubt, and an intake that was up.
async fn afterwards(ground: &Ground) {
    for n in 0..3 {
        echoed(ground, &format!("after{n}"), lease_over().plus(Duration::from_secs(1 + n))).await;
    }
    up(ground, NOW, settled_at()).await;
}

/// What stands against sending again.
async fn told(ground: &Ground, claim: &Claim) -> Vec<String> {
    let doubt = Doubt { optin: claim.optin, attempt: claim.attempt, started_at: NOW, lease_until: lease_over() };
    ground.store.count_echoes(settled_at()).await.unwrap();
    let page_wide = against(&ground.store.echoes(&page()).await.unwrap(), &rules(), settled_at());
    let around = ground.store.around(&page(), &doubt).await.unwrap();
    page_wide.into_iter().chain(against_one(&around)).map(|one| one.to_string()).collect()
}

async fn held_because(ground: &Ground, claim: &Claim, part: &str) {
    assert_eq!(settle(ground, settled_at()).await.0, 0);
    let told = told(ground, claim).await;
    assert!(told.len() == 1 && told[0].contains(part), "{part}: {told:?}");
    assert_eq!(ground.state(claim.optin).await, State::Uncertain);
}

pub(crate) async fn silence_settles_a_doubt_only_where_all_conditions_hold(ground: Ground) {
    // Nothing is kept of the intake before anything was echoed.
    up(&ground, NOW, NOW).await;
    assert_eq!(ground.number("SELECT count(*) FROM intake_times").await, Some(0));
    let anna = measured(&ground).await;
    assert_eq!(settle(&ground, settled_at()).await, (0, 1));
    let why = told(&ground, &anna).await;
    assert!(why.len() == 2 && why[0].contains("0 of 3") && why[1].contains("not known"), "{why:?}");
    afterwards(&ground).await;
    assert_eq!(told(&ground, &anna).await, Vec::<String>::new());
    assert_eq!(settle(&ground, settled_at()).await, (1, 0));
    let row = ground.row(anna.optin).await;
    assert_eq!((row.state, row.resent_at), (State::Pending, Some(settled_at())));
    let open = ground.store.open_alerts().await.unwrap();
    assert!(open.iter().all(|alert| alert.kind != Kind::UncertainHeld), "{open:?}");
    // Once, whatever comes.
    let second = ground.claim_at(1, settled_at()).await.remove(0);
    ground.store.record(vec![ended(&second, DOUBT)], settled_at()).await.unwrap();
    assert_eq!(settle(&ground, settled_at().plus(Duration::from_hours(1))).await, (0, 1));
}

pub(crate) async fn one_missing_echo_is_enough_to_hold(ground: Ground) {
    ground.store.govern(rules(), [page()]).await.unwrap();
    echoed(&ground, "first", NOW).await;
    talk(&ground, "silent", NOW).await;
    for n in 1..SAMPLE {
        echoed(&ground, &format!("early{n}"), NOW).await;
    }
    let anna = in_doubt(&ground, "anna").await;
    afterwards(&ground).await;
    held_because(&ground, &anna, "4 of 5").await;
    let page = ground.store.echoes(&page()).await.unwrap();
    assert_eq!((page.echoed, page.oldest, page.unechoed_at), (4, Some(NOW), Some(NOW)));
    // Those after the doubt fill the sample, once their own echoes have had their time.
    let now = settled_at().plus(Duration::from_mins(1));
    assert_eq!(settle(&ground, now).await, (1, 0));
}

pub(crate) async fn an_echo_too_late_is_no_echo(ground: Ground) {
    let anna = measured(&ground).await;
    let slow = talk(&ground, "slow", NOW).await;
    let over = NOW.plus(rules().settle_after);
    echo(&ground, by_attempt(slow.attempt), over.plus(Duration::from_millis(1))).await;
    afterwards(&ground).await;
    held_because(&ground, &anna, "0 of 5").await;
    // At its bound it counts, and is counted again from where it was.
    ground.sql(&format!("UPDATE echoes SET echoed_at = {} WHERE attempt_id = {}", over.ms(), slow.attempt)).await;
    ground.sql("UPDATE pages SET unechoed = NULL, unechoed_at = NULL; DELETE FROM settings WHERE key = 'echoes_counted_to'").await;
    assert_eq!(settle(&ground, settled_at()).await, (1, 0));
}

pub(crate) async fn the_sample_must_not_reach_back_too_far(ground: Ground) {
    let anna = measured(&ground).await;
    afterwards(&ground).await;
    ground.store.count_echoes(settled_at()).await.unwrap();
    let old = settled_at().minus(SAMPLE_AGE).minus(Duration::from_millis(1));
    ground.sql(&format!("UPDATE echoes SET accepted_at = {} WHERE attempt_id = 1", old.ms())).await;
    held_because(&ground, &anna, "7 days").await;
    ground.sql(&format!("UPDATE echoes SET accepted_at = {} WHERE attempt_id = 1", old.ms() + 1)).await;
    assert_eq!(settle(&ground, settled_at()).await, (1, 0));
}

pub(crate) async fn a_message_by_its_number_alone_is_no_match(ground: Ground) {
    let anna = measured(&ground).await;
    // The answer of an attempt in doubt named no message: what only its number finds would not be found.
    let claim = talk(&ground, "numbered", NOW).await;
    echo(&ground, by_message("m.numbered"), NOW).await;
    let story = ground.store.attempts_of(claim.optin).await.unwrap().remove(0);
    assert_eq!(story.evidence.as_deref(), Some("echo"));
    afterwards(&ground).await;
    held_because(&ground, &anna, "0 of 5").await;
}

pub(crate) async fn the_intake_must_have_been_up_all_the_time(ground: Ground) {
    let anna = measured(&ground).await;
    afterwards(&ground).await;
    // Another node, which stopped being heard of half-way.
    let other = ground.node().await;
    other.note_intake("b", NOW).await.unwrap();
    other.note_intake("b", later(20)).await.unwrap();
    held_because(&ground, &anna, "node b").await;
    ground.sql("DELETE FROM intake_times WHERE node = 'b'").await;
    // A refusal ends one time of intake and begins another; so does a silence.
    ground.store.note_refusal();
    up(&ground, settled_at().plus(Duration::from_secs(20)), settled_at().plus(Duration::from_secs(40))).await;
    assert_eq!(ground.number("SELECT count(*) FROM intake_times").await, Some(2));
    ground.store.note_intake("a", settled_at().plus(Duration::from_mins(2))).await.unwrap();
    assert_eq!(ground.number("SELECT count(*) FROM intake_times").await, Some(3));
    // Something that was not understood may have been the echo.
    ground.apply_at(Signal::Unparsed { page: Some(page()), raw: "{}".into() }, later(60)).await;
    held_because(&ground, &anna, "1 events").await;
    ground.sql("DELETE FROM unparsed").await;
    assert_eq!(settle(&ground, settled_at()).await, (1, 0));
}

pub(crate) async fn a_second_message_is_proved_and_silence_counts_no_more(ground: Ground) {
    let (anna, bert) = (measured(&ground).await, in_doubt(&ground, "bert").await);
    afterwards(&ground).await;
    ground.apply_at(tick(anna.optin, Tick::SendAgain(anna.attempt)), settled_at()).await;
    let second = ground.claim_at(1, settled_at()).await.remove(0);
    ground.store.record(vec![ended(&second, accepted("m.second"))], settled_at()).await.unwrap();
    let proved = async || {
        let open = ground.store.open_alerts().await.unwrap();
        open.into_iter().filter(|alert| alert.kind == Kind::SecondMessage).map(|alert| alert.detail).collect::<Vec<_>>()
    };
    assert_eq!(proved().await, Vec::<String>::new());
    // The first one was delivered after all.
    echo(&ground, by_attempt(anna.attempt), settled_at()).await;
    assert_eq!(proved().await, [format!("optin {}", anna.optin)]);
    assert_eq!(ground.state(anna.optin).await, State::Sent);
    held_because(&ground, &bert, "second message").await;
    // An operator trusts it again: it is measured anew.
    assert!(ground.store.trust_echoes(page(), settled_at()).await.unwrap());
    assert!(!ground.store.trust_echoes(page(), settled_at()).await.unwrap());
    held_because(&ground, &bert, "0 of 5").await;
}

pub(crate) async fn evidence_while_sending_stops_the_next_attempt(ground: Ground) {
    let anna = measured(&ground).await;
    afterwards(&ground).await;
    assert_eq!(settle(&ground, settled_at()).await, (1, 0));
    let mut stops = ground.store.work().stops();
    let second = ground.claim_at(1, settled_at()).await.remove(0);
    // The first one's echo comes while the second is on its way: its gate closes, and no message is proved twice.
    echo(&ground, by_attempt(anna.attempt), settled_at()).await;
    assert_eq!((ground.state(anna.optin).await, stops.recv().await.unwrap()), (State::Sent, second.attempt));
    let given_back = Signal::Attempt { optin: second.optin, attempt: second.attempt, ending: None };
    assert_eq!(ground.record(given_back).await, Receipt::Applied(second.optin));
    assert_eq!(ground.state(anna.optin).await, State::Sent);
    let refuted = "SELECT count(*) FROM pages WHERE refuted_at IS NOT NULL";
    assert_eq!(ground.number(refuted).await, Some(0));
    // Had it left, it would have been the second.
    ground.store.record(vec![ended(&second, accepted("m.second"))], settled_at()).await.unwrap();
    assert_eq!(ground.number(refuted).await, Some(1));
}

pub(crate) async fn old_echoes_are_forgotten(ground: Ground) {
    measured(&ground).await;
    up(&ground, NOW, later(20)).await;
    ground.store.forget_before(NOW, 99).await.unwrap();
    let kept = "SELECT (SELECT count(*) FROM echoes) + (SELECT count(*) FROM intake_times)";
    assert_eq!(ground.number(kept).await, Some(i64::from(SAMPLE) + 1));
    ground.store.forget_before(later(21), 99).await.unwrap();
    assert_eq!(ground.number(kept).await, Some(0));
}
