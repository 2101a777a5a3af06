//! What people say, and how it is known whom it is about.

use crate::ground::{
    Ground, NOW, accepted, by_attempt, by_login, by_message, by_psid, created, ended, later, login, opt_in, page, psid,
    said,
};
use crate::site::store_key;
use firstword::domain::optin::{Reason, State};
use firstword::domain::outcome::Outcome;
use firstword::domain::signal::{Links, Receipt, Sign, Signal};

const REPLY: Sign = Sign::Reply { stop: false };
const STOP: Sign = Sign::Reply { stop: true };
const ECHO: Sign = Sign::Echo { elsewhere: false };
const OUT: Sign = Sign::OptOut(Reason::OptOutEvent);

fn with_psid(links: Links, name: &str) -> Links {
    Links { psid: Some(psid(name)), ..links }
}

pub(crate) async fn evidence_by_token(ground: Ground) {
    let claim = ground.claimed("anna").await;
    let token = ground.store.tokens().mint(claim.attempt);
    let attempt = ground.store.tokens().read(&token).unwrap();
    let links = Links { message_ids: vec!["m.echo".into()], ..with_psid(by_attempt(attempt), "77") };
    assert_eq!(ground.apply(said(ECHO, links)).await, Receipt::Applied(claim.optin));
    let row = ground.row(claim.optin).await;
    assert_eq!((row.state, row.psid, row.message_id.as_deref()), (State::Sent, Some(psid("77")), Some("m.echo")));
    let story = ground.store.attempts_of(claim.optin).await.unwrap().remove(0);
    assert_eq!((story.evidence.as_deref(), story.evidence_at, story.outcome), (Some("echo"), Some(NOW), None));
    // The attempt's own word comes after the evidence and does not undo it.
    ground.record(ended(&claim, Outcome::Uncertain(Reason::Timeout))).await;
    assert_eq!(ground.state(claim.optin).await, State::Sent);
}

pub(crate) async fn evidence_by_message(ground: Ground) {
    let claim = ground.greeted("anna", "m.1").await;
    assert_eq!(ground.apply(said(Sign::Receipt, by_message("m.1"))).await, Receipt::Applied(claim.optin));
    assert_eq!(ground.apply(said(Sign::Receipt, by_message("m.2"))).await, Receipt::Unknown);
    assert_eq!(ground.apply(said(REPLY, with_psid(by_message("m.1"), "77"))).await, Receipt::Applied(claim.optin));
    let row = ground.row(claim.optin).await;
    assert_eq!((row.state, row.psid, row.replied_at), (State::Answered, Some(psid("77")), Some(NOW)));
    let story = ground.store.attempts_of(claim.optin).await.unwrap().remove(0);
    assert_eq!(story.evidence.as_deref(), Some("receipt"), "the first evidence stays");
}

pub(crate) async fn evidence_by_login_id(ground: Ground) {
    let claim = ground.claimed("anna").await;
    ground.record(ended(&claim, Outcome::Uncertain(Reason::Timeout))).await;
    assert_eq!(ground.apply(said(REPLY, with_psid(by_login("anna"), "77"))).await, Receipt::Applied(claim.optin));
    assert_eq!(ground.state(claim.optin).await, State::Answered);
    let found = ground.store.optins_of_login(&login("anna"), Some(&page())).await.unwrap();
    assert_eq!((found.len(), found[0].psid.clone()), (1, Some(psid("77"))));
}

pub(crate) async fn evidence_by_psid(ground: Ground) {
    let claim = ground.greeted("anna", "m.1").await;
    assert_eq!(ground.apply(said(REPLY, by_psid("77"))).await, Receipt::Unknown);
    ground.apply(said(Sign::Receipt, with_psid(by_message("m.1"), "77"))).await;
    assert_eq!(ground.apply(said(REPLY, by_psid("77"))).await, Receipt::Applied(claim.optin));
    assert_eq!(ground.state(claim.optin).await, State::Answered);
    // A PSID alone says who, not which message: it settles no doubt.
    let doubt = ground.claimed("bert").await;
    ground.record(ended(&doubt, Outcome::Uncertain(Reason::Timeout))).await;
    ground.sql(&format!("UPDATE optins SET psid = '78' WHERE id = {}", doubt.optin)).await;
    ground.apply(said(ECHO, by_psid("78"))).await;
    assert_eq!(ground.state(doubt.optin).await, State::Uncertain);
}

