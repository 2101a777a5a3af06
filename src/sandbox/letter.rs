//! Reading a send: what the Send API insists on, and what the person will see of it.

use serde_json::{Map, Value};

use super::graph::{BAD_ID, RETIRED_TAG, Refusal, TOO_FEW, TOO_MANY};

const TEXT_UNITS: usize = 2_000;
const QUICK_REPLIES: usize = 13;
const PAYLOAD: usize = 1_000;
const BUTTONS: usize = 3;
const ELEMENTS: usize = 10;
const LOGIN_ID: usize = 256;

/// A message as the person gets it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) login_id: String,
    pub(super) text: Option<String>,
    pub(super) metadata: Option<String>,
    pub(super) tap: Option<Tap>,
}

/// Something the person can tap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tap {
    pub(super) title: String,
    pub(super) payload: String,
    /// Whether it stands in a template, and so returns a postback instead of a text.
    pub(super) button: bool,
}

/// Checks a send's body.
///
/// # Errors
/// What the Send API answers to it.
pub(super) fn read(body: &Value) -> Result<Letter, Refusal> {
    let login_id = recipient(body)?;
    match body.get("messaging_type").and_then(Value::as_str) {
        _ if body.get("tag").is_some_and(|tag| !tag.is_null()) => return Err(RETIRED_TAG),
        Some("UPDATE" | "RESPONSE") => {}
        Some("MESSAGE_TAG") => return Err(RETIRED_TAG),
        _ => {
            return Err(Refusal::parameter(
                "(#100) Param messaging_type must be one of {RESPONSE, UPDATE, MESSAGE_TAG, UTILITY}",
            ));
        }
    }
    let message = body
        .get("message")
        .and_then(Value::as_object)
        .ok_or(Refusal::parameter("(#100) The parameter message is required"))?;
    let text = text(message)?;
    let tap = match (quick_replies(message)?, attachment(message)?) {
        (None, button) => button,
        (quick_reply, _) => quick_reply,
    };
    let metadata = string(message, "metadata").map(str::to_owned);
    if metadata.as_ref().is_some_and(|metadata| metadata.encode_utf16().count() > PAYLOAD) {
        return Err(Refusal::parameter("(#100) Param message[metadata] must be at most 1000 characters long"));
    }
    Ok(Letter { login_id, text, metadata, tap })
}

fn string<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str)
}

fn recipient(body: &Value) -> Result<String, Refusal> {
    let recipient = body.get("recipient").and_then(Value::as_object);
    let Some(recipient) = recipient.filter(|fields| !fields.is_empty()) else {
        return Err(Refusal::parameter("(#100) The parameter recipient is required"));
    };
    if recipient.len() > 1 || recipient.contains_key("id") {
        // Also the answer to an app without the permission, which is why the platform's FAQ names it.
        return Err(BAD_ID);
    }
    match string(recipient, "login_id") {
        Some(login_id) if !login_id.is_empty() && login_id.len() <= LOGIN_ID => Ok(login_id.to_owned()),
        _ => Err(Refusal::parameter("(#100) Param recipient[login_id] must be a non-empty string")),
    }
}

fn text(message: &Map<String, Value>) -> Result<Option<String>, Refusal> {
    match (message.get("text"), message.get("attachment")) {
        (Some(Value::String(text)), None) if text.trim().is_empty() => {
            Err(Refusal::parameter("(#100) Param message[text] must be a non-empty string"))
        }
        (Some(Value::String(text)), None) if text.encode_utf16().count() > TEXT_UNITS => {
            Err(Refusal::parameter("(#100) Length of param message[text] must be less than or equal to 2000"))
        }
        (Some(Value::String(text)), None) => Ok(Some(text.clone())),
        (None, Some(Value::Object(_))) => Ok(None),
        _ => Err(Refusal::parameter("(#100) Param message must have either text or attachment")),
    }
}

/// Checks the list and finds the first that can be tapped.
fn quick_replies(message: &Map<String, Value>) -> Result<Option<Tap>, Refusal> {
    let Some(list) = message.get("quick_replies") else { return Ok(None) };
    let list = list.as_array().ok_or(Refusal::parameter("(#100) Param message[quick_replies] must be an array"))?;
    within(list.len(), QUICK_REPLIES)?;
    let taps = list.iter().map(|item| tap(item, "content_type", "text")).collect::<Result<Vec<_>, _>>()?;
    Ok(taps.into_iter().flatten().next().map(|(title, payload)| Tap { title, payload, button: false }))
}

/// Checks a template's buttons and finds the first that returns a payload.
fn attachment(message: &Map<String, Value>) -> Result<Option<Tap>, Refusal> {
    let Some(attachment) = message.get("attachment") else { return Ok(None) };
    let (Some(_), Some(payload)) = (attachment.get("type").and_then(Value::as_str), attachment.get("payload")) else {
        return Err(Refusal::parameter("(#100) Param message[attachment] must have a type and a payload"));
    };
    let mut holders = vec![payload];
    if let Some(elements) = payload.get("elements").and_then(Value::as_array) {
        within(elements.len(), ELEMENTS)?;
        holders.extend(elements);
    }
    let mut first = None;
    for buttons in holders.into_iter().filter_map(|holder| holder.get("buttons")?.as_array()) {
        within(buttons.len(), BUTTONS)?;
        for button in buttons {
            first = first.or(tap(button, "type", "postback")?);
        }
    }
    Ok(first.map(|(title, payload)| Tap { title, payload, button: true }))
}

