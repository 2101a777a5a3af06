//! What holds for any input at all.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};

use super::*;
use crate::domain::hold::PageOrder;

/// The words of the wire, so that made-up bodies reach deep into the readers.
const WORDS: [&str; 40] = [
    "object",
    "page",
    "entry",
    "id",
    "time",
    "messaging",
    "standby",
    "changes",
    "field",
    "value",
    "sender",
    "recipient",
    "timestamp",
    "optin",
    "login_id",
    "ref",
    "notification_messages_status",
    "STOP NOTIFICATIONS",
    "message",
    "mid",
    "text",
    "stop",
    "is_echo",
    "app_id",
    "metadata",
    "quick_reply",
    "payload",
    "reply_to",
    "prior_message",
    "priorMessage",
    "identifier",
    "postback",
    "referral",
    "delivery",
    "mids",
    "read",
    "optout",
    "opt_out",
    "psid",
    "messaging_optouts",
];

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(json!(AT.ms())),
        Just(json!(PAGE)),
        select(&WORDS[..]).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 8, |inner| {
        let fields = proptest::collection::vec((select(&WORDS[..]), inner.clone()), 0..8);
        prop_oneof![
            proptest::collection::vec(inner, 0..5).prop_map(Value::from),
            fields.prop_map(|fields| {
                Value::Object(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>())
            }),
        ]
    })
}

/// Whatever comes out, a database takes it and the counters cover it.
fn holds(parsed: &Parsed) -> Result<(), TestCaseError> {
    let counted: u64 = parsed.kinds.values().sum();
    prop_assert!(counted >= u64::try_from(parsed.signals.len()).unwrap());
    for signal in &parsed.signals {
        match signal {
            Signal::OptIn(new) => {
                prop_assert!(!new.reference.iter().any(|text| text.contains('\0')));
                prop_assert!(new.at.is_none_or(|at| at.since(NOW).as_secs() <= 300));
            }
            Signal::Person { links, .. } => {
                prop_assert!(!links.is_empty());
                prop_assert!(!links.message_ids.iter().any(|mid| mid.contains('\0') || mid.is_empty()));
            }
            Signal::Unparsed { raw, .. } => prop_assert!(!raw.contains('\0')),
            Signal::Page { order: PageOrder::Blocked { reason, .. } | PageOrder::Warned { reason }, .. } => {
                prop_assert!(reason.chars().count() <= 300 && !reason.contains(char::is_control));
            }
            Signal::Page { order: PageOrder::Unblocked { .. }, .. } => {}
            other => prop_assert!(false, "{other:?}"),
        }
    }
    Ok(())
}

fn check(body: &[u8]) -> Result<(), TestCaseError> {
    parse_as(Some("5550001"), body).map_or(Ok(()), |parsed| holds(&parsed))
}

proptest! {
    #[test]
    fn any_bytes(body in proptest::collection::vec(any::<u8>(), 0..400)) {
        check(&body)?;
    }

    #[test]
    fn any_json(body in value()) {
        check(body.to_string().as_bytes())?;
    }

    #[test]
    fn any_events(events in proptest::collection::vec(value(), 0..6), key in select(&["messaging", "standby"][..])) {
        let body = json!({ "object": "page", "entry": [{ "id": PAGE, "time": AT.ms(), key: events }] });
        let parsed = parse_as(None, body.to_string().as_bytes()).unwrap();
        holds(&parsed)?;
        let counted: u64 = parsed.kinds.values().sum();
        prop_assert_eq!(counted, u64::try_from(events.len()).unwrap(), "every event is counted once");
    }

    #[test]
    fn any_change(field in select(&WORDS[..]), event in value()) {
        let changes = [json!({ "field": field, "value": event })];
        check(json!({ "object": "page", "entry": [{ "id": PAGE, "changes": changes }] }).to_string().as_bytes())?;
    }

    #[test]
    fn any_part_of_an_event(part in select(&WORDS[..]), inside in value(), side in value()) {
        let event = json!({ "sender": side, "recipient": { "id": PAGE }, "timestamp": AT.ms(), part: inside });
        check(json!({ "object": "page", "entry": [{ "id": PAGE, "messaging": [event] }] }).to_string().as_bytes())?;
    }

    #[test]
    fn mutated_fixtures(
        name in select(all_fixtures()),
        cuts in proptest::collection::vec((any::<Index>(), 0..6_usize, proptest::collection::vec(any::<u8>(), 0..4)), 1..6),
    ) {
        let mut body = fixture(&name).into_bytes();
        for (at, length, put) in cuts {
            let at = at.index(body.len().max(1)).min(body.len());
            let end = (at + length).min(body.len());
            body.splice(at..end, put);
        }
        check(&body)?;
    }

    #[test]
    fn words_of_fixtures_exchanged(name in select(all_fixtures()), from in select(&WORDS[..]), to in select(&WORDS[..])) {
        check(fixture(&name).replace(from, to).as_bytes())?;
    }
}

#[test]
fn every_fixture_is_read() {
    for name in all_fixtures() {
        let parsed = parse_as(Some("5550001"), fixture(&name).as_bytes()).unwrap();
        assert!(!parsed.kinds.is_empty(), "{name}");
        holds(&parsed).unwrap();
    }
}
