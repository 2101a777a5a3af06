//! What comes in another order than it happened.

use axum::http::StatusCode;
use firstword::domain::alert::Kind;
use firstword::domain::budget::Budget;
use firstword::domain::ids::{LoginId, PageId};
use firstword::domain::optin::{OptIn, Reason, State};
use firstword::domain::outcome::{Ending, Outcome};
use firstword::domain::reach::Reach;
use firstword::domain::signal::{Receipt, Signal};
use firstword::domain::time::Timestamp;
use firstword::domain::window::Window;
use firstword::store::claim::{Claim, Wish};
use serde_json::{Value, json};

use crate::house::{House, NOW, hook, site};

const PAGE: &str = "3003";
const HOUR: i64 = 3_600_000;

fn body(event: &Value) -> String {
    json!({"object": "page", "entry": [{"id": PAGE, "time": NOW.ms(), "messaging": [event]}]}).to_string()
}

fn opt_in(login: &str, at: i64) -> String {
    body(&json!({"recipient": {"id": PAGE}, "timestamp": at, "optin": {"login_id": login}}))
}

fn reply(psid: &str, login: &str, at: i64) -> String {
    body(
        &json!({"sender": {"id": psid}, "recipient": {"id": PAGE}, "timestamp": at, "message": {"mid": "m_in", "text": "hello"},
                 "prior_message": {"source": "login_connect", "identifier": login}}),
    )
}

async fn posted(house: &House, body: String) {
    assert_eq!(house.ask(hook(body)).await.status, StatusCode::OK);
}

async fn row(house: &House, login: &str) -> OptIn {
    let found = house.store.optins_of_login(&LoginId::new(login).unwrap(), None).await.unwrap();
    assert_eq!(found.len(), 1, "{login}");
    found.into_iter().next().unwrap()
}

/// Everybody who may be sent to now.
async fn claims(house: &House) -> Vec<Claim> {
    let wish = Wish {
        page: PageId::new(PAGE).unwrap(),
        budget: Budget { interval_us: 1, slack_us: 1_000_000 },
        most: 10,
        now: NOW,
        window: Window::default(),
        node: "here".into(),
        credential: "token-1".into(),
        reach: Reach::EVERYBODY,
        probe: None,
    };
    house.store.claim(wish).await.unwrap().claims
}

/// The person was greeted by another app, or our memory of it is gone: they have spoken, so nobody speaks first.
pub(crate) async fn a_reply_before_its_opt_in(house: House) {
    posted(&house, reply("71", "anna", NOW.ms() - 1000)).await;
    posted(&house, opt_in("anna", NOW.ms() - 5000)).await;
    house.ask(site(json!({"page_id": PAGE, "login_id": "anna"}).to_string())).await;
    let row = row(&house, "anna").await;
    assert_eq!((row.state, row.psid.map(String::from)), (State::Answered, Some("71".into())));
    assert_eq!((claims(&house).await.len(), house.rows("optins").await), (0, 1));
}

/// Evidence is quicker than the answer to our own request.
pub(crate) async fn an_echo_before_our_answer(house: House) {
    posted(&house, opt_in("anna", NOW.ms() - 5000)).await;
    let claim = claims(&house).await.remove(0);
    let token = house.store.tokens().mint(claim.attempt);
    let echo = json!({"sender": {"id": PAGE}, "recipient": {"id": "71"}, "timestamp": NOW.ms(),
                      "message": {"is_echo": true, "app_id": 5_550_001, "mid": "m_1", "metadata": token}});
    posted(&house, body(&echo)).await;
    let seen = row(&house, "anna").await;
    assert_eq!((seen.state, seen.message_id.as_deref()), (State::Sent, Some("m_1")));
    // Now our own answer, and the reply that came even before it.
    posted(&house, reply("71", "anna", NOW.ms())).await;
    let outcome = Outcome::Accepted { message_id: "m_1".into(), psid: None };
    let signal = Signal::Attempt { optin: claim.optin, attempt: claim.attempt, ending: Some(Ending::bare(outcome)) };
    assert_eq!(house.store.record(vec![signal], NOW).await.unwrap(), [Receipt::Applied(claim.optin)]);
    let told = row(&house, "anna").await;
    assert_eq!((told.state, told.attempts, told.message_id.as_deref()), (State::Answered, 1, Some("m_1")));
    let attempt = house.store.attempts_of(claim.optin).await.unwrap().remove(0);
    assert_eq!((attempt.outcome.as_deref(), attempt.evidence.as_deref()), (Some("accepted"), Some("echo")));
    assert_eq!(claims(&house).await.len(), 0);
}

