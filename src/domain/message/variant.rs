//! One wording of the first message, cut where the token goes.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::file::Draft;
use super::preview;
use crate::domain::token::MARK;

/// One wording of the first message.
#[derive(Debug)]
pub struct Variant {
    name: String,
    locale: Option<String>,
    weight: u32,
    message: Value,
    /// The message as JSON text, cut at every place of the token: two pieces or more.
    pieces: Vec<Box<str>>,
}

impl Variant {
    /// Takes a draft in which no fault was found.
    pub(super) fn new(draft: &Draft<'_>) -> Self {
        Self {
            name: draft.name.to_owned(),
            locale: draft.locale.map(ToOwned::to_owned),
            weight: draft.weight,
            message: draft.message.clone(),
            pieces: cut(draft.message),
        }
    }

    /// Its name; `default` for a file that is one message.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whom it is for, as in `de` or `de_DE`; for everybody else if there is none.
    #[must_use]
    pub fn locale(&self) -> Option<&str> {
        self.locale.as_deref()
    }

    /// Its share among the variants of its locale, from 1 to 1,000,000.
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.weight
    }

    /// How many quick replies and buttons name the person when they are tapped, because they carry the token.
    #[must_use]
    pub fn taps(&self) -> usize {
        // One piece begins the text and one place is the metadata.
        self.pieces.len().saturating_sub(2)
    }

    /// The JSON text of the platform's `message` object, with the token in `metadata` and at the end of each payload.
    #[must_use]
    pub fn render(&self, token: &str) -> String {
        self.pieces.join(&*escape(token))
    }

    /// What people will see, in plain text of several lines.
    #[must_use]
    pub fn preview(&self) -> String {
        preview::show(&self.message)
    }
}

/// The token as the inside of a JSON string. Ours need no escaping; anything else stays valid JSON too.
fn escape(token: &str) -> Cow<'_, str> {
    if token.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Cow::Borrowed(token);
    }
    let quoted = Value::from(token).to_string();
    Cow::Owned(quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned())
}

/// The message as JSON text, cut at the token's places.
///
/// The cuts are found by a stand-in. It is made longer until the message does not contain it; and since the
/// characters around it (`"` and `=`) are not its own, it cannot be seen anywhere but where it was put.
fn cut(message: &Value) -> Vec<Box<str>> {
    let text = message.to_string();
    let mut stand_in = String::from("token");
    while text.contains(&stand_in) {
        stand_in.push('x');
    }
    let mut message = message.clone();
    end_payloads(&mut message, &format!("{MARK}{stand_in}"));
    if let Some(fields) = message.as_object_mut() {
        fields.insert("metadata".to_owned(), Value::from(stand_in.as_str()));
    }
    message.to_string().split(&stand_in).map(Into::into).collect()
}

fn end_payloads(message: &mut Value, ending: &str) {
    for reply in message.get_mut("quick_replies").and_then(Value::as_array_mut).into_iter().flatten() {
        end_payload(reply, ("content_type", "text"), ending);
    }
    if let Some(payload) = message.pointer_mut("/attachment/payload") {
        end_buttons(payload, ending);
    }
}

/// Ends the payload of each postback button, at any depth, in templates we know and in others.
fn end_buttons(value: &mut Value, ending: &str) {
    match value {
        Value::Object(fields) => fields.iter_mut().for_each(|(key, value)| match value {
            Value::Array(buttons) if key == "buttons" => {
                for button in buttons {
                    end_payload(button, ("type", "postback"), ending);
                }
            }
            _ => end_buttons(value, ending),
        }),
        Value::Array(items) => items.iter_mut().for_each(|item| end_buttons(item, ending)),
        _ => {}
    }
}

/// Ends the payload of a tappable thing, if its kind is the one whose payload comes back to us.
fn end_payload(tappable: &mut Value, (key, kind): (&str, &str), ending: &str) {
    let is_kind = |fields: &Map<String, Value>| fields.get(key).is_some_and(|value| value == kind);
    let fields = tappable.as_object_mut().filter(|fields| is_kind(fields));
    if let Some(Value::String(payload)) = fields.and_then(|fields| fields.get_mut("payload")) {
        payload.push_str(ending);
    }
}