pub(crate) async fn evidence_of_an_earlier_cycle(ground: Ground) {
    let first = ground.claimed("anna").await;
    ground.record(ended(&first, Outcome::PersonUnavailable(Reason::Unavailable))).await;
    assert_eq!(ground.apply_at(opt_in("anna", later(900)), later(900)).await, Receipt::Reopened(first.optin));
    let early = said(ECHO, with_psid(by_attempt(first.attempt), "77"));
    ground.apply_at(early, later(901)).await;
    let row = ground.row(first.optin).await;
    assert_eq!((row.state, row.psid, row.cycle), (State::Pending, Some(psid("77")), 2));
    // Named together, the present cycle decides, in whatever order they are named.
    let second = ground.claim_at(1, later(902)).await.remove(0);
    ground.sql("UPDATE attempts SET message_id = 'm.' || id").await;
    ground.sql("INSERT INTO other_messages SELECT message_id, optin_id FROM attempts").await;
    for order in [[second.attempt, first.attempt], [first.attempt, second.attempt]] {
        ground.sql(&format!("UPDATE optins SET state = 'sending' WHERE id = {}", second.optin)).await;
        let links = Links { message_ids: order.map(|attempt| format!("m.{attempt}")).to_vec(), ..Links::default() };
        ground.apply_at(said(Sign::Receipt, links), later(903)).await;
        assert_eq!(ground.state(second.optin).await, State::Sent, "{order:?}");
    }
}

pub(crate) async fn a_stop_before_the_opt_in(ground: Ground) {
    let Receipt::Applied(id) = ground.apply(said(OUT, by_login("anna"))).await else { panic!("no row") };
    let row = ground.row(id).await;
    assert_eq!((row.state, row.opted_out_at, row.reason), (State::OptedOut, Some(NOW), Some(Reason::OptOutEvent)));
    assert_eq!(ground.apply(opt_in("anna", NOW)).await, Receipt::Duplicate(id));
    assert_eq!(ground.claim_at(9, NOW).await.len(), 0);
    // Fresh consent after the stop counts.
    assert_eq!(ground.apply_at(opt_in("anna", later(900)), later(900)).await, Receipt::Reopened(id));
    assert_eq!(ground.claim_at(9, later(900)).await.len(), 1);
}

/// Somebody stops, consents anew and stops again, and the consent is told last.
pub(crate) async fn consent_from_between_two_stops_opens_nothing(ground: Ground) {
    let stop = |links, at| Signal::Person { page: page(), sign: OUT, links, at };
    let (first, last, between) = (NOW, later(2000), later(900));
    // In whatever order the stops are told.
    for (name, stops) in [("anna", [first, last]), ("bert", [last, first])] {
        for at in stops {
            ground.apply_at(stop(by_login(name), at), last).await;
        }
        let Receipt::Duplicate(id) = ground.apply_at(opt_in(name, between), last).await else { panic!("opened") };
        let row = ground.row(id).await;
        assert_eq!((row.state, row.opted_out_at), (State::OptedOut, Some(last)), "{name}");
    }
    // Nor once the rows are purged.
    assert_eq!(ground.store.purge(later(5000), 10, later(5000)).await.unwrap(), 2);
    ground.apply_at(stop(by_login("anna"), first), later(5001)).await;
    assert_eq!(ground.store.purge(later(6000), 10, later(6000)).await.unwrap(), 1);
    let id = created(ground.apply_at(opt_in("anna", between), later(6001)).await);
    assert_eq!(ground.state(id).await, State::OptedOut);
    // Nor where the stops were said under a PSID that nobody could name.
    for at in [last, first] {
        ground.apply_at(stop(by_psid("77"), at), last).await;
    }
    let claim = ground.greeted("carla", "m.1").await;
    ground.apply_at(said(Sign::Receipt, with_psid(by_message("m.1"), "77")), last).await;
    assert_eq!(ground.row(claim.optin).await.opted_out_at, Some(last));
    assert!(ground.claim_at(9, later(6001)).await.is_empty());
}

pub(crate) async fn a_stop_by_psid_waits_for_its_person(ground: Ground) {
    let claim = ground.greeted("anna", "m.1").await;
    assert_eq!(ground.apply(said(STOP, by_psid("77"))).await, Receipt::Unknown);
    assert_eq!(ground.state(claim.optin).await, State::Sent);
    ground.apply_at(said(Sign::Receipt, with_psid(by_message("m.1"), "77")), later(5)).await;
    let row = ground.row(claim.optin).await;
    assert_eq!((row.state, row.opted_out_at), (State::OptedOut, Some(NOW)));
}

pub(crate) async fn a_stop_by_psid_in_the_same_group(ground: Ground) {
    let claim = ground.greeted("anna", "m.1").await;
    let signals = vec![said(STOP, by_psid("77")), said(Sign::Receipt, with_psid(by_message("m.1"), "77"))];
    ground.store.apply(signals, NOW).await.unwrap();
    assert_eq!(ground.state(claim.optin).await, State::OptedOut);
}

