//! The token in its places, and everything else as it was.

use proptest::prelude::*;

use super::*;
use crate::domain::token::MARK;

const TOKEN: &str = "0123456789abcdefghjkmnpqrs";

/// The message with the token in `metadata` and after the payloads at these places.
fn expected(message: &Value, payloads: &[&str]) -> Value {
    let mut message = message.clone();
    message["metadata"] = json!(TOKEN);
    for place in payloads {
        let payload = message.pointer_mut(place).unwrap();
        *payload = json!(format!("{}{MARK}{TOKEN}", payload.as_str().unwrap()));
    }
    message
}

fn rendered(message: &Value) -> Value {
    let (template, _) = Template::parse(&message.to_string()).unwrap();
    serde_json::from_str(&template.choose(None, 0).render(TOKEN)).unwrap()
}

#[test]
fn the_token_is_put_in_its_places_and_nothing_else_changes() {
    let replies = json!({"text": "\u{1f44b} \"quoted\" back\\slash\ttab\n\u{e9} \u{4f60} </script>", "quick_replies": [
        {"content_type": "text", "title": "\"Yes\" \\", "payload": "{\"a\":\"\\\\\"}"},
        {"content_type": "user_email", "payload": "theirs"},
        {"content_type": "text", "title": "No", "payload": "#fw=x"},
    ]});
    assert_eq!(rendered(&replies), expected(&replies, &["/quick_replies/0/payload", "/quick_replies/2/payload"]));
    let cards = generic(&json!({"title": "T", "buttons": [
        {"type": "web_url", "title": "W", "url": "https://example.com/?a=1&b=2"},
        {"type": "postback", "title": "P", "payload": "P"},
        {"type": "phone_number", "title": "C", "payload": "+15105551234"},
    ]}));
    assert_eq!(rendered(&cards), expected(&cards, &["/attachment/payload/elements/0/buttons/1/payload"]));
    let plain = json!({"text": "Hi"});
    assert_eq!(rendered(&plain), expected(&plain, &[]));
}

#[test]
fn text_that_looks_like_a_stand_in_is_left_alone() {
    let payloads = ["token", "tokenx", "tokentoken", "#fw=token", "tokentokenxx", "toke"];
    let replies: Vec<_> = payloads.iter().map(|p| json!({"content_type": "text", "title": p, "payload": p})).collect();
    let message =
        json!({"text": "token tokenx \"tokenxxx\" {{token}} {token} $token #fw=token", "quick_replies": replies});
    let places: Vec<_> = (0..payloads.len()).map(|i| format!("/quick_replies/{i}/payload")).collect();
    let places: Vec<_> = places.iter().map(String::as_str).collect();
    assert_eq!(rendered(&message), expected(&message, &places));
}

#[test]
fn a_template_we_do_not_know_passes_with_a_warning_and_its_postbacks_are_marked() {
    let message = template(&json!({"template_type": "list", "elements": [
        {"title": "T", "buttons": [{"type": "postback", "title": "A", "payload": "A"}, {"type": "game_play", "payload": "G"}]},
    ], "buttons": [{"type": "postback", "title": "B", "payload": "B"}]}));
    assert!(warnings(&message).iter().any(|w| w.starts_with("attachment.payload.template_type is \"list\"")));
    let places = ["/attachment/payload/elements/0/buttons/0/payload", "/attachment/payload/buttons/0/payload"];
    assert_eq!(rendered(&message), expected(&message, &places));
}

/// Any JSON, with a taste for the keys and words that templates use.
fn any_json() -> impl Strategy<Value = Value> {
    let words = "text|image|template|generic|button|media|list|postback|web_url|phone_number|user_email|de_DE|de|https://a.b/c|";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        words.prop_map(Value::from),
        ".{0,30}".prop_map(Value::from),
    ];
    let keys = "text|attachment|quick_replies|type|payload|template_type|elements|buttons|title|subtitle|content_type|url|\
                variants|name|locale|weight|message|media_type|attachment_id|default_action|image_url|tag|.{0,4}";
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::hash_map(keys, inner, 0..6).prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

/// A good file in which one value, the `turn`th, is replaced.
fn with_one_replaced(turn: usize, value: &Value) -> Value {
    fn replace(here: &mut Value, left: &mut usize, value: &Value) {
        if *left == 0 {
            *here = value.clone();
        }
        *left = left.wrapping_sub(1);
        match here {
            Value::Object(fields) => fields.values_mut().for_each(|field| replace(field, left, value)),
            Value::Array(items) => items.iter_mut().for_each(|item| replace(item, left, value)),
            _ => {}
        }
    }
    let mut file = serde_json::from_str(include_str!("../../../../messages/welcome-variants.json")).unwrap();
    replace(&mut file, &mut turn.clone(), value);
    file
}

/// Reads a file and, if it is a template, uses it.
fn check_any(file: &Value, text: &str) -> Result<(), TestCaseError> {
    let read = Template::parse(&file.to_string());
    prop_assert!(!read.as_ref().is_err_and(Vec::is_empty), "refused without a fault");
    let Ok((template, _)) = read else { return Ok(()) };
    let variant = template.choose(Some(text), 1);
    prop_assert!(!variant.preview().contains('\x1b'));
    prop_assert!(serde_json::from_str::<Value>(&variant.render(text)).is_ok());
    Ok(())
}

proptest! {
    #[test]
    fn reading_never_panics(value in any_json(), turn in 0_usize..75, text in ".{0,60}") {
        prop_assert!(Template::parse(&text).is_err());
        check_any(&value, &text)?;
        check_any(&with_one_replaced(turn, &value), &text)?;
    }

    #[test]
    fn rendering_is_always_json(
        text in ".{0,200}[^ ]",
        replies in proptest::collection::vec(("[a-z\"\\\\\u{e9}]{1,20}", ".{1,100}"), 1..13),
        token in ".{0,40}",
    ) {
        prop_assume!(!text.trim().is_empty());
        let reply = |(title, payload): &(String, String)| json!({"content_type": "text", "title": title, "payload": payload});
        let message = json!({"text": text, "quick_replies": replies.iter().map(reply).collect::<Vec<_>>()});
        let (template, _) = Template::parse(&message.to_string()).unwrap();
        let out: Value = serde_json::from_str(&template.choose(None, 0).render(&token)).unwrap();
        prop_assert_eq!(out["metadata"].as_str(), Some(token.as_str()));
        prop_assert_eq!(&out["text"], &message["text"]);
        for (i, (_, payload)) in replies.iter().enumerate() {
            let ended = format!("{payload}{MARK}{token}");
            prop_assert_eq!(out["quick_replies"][i]["payload"].as_str(), Some(ended.as_str()));
        }
    }
}
