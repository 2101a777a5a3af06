//! Bodies, entries, batches, and what is only counted.

use super::*;
use crate::domain::hold::PageOrder;
use serde_json::json;

#[test]
fn a_bad_event_harms_nobody_else() {
    let parsed = read("batch");
    let good = |signal: &&Signal| raw(signal).is_none();
    let logins: Vec<String> = (parsed.signals.iter().filter(good))
        .filter_map(|signal| match signal {
            Signal::OptIn(new) => Some(format!("{}/{}", new.page, new.login.as_str())),
            _ => None,
        })
        .collect();
    let at_page = |id: &str| format!("{PAGE}/{id}");
    let expected =
        [at_page("login-one"), at_page("login-three"), at_page("login-four"), "600700800/login-five".to_owned()];
    assert_eq!(logins, expected);
    assert_eq!(parsed.kinds, kinds(&[("echo", 1), ("message", 1), ("optin", 4), ("unparsed", 12)]));

    let kept: Vec<_> = parsed.signals.iter().filter_map(raw).collect();
    let texts: Vec<_> = kept.iter().map(|(page, json)| (page.is_some(), json.clone())).collect();
    for part in [
        (true, json!("not an event")),
        (true, json!(null)),
        (true, json!(7)),
        (true, json!({ "field": "messaging_optins" })),
        (true, json!({ "value": {} })),
        (true, json!("x")),
        (false, json!("not an entry")),
        (true, json!({ "0": "not a list" })),
        (false, json!({ "timestamp": AT.ms(), "optin": { "login_id": "login-nowhere" } })),
    ] {
        assert!(texts.contains(&part), "{part:?} in {texts:?}");
    }
}

#[test]
fn kinds_of_no_use_are_counted() {
    let parsed = read("counted");
    let expected = [
        ("account_linking", 2),
        ("entry_without_events", 2),
        ("message_edit", 1),
        ("other_change", 1),
        ("reaction", 1),
        ("referral", 1),
        ("unknown", 3),
    ];
    // What they are made of is told, what they hold is not.
    let shapes = [
        "",
        "account_linking,recipient,sender,timestamp",
        "anything under messaging_fblogin_account_linking",
        "game_play,recipient,sender,timestamp",
        "x under message_context",
    ];
    let shapes = shapes.map(str::to_owned).into();
    assert_eq!(parsed, Parsed { signals: vec![], kinds: kinds(&expected), shapes, ..Parsed::default() });
    let enforced = read("policy_enforcement");
    assert_eq!(enforced.kinds, kinds(&[("policy_enforcement", 5)]), "an action nobody described is only counted");
    let at = Timestamp::from_ms(1_780_315_140_000);
    let blocked = PageOrder::Blocked { reason: "The page broke a rule.".into(), at };
    let warned = PageOrder::Warned { reason: "The page is watched.".into() };
    let orders = [blocked, PageOrder::Unblocked { at }, warned];
    let page = PageId::new("200300400500").unwrap();
    assert_eq!(enforced.signals, orders.map(|order| Signal::Page { page: page.clone(), order }));
    assert_eq!(read("handover").kinds, kinds(&[("handover", 4)]));
    assert_eq!(
        read("object_instagram"),
        Parsed { signals: vec![], kinds: kinds(&[("other_object", 1)]), ..Parsed::default() }
    );
}

#[test]
fn only_a_json_object_is_a_body() {
    let fault = |body: &[u8]| parse_as(None, body).unwrap_err();
    for body in [&b""[..], b"{", b"\xff", b"{}x", b"{\"a\":\"\xff\"}", b"\xef\xbb\xbf{}", b"{\"a\":01}"] {
        assert_eq!(fault(body), NotUnderstood::NotJson, "{body:?}");
    }
    for body in ["null", "[]", "\"page\"", "1", " [{\"object\":\"page\"}] "] {
        assert_eq!(fault(body.as_bytes()), NotUnderstood::NotAnObject, "{body}");
    }
    let parsed = parse_as(None, b" {} ").unwrap();
    assert_eq!(parsed.kinds, kinds(&[("other_object", 1)]));
}

#[test]
fn a_page_body_without_entries_is_kept_whole() {
    for body in [r#"{"object":"page"}"#, r#"{"object":"page","entry":null}"#, &fixture("entry_is_no_list")] {
        let parsed = parse_as(None, body.as_bytes()).unwrap();
        let [Signal::Unparsed { page: None, raw }] = &parsed.signals[..] else { panic!("{parsed:?}") };
        assert_eq!(raw.trim(), body.trim());
    }
}

#[test]
fn depth_and_broken_text_cost_one_event() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let halves = r#"{"message":{"text":"\ud83d"}}"#;
    let huge = r#"{"timestamp":1e999}"#;
    let good = format!(r#"{{"timestamp":{},"optin":{{"login_id":"login-good"}}}}"#, AT.ms());
    let body = format!(
        r#"{{"object":"page","entry":[{{"id":"{PAGE}","deep":{deep},"messaging":[{deep},{halves},{huge},{good}]}}]}}"#
    );
    let parsed = parse_as(None, body.as_bytes()).unwrap();
    assert_eq!(parsed.kinds, kinds(&[("optin", 1), ("unparsed", 3)]));
    assert_eq!(parsed.signals.last(), Some(&opt_in("login-good", Some(AT))));
}

#[test]
fn a_full_batch() {
    let event = |n: usize| json!({ "recipient": { "id": PAGE }, "timestamp": AT.ms(), "optin": { "login_id": n } });
    let events: Vec<_> = (0..1000).map(event).collect();
    let body = json!({ "object": "page", "entry": [{ "id": PAGE, "messaging": events }] }).to_string();
    let parsed = parse_as(None, body.as_bytes()).unwrap();
    assert_eq!((parsed.signals.len(), parsed.kinds), (1000, kinds(&[("optin", 1000)])));
}

/// Fields that can be subscribed to, and whose payloads nobody has described: whoever is named as leaving is taken at
/// their word, whoever leaves without a name is kept raw, and the rest is counted.
#[test]
fn fields_that_are_not_documented() {
    let parsed = read("fields_undocumented");
    let expected = [("account_linking", 2), ("opt_out", 2), ("other_change", 2), ("unknown", 3), ("unparsed", 1)];
    assert_eq!(parsed.kinds, kinds(&expected));
    let opt_outs =
        parsed.signals.iter().filter(|signal| matches!(signal, Signal::Person { sign: Sign::OptOut(_), .. }));
    assert_eq!((opt_outs.count(), parsed.signals.len()), (2, 3));
    assert!(parsed.shapes.contains("integrity,recipient,timestamp under messaging_integrity"), "{:?}", parsed.shapes);
}
