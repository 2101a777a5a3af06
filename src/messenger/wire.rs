//! The Send API's request and answers, nothing else. Messenger Platform, "Send API reference".

use serde::{Deserialize, Deserializer};

use crate::domain::ids::LoginId;

/// The request's body: an `UPDATE`, which is a message sent by us first, inside the window. Never a tag.
pub(super) fn request(login: &LoginId, message: &str) -> String {
    let login = serde_json::Value::from(login.as_str());
    format!(r#"{{"recipient":{{"login_id":{login}}},"messaging_type":"UPDATE","message":{message}}}"#)
}

/// What an answer may hold; every part may be missing.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Answer {
    #[serde(default, deserialize_with = "text_or_number")]
    pub(super) message_id: Option<String>,
    #[serde(default, deserialize_with = "text_or_number")]
    pub(super) recipient_id: Option<String>,
    #[serde(default)]
    pub(super) error: Option<GraphError>,
}

/// A Graph error object. Graph API, "Handle errors".
#[derive(Debug, Default, Deserialize)]
pub(super) struct GraphError {
    #[serde(default)]
    pub(super) message: Option<String>,
    #[serde(default, deserialize_with = "number")]
    pub(super) code: Option<i64>,
    #[serde(default, deserialize_with = "number")]
    pub(super) error_subcode: Option<i64>,
    #[serde(default)]
    pub(super) is_transient: Option<bool>,
    #[serde(default)]
    pub(super) fbtrace_id: Option<String>,
}

/// A number, or a text that is one: proxies have been seen to turn one into the other.
fn number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    let value = Option::<serde_json::Value>::deserialize(from)?;
    Ok(value.and_then(|value| value.as_i64().or_else(|| value.as_str()?.parse().ok())))
}

fn text_or_number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let value = Option::<serde_json::Value>::deserialize(from)?;
    let text = value.and_then(|value| match value {
        serde_json::Value::String(text) => Some(text),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    });
    Ok(text.filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_is_what_the_platform_documents() {
        let login = LoginId::new("a\"b").unwrap();
        let body: serde_json::Value = serde_json::from_str(&request(&login, r#"{"text":"Hi"}"#)).unwrap();
        let expected = serde_json::json!({
            "recipient": {"login_id": "a\"b"}, "messaging_type": "UPDATE", "message": {"text": "Hi"}
        });
        assert_eq!(body, expected);
    }
}