/// The platform tries for a day and a half; the window counts from the opt-in, not from its arrival.
pub(crate) async fn opt_ins_that_come_late(house: House) {
    for (login, hours, state, reason) in [
        ("hours-late", 20, State::Pending, None),
        ("minutes-left", 23, State::Pending, None),
        ("too-late", 24, State::Missed, Some(Reason::ArrivedLate)),
        ("much-too-late", 35, State::Missed, Some(Reason::ArrivedLate)),
    ] {
        posted(&house, opt_in(login, NOW.ms() - hours * HOUR)).await;
        let row = row(&house, login).await;
        let at = Timestamp::from_ms(NOW.ms() - hours * HOUR);
        assert_eq!((row.state, row.reason, row.opted_in_at), (state, reason, at), "{login}");
    }
    let order: Vec<String> = claims(&house).await.into_iter().map(|claim| String::from(claim.login)).collect();
    assert_eq!(order, ["minutes-left", "hours-late"], "the most urgent first");
}

/// Whatever is told three times was said once.
pub(crate) async fn the_same_body_three_times(house: House) {
    let stop = json!({"sender": {"id": "72"}, "recipient": {"id": PAGE}, "timestamp": NOW.ms() - 500,
                      "message": {"mid": "m_stop", "text": "Stop"}, "prior_message": {"identifier": "bert"}});
    let events: Vec<Value> = [
        opt_in("anna", NOW.ms() - 5000),
        opt_in("bert", NOW.ms() - 4000),
        reply("71", "anna", NOW.ms() - 1000),
        body(&stop),
    ]
    .iter()
    .map(|body| serde_json::from_str::<Value>(body).unwrap()["entry"][0]["messaging"][0].clone())
    .collect();
    let whole = json!({"object": "page", "entry": [{"id": PAGE, "messaging": events}]}).to_string();
    let mut seen = Vec::new();
    for time in 1..=3 {
        posted(&house, whole.clone()).await;
        house.clock.advance(std::time::Duration::from_mins(time));
        seen.push((row(&house, "anna").await, row(&house, "bert").await));
    }
    assert_eq!((&seen[1], &seen[2]), (&seen[0], &seen[0]));
    let (anna, bert) = &seen[0];
    assert_eq!(
        (anna.state, anna.cycle, bert.state, bert.reason),
        (State::Answered, 1, State::OptedOut, Some(Reason::StopWord))
    );
    assert_eq!(bert.psid.clone().map(String::from), Some("72".into()));
    assert_eq!((house.rows("optins").await, claims(&house).await.len()), (2, 0));
}

pub(crate) async fn a_second_psid_for_one_login_id(house: House) {
    posted(&house, opt_in("anna", NOW.ms() - 5000)).await;
    for psid in ["71", "72", "72"] {
        posted(&house, reply(psid, "anna", NOW.ms())).await;
    }
    assert_eq!(row(&house, "anna").await.psid.map(String::from), Some("71".into()), "the first stays");
    let alerts = house.store.open_alerts().await.unwrap();
    let second: Vec<_> = alerts.iter().filter(|alert| alert.kind == Kind::SecondPsid).collect();
    assert_eq!((second.len(), second[0].times), (1, 2));
    for told in [&second[0].cause, &second[0].detail] {
        assert!(!told.contains("72") && !told.contains("anna"), "{told}");
    }
}

/// How replies are linked is not documented: its first sight is alerted, and so is a reply that links to nothing while
/// messages are out.
pub(crate) async fn ways_of_linking_are_watched(house: House) {
    posted(&house, opt_in("anna", NOW.ms() - 5000)).await;
    let claim = claims(&house).await.remove(0);
    let outcome = Outcome::Accepted { message_id: "m_1".into(), psid: None };
    let signal = Signal::Attempt { optin: claim.optin, attempt: claim.attempt, ending: Some(Ending::bare(outcome)) };
    house.store.record(vec![signal], NOW).await.unwrap();
    let stranger = json!({"sender": {"id": "79"}, "recipient": {"id": PAGE}, "message": {"mid": "m_2", "text": "hi"},
                          "prior_message": {"source": "Some Person", "identifier": {"new": "shape"}}});
    let told = async || {
        let alerts = house.store.open_alerts().await.unwrap();
        alerts.into_iter().map(|alert| (alert.kind, alert.cause, alert.times)).collect::<Vec<_>>()
    };
    for _ in 0..3 {
        posted(&house, body(&stranger)).await;
    }
    let unlinked = (Kind::UnlinkedReplies, PAGE.to_owned(), 1);
    assert_eq!(told().await, [(Kind::ReplySource, "other".to_owned(), 1), unlinked.clone()]);
    assert_eq!((house.events("unlinked_reply"), house.counted("reply_sources", "source=\"other\"")), (3, 3));
    posted(&house, reply("71", "anna", NOW.ms())).await;
    house.clock.advance(std::time::Duration::from_hours(1));
    posted(&house, body(&stranger)).await;
    let known = (Kind::ReplySource, "login_connect".to_owned(), 1);
    assert_eq!(
        told().await,
        [(Kind::ReplySource, "other".to_owned(), 1), unlinked, known],
        "linking works: no more of it"
    );
}