pub(crate) async fn a_stop_by_psid_meets_an_answer_that_names_it(ground: Ground) {
    ground.apply(said(STOP, by_psid("77"))).await;
    let claim = ground.claimed("anna").await;
    let outcome = Outcome::Accepted { message_id: "m.1".into(), psid: Some(psid("77")) };
    ground.record(ended(&claim, outcome)).await;
    assert_eq!(ground.state(claim.optin).await, State::OptedOut);
}

pub(crate) async fn a_second_psid_is_alerted(ground: Ground) {
    let claim = ground.greeted("anna", "m.1").await;
    for name in ["77", "78", "78"] {
        ground.apply(said(REPLY, with_psid(by_message("m.1"), name))).await;
    }
    assert_eq!(ground.row(claim.optin).await.psid, Some(psid("77")));
    let alert = ground.store.open_alerts().await.unwrap().remove(0);
    assert_eq!((alert.kind.as_str(), alert.cause.as_str(), alert.times), ("second_psid", "1001", 2));
    assert!(alert.detail.contains(&format!("opt-in {} ", claim.optin)), "{}", alert.detail);
}

pub(crate) async fn a_stranger_who_replies_is_never_written_to(ground: Ground) {
    let links = Links { message_ids: vec!["m.9".into()], ..with_psid(by_login("anna"), "77") };
    let Receipt::Applied(id) = ground.apply(said(REPLY, links)).await else { panic!("no row") };
    let row = ground.row(id).await;
    assert_eq!((row.state, row.psid, row.replied_at), (State::Answered, Some(psid("77")), Some(NOW)));
    assert_eq!(ground.apply_at(opt_in("anna", later(900)), later(900)).await, Receipt::Duplicate(id));
    assert_eq!(ground.apply(said(ECHO, by_login("bert"))).await, Receipt::Unknown);
    assert_eq!(ground.claim_at(9, later(900)).await.len(), 0);
}

pub(crate) async fn another_app_wrote_first(ground: Ground) {
    let id = ground.somebody("anna").await;
    ground.apply(said(Sign::Echo { elsewhere: true }, with_psid(by_login("anna"), "77"))).await;
    let row = ground.row(id).await;
    assert_eq!((row.state, row.reason, row.greeted_elsewhere), (State::Sent, Some(Reason::StartedElsewhere), true));
    assert_eq!(ground.claim_at(9, NOW).await.len(), 0);
}

pub(crate) async fn an_echo_of_our_own_message_is_ours_whatever_app_it_names(ground: Ground) {
    let claim = ground.greeted("anna", "m.1").await;
    ground.apply(said(Sign::Echo { elsewhere: true }, with_psid(by_message("m.1"), "77"))).await;
    let row = ground.row(claim.optin).await;
    assert_eq!((row.state, row.greeted_elsewhere, row.psid), (State::Sent, false, Some(psid("77"))));
    let story = ground.store.attempts_of(claim.optin).await.unwrap().remove(0);
    assert_eq!(story.evidence.as_deref(), Some("echo"));
}

pub(crate) async fn erased_people_store_nothing(ground: Ground) {
    let name = store_key(&ground).await.tombstone(&page(), &login("anna"));
    ground.sql(&format!("INSERT INTO tombstones (name, at, erased) VALUES ('{name}', {}, 1)", NOW.ms())).await;
    assert_eq!(ground.apply(opt_in("anna", NOW)).await, Receipt::Erased);
    assert_eq!(ground.apply(said(OUT, by_login("anna"))).await, Receipt::Erased);
    assert_eq!(ground.apply(said(REPLY, with_psid(by_login("anna"), "77"))).await, Receipt::Erased);
    assert_eq!(ground.number("SELECT count(*) FROM optins").await, Some(0));
    created(ground.apply(opt_in("bert", NOW)).await);
}

pub(crate) async fn a_stop_in_flight_names_its_attempt(ground: Ground) {
    let mut stops = ground.store.work().stops();
    let claim = ground.claimed("anna").await;
    ground.apply(said(OUT, by_login("anna"))).await;
    assert_eq!(stops.recv().await.unwrap(), claim.attempt);
    let row = ground.row(claim.optin).await;
    assert_eq!((row.state, row.opted_out_at), (State::Sending, Some(NOW)));
    ground.record(Signal::Attempt { optin: claim.optin, attempt: claim.attempt, ending: None }).await;
    let row = ground.row(claim.optin).await;
    assert_eq!((row.state, row.reason), (State::OptedOut, Some(Reason::OptOutEvent)));
    // Already away: the message counts, the stop stays.
    let away = ground.claimed("bert").await;
    ground.apply(said(OUT, by_login("bert"))).await;
    ground.record(ended(&away, accepted("m.1"))).await;
    let row = ground.row(away.optin).await;
    assert_eq!((row.state, row.opted_out_at), (State::Sent, Some(NOW)));
}
