use super::*;
use crate::domain::finding::{Finding, Kind, Severity};
use crate::domain::ids::PageId;

const DAY: Duration = Duration::from_hours(24);

fn now() -> Timestamp {
    Timestamp::parse("2026-12-01T12:00:00Z").unwrap()
}

fn expected() -> Expected {
    Expected { app_id: Some("77".into()), api_version: "v26.0".into(), safety_margin: Duration::from_mins(5) }
}

fn token() -> Token {
    Token {
        is_valid: Some(true),
        app_id: Some("77".into()),
        scopes: Some(vec!["pages_messaging".into()]),
        ..Token::default()
    }
}

fn subscriber(app_id: &str, fields: &[&str]) -> Subscriber {
    Subscriber { app_id: app_id.into(), fields: fields.iter().map(|field| (*field).to_owned()).collect() }
}

fn look() -> Look {
    Look {
        owner: Asked::Said("1001".into()),
        token: Asked::Said(token()),
        subscribers: Asked::Said(vec![subscriber("5", &["feed"]), subscriber("77", &NEEDED_FIELDS)]),
        clocks: Some(Clocks { platform: now(), ours: now(), doubt: Duration::from_secs(1) }),
        served: Some("v26.0".into()),
    }
}

fn all(look: &Look) -> Vec<Finding> {
    judge(&PageId::new("1001").unwrap(), look, &expected(), now())
}

fn one(look: &Look, kind: Kind) -> Finding {
    let found: Vec<_> = all(look).into_iter().filter(|finding| finding.kind == kind).collect();
    assert_eq!(found.len(), 1, "{kind}: {found:?}");
    found.into_iter().next().unwrap()
}

#[track_caller]
fn says(look: &Look, kind: Kind, severity: Severity, words: &str) {
    let finding = one(look, kind);
    assert!(finding.severity == severity && finding.what.contains(words), "{finding:?}");
    assert_eq!(finding.remedy.is_empty(), severity == Severity::Ok, "{finding:?}");
}

#[test]
fn all_is_well() {
    let findings = all(&look());
    assert!(findings.iter().all(|finding| finding.severity == Severity::Ok && finding.page.is_some()), "{findings:?}");
    let kinds: Vec<_> = findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [Kind::Token, Kind::Permission, Kind::Subscription, Kind::GraphVersion, Kind::ClockSkew]);
}

#[test]
fn tokens_end() {
    let ending = |expires: Option<Duration>, access: Option<Duration>| Look {
        token: Asked::Said(Token {
            expires_at: expires.map(|left| now().plus(left)),
            data_access_expires_at: access.map(|left| now().plus(left)),
            ..token()
        }),
        ..look()
    };
    says(&ending(Some(DAY * 60), None), Kind::Token, Severity::Ok, "in 60 days");
    says(&ending(Some(DAY * 13), None), Kind::Token, Severity::Warning, "the token ends 2026-12-14, in 13 days");
    says(&ending(Some(DAY * 2), Some(DAY * 80)), Kind::Token, Severity::Problem, "in 2 days");
    says(&ending(None, Some(DAY * 5)), Kind::Token, Severity::Warning, "access to the page's data ends");
    says(&ending(Some(DAY * 60), Some(DAY)), Kind::Token, Severity::Problem, "access");
    says(&ending(Some(Duration::ZERO), None), Kind::Token, Severity::Problem, "that was 2026-12-01");
}

#[test]
fn tokens_that_are_not_the_pages_own() {
    let refused = |code, subcode, message: &str| Look {
        owner: Asked::Refused(Refusal { code: Some(code), subcode, message: message.into() }),
        ..look()
    };
    let changed = refused(190, Some(460), "Error validating access token");
    says(&changed, Kind::Token, Severity::Problem, "(code 190/460)");
    assert!(one(&changed, Kind::Token).remedy.contains("password"));
    assert!(!all(&changed).iter().any(|finding| finding.kind == Kind::Subscription), "nothing more is known");
    says(&refused(4, None, "limit reached"), Kind::Token, Severity::Warning, "limit reached");
    says(&Look { owner: Asked::Said("9".into()), ..look() }, Kind::Token, Severity::Problem, "belongs to 9");
    let other = Look { token: Asked::Said(Token { app_id: Some("78".into()), ..token() }), ..look() };
    says(&other, Kind::Token, Severity::Problem, "made by the app 78");
    let dead = Look { token: Asked::Said(Token { is_valid: Some(false), ..token() }), ..look() };
    says(&dead, Kind::Token, Severity::Problem, "not valid");
    let hidden = Look { token: Asked::Nothing("HTTP 500".into()), ..look() };
    says(&hidden, Kind::Token, Severity::Warning, "when it ends is not known: HTTP 500");
    let gone = Look { owner: Asked::Nothing("connection refused".into()), clocks: None, ..look() };
    assert_eq!(all(&gone).len(), 1);
    says(&gone, Kind::Platform, Severity::Problem, "connection refused");
}