fn within(count: usize, most: usize) -> Result<(), Refusal> {
    match count {
        0 => Err(TOO_FEW),
        _ if count > most => Err(TOO_MANY),
        _ => Ok(()),
    }
}

/// The title and payload of something to tap, if it is of the kind that returns them.
fn tap(item: &Value, kind_field: &str, kind: &str) -> Result<Option<(String, String)>, Refusal> {
    let field = |name| item.get(name).and_then(Value::as_str);
    match field(kind_field) {
        None => Err(Refusal::parameter("(#100) Every quick reply and button must have a type")),
        Some(found) if found != kind => Ok(None),
        Some(_) => match (field("title"), field("payload")) {
            (Some(title), Some(payload)) if !title.is_empty() && payload.encode_utf16().count() <= PAYLOAD => {
                Ok(Some((title.to_owned(), payload.to_owned())))
            }
            _ => Err(Refusal::parameter(
                "(#100) Param title and payload are required, payload of at most 1000 characters",
            )),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn send(message: &Value) -> Value {
        json!({"recipient": {"login_id": "l"}, "messaging_type": "UPDATE", "message": message})
    }

    fn with(name: &str, value: Value) -> Value {
        let mut body = send(&json!({"text": "Hi"}));
        body[name] = value;
        body
    }

    #[test]
    fn a_plain_text_is_fine() {
        let letter = read(&send(&json!({"text": "Hi", "metadata": "x"}))).unwrap();
        let expected =
            Letter { login_id: "l".to_owned(), text: Some("Hi".to_owned()), metadata: Some("x".to_owned()), tap: None };
        assert_eq!(letter, expected);
        assert!(read(&with("messaging_type", "RESPONSE".into())).is_ok());
    }

    #[test]
    fn the_first_thing_to_tap_is_found() {
        let reply = |title: &str| json!({"content_type": "text", "title": title, "payload": format!("{title}#1")});
        let letter = read(&send(
            &json!({"text": "Hi", "quick_replies": [{"content_type": "user_email"}, reply("Yes"), reply("No")]}),
        ))
        .unwrap();
        assert_eq!(letter.tap, Some(Tap { title: "Yes".to_owned(), payload: "Yes#1".to_owned(), button: false }));

        let buttons = json!([{"type": "web_url", "url": "https://x", "title": "Go"}, {"type": "postback", "title": "Buy", "payload": "BUY"}]);
        let generic =
            json!({"template_type": "generic", "elements": [{"title": "A"}, {"title": "B", "buttons": buttons}]});
        let letter = read(&send(&json!({"attachment": {"type": "template", "payload": generic}}))).unwrap();
        assert_eq!(letter.tap, Some(Tap { title: "Buy".to_owned(), payload: "BUY".to_owned(), button: true }));
    }

    #[test]
    fn wrong_recipients_are_told_apart() {
        assert_eq!(read(&with("recipient", json!({"id": "1"}))), Err(BAD_ID));
        assert_eq!(read(&with("recipient", json!({"id": "1", "login_id": "l"}))), Err(BAD_ID));
        for recipient in [json!({}), json!(null), json!({"login_id": ""}), json!({"login_id": 7})] {
            assert_eq!(read(&with("recipient", recipient)).map_err(|refusal| refusal.key()), Err("100".to_owned()));
        }
    }

    #[test]
    fn tags_are_retired() {
        assert_eq!(read(&with("messaging_type", "MESSAGE_TAG".into())), Err(RETIRED_TAG));
        assert_eq!(read(&with("tag", "ACCOUNT_UPDATE".into())), Err(RETIRED_TAG));
        assert!(read(&with("messaging_type", "PROMO".into())).is_err());
        assert!(read(&json!({"recipient": {"login_id": "l"}, "message": {"text": "Hi"}})).is_err());
    }

    #[test]
    fn limits_hold_at_their_edge() {
        let text = |units: usize| read(&send(&json!({"text": "\u{1f44b}".repeat(units / 2)})));
        assert!(text(2_000).is_ok());
        assert!(text(2_002).is_err());
        let replies = |count: usize| {
            let list = vec![json!({"content_type": "text", "title": "a", "payload": "b"}); count];
            read(&send(&json!({"text": "Hi", "quick_replies": list}))).err()
        };
        assert_eq!((replies(0), replies(13), replies(14)), (Some(TOO_FEW), None, Some(TOO_MANY)));
        for message in
            [json!({}), json!({"text": ""}), json!({"text": "a", "attachment": {}}), json!({"attachment": {}})]
        {
            assert!(read(&send(&message)).is_err(), "{message}");
        }
    }
}