#[test]
fn permissions_and_subscriptions() {
    let bare = Look { token: Asked::Said(Token { scopes: Some(Vec::new()), ..token() }), ..look() };
    says(&bare, Kind::Permission, Severity::Problem, "must be a valid ID string");
    let silent = Look { token: Asked::Said(Token { scopes: None, ..token() }), ..look() };
    assert!(!all(&silent).iter().any(|finding| finding.kind == Kind::Permission));

    let of = |subscribers| Look { subscribers: Asked::Said(subscribers), ..look() };
    says(&of(vec![]), Kind::Subscription, Severity::Problem, "the app 77 is not among");
    says(&of(vec![subscriber("5", &NEEDED_FIELDS)]), Kind::Subscription, Severity::Problem, "the app 77 is not among");
    let half = of(vec![subscriber("77", &["messages"])]);
    says(&half, Kind::Subscription, Severity::Problem, "without messaging_optins, messaging_postbacks");
    says(&look(), Kind::Subscription, Severity::Ok, "message_echoes, message_deliveries");
    let refusal = Refusal { code: Some(200), subcode: None, message: "needs pages_manage_metadata".into() };
    let hidden = Look { subscribers: Asked::Refused(refusal), ..look() };
    says(&hidden, Kind::Subscription, Severity::Warning, "needs pages_manage_metadata (code 200)");

    // Without app_id the token tells whose webhooks these should be.
    let nameless = Expected { app_id: None, ..expected() };
    let found = judge(&PageId::new("1001").unwrap(), &of(vec![subscriber("5", &NEEDED_FIELDS)]), &nameless, now());
    assert!(found.iter().any(|finding| finding.kind == Kind::Subscription && finding.severity == Severity::Problem));
}

#[test]
fn versions() {
    let served = Look { served: Some("v22.0".into()), ..look() };
    says(&served, Kind::GraphVersion, Severity::Problem, "v26.0 was asked for and v22.0 answered");
    let asked = |version: &str| {
        let look = Look { served: None, ..look() };
        let expected = Expected { api_version: version.into(), ..expected() };
        let all = judge(&PageId::new("1001").unwrap(), &look, &expected, now());
        all.into_iter().find(|finding| finding.kind == Kind::GraphVersion).map(|finding| finding.severity)
    };
    assert_eq!(asked("v25.0"), Some(Severity::Ok));
    assert_eq!(asked("v21.0"), Some(Severity::Warning), "it ends 2027-01-21");
    assert_eq!(asked("v20.0"), Some(Severity::Problem));
}

#[test]
fn clocks() {
    let off = |ahead: i64, doubt: u64| Look {
        clocks: Some(Clocks {
            platform: Timestamp::from_ms(now().ms() + ahead * 1000),
            ours: now(),
            doubt: Duration::from_secs(doubt),
        }),
        ..look()
    };
    says(&off(29, 1), Kind::ClockSkew, Severity::Ok, "within 30s");
    says(&off(31, 1), Kind::ClockSkew, Severity::Warning, "31s ahead of ours");
    says(&off(-31, 1), Kind::ClockSkew, Severity::Warning, "31s behind ours");
    says(&off(40, 15), Kind::ClockSkew, Severity::Ok, "within 55s");
    says(&off(-121, 1), Kind::ClockSkew, Severity::Problem, "2m 1s behind ours; the safety margin is 5m");
    let narrow = Expected { safety_margin: Duration::from_secs(40), ..expected() };
    let found = judge(&PageId::new("1001").unwrap(), &off(22, 1), &narrow, now());
    assert!(found.iter().any(|finding| finding.kind == Kind::ClockSkew && finding.severity == Severity::Problem));
}
