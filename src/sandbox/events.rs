//! The JSON of webhooks as the platform writes it. These shapes are the sandbox's own, pinned to captures and to the
//! platform's documentation, and shared with nobody.

use std::fmt::Write;

use serde_json::{Value, json};

/// The app that an echo names as the sender.
pub(super) const APP_ID: u64 = 1_517_776_481_860_111;

/// Where a reply's `prior_message` says it comes from. The platform's word for logins is not known, and nobody should
/// depend on it.
const SOURCE: &str = "login_connect";

/// Somebody's place in events.
#[derive(Clone, Copy)]
pub(super) struct Who<'a> {
    pub(super) page: &'a str,
    pub(super) login_id: &'a str,
    pub(super) psid: &'a str,
    /// UTC milliseconds since 1970.
    pub(super) at: i64,
}

impl Who<'_> {
    /// An event that the person causes in the conversation.
    fn by_person(&self, kind: &str, content: &Value) -> Value {
        json!({
            "sender": {"id": self.psid},
            "recipient": {"id": self.page},
            "timestamp": self.at,
            kind: content,
        })
    }

    /// The same with the link to the message it answers.
    fn answer(&self, kind: &str, content: &Value) -> Value {
        let mut event = self.by_person(kind, content);
        if let Value::Object(fields) = &mut event {
            fields.insert("prior_message".to_owned(), json!({"source": SOURCE, "identifier": self.login_id}));
        }
        event
    }

    /// A text.
    pub(super) fn text(&self, mid: &str, text: &str) -> Value {
        self.answer("message", &json!({"mid": mid, "text": text}))
    }

    /// A tap on a quick reply, which also shows as a text.
    pub(super) fn quick_reply(&self, mid: &str, title: &str, payload: &str) -> Value {
        self.answer("message", &json!({"mid": mid, "text": title, "quick_reply": {"payload": payload}}))
    }

    /// A tap on a button.
    pub(super) fn postback(&self, mid: &str, title: &str, payload: &str) -> Value {
        self.answer("postback", &json!({"mid": mid, "title": title, "payload": payload}))
    }

    /// The page's own message, told back to it.
    pub(super) fn echo(&self, mid: &str, text: Option<&str>, metadata: Option<&str>) -> Value {
        let mut message = json!({"is_echo": true, "app_id": APP_ID, "mid": mid});
        if let Value::Object(fields) = &mut message {
            for (name, value) in [("text", text), ("metadata", metadata)] {
                if let Some(value) = value {
                    fields.insert(name.to_owned(), value.into());
                }
            }
        }
        json!({
            "sender": {"id": self.page},
            "recipient": {"id": self.psid},
            "timestamp": self.at,
            "message": message,
        })
    }

    /// The receipt for a delivered message.
    pub(super) fn delivery(&self, mid: &str) -> Value {
        self.by_person("delivery", &json!({"mids": [mid], "watermark": self.at}))
    }

    /// The bytes of a webhook with one event.
    pub(super) fn envelope(&self, event: &Value) -> String {
        let entry = json!({"id": self.page, "time": self.at, "messaging": [event]});
        escape(&json!({"object": "page", "entry": [entry]}).to_string())
    }
}

/// An opt-in. It has no sender: the person is not in the conversation yet.
pub(super) fn opt_in(who: &Who<'_>) -> Value {
    json!({"recipient": {"id": who.page}, "timestamp": who.at, "optin": {"login_id": who.login_id}})
}

/// An opt-out before any conversation, in the likeness of the opt-in. Its shape on the platform is not documented.
pub(super) fn opt_out(who: &Who<'_>) -> Value {
    json!({"recipient": {"id": who.page}, "timestamp": who.at, "optout": {"login_id": who.login_id}})
}

/// Writes JSON as the platform does: ASCII only, and with escaped slashes. Both stand only within strings, so the
/// finished text can be worked on.
fn escape(json: &str) -> String {
    let mut out = String::with_capacity(json.len() + 16);
    let mut units = [0_u16; 2];
    for letter in json.chars() {
        match letter {
            '/' => out.push_str("\\/"),
            _ if letter.is_ascii() => out.push(letter),
            _ => {
                for unit in letter.encode_utf16(&mut units) {
                    // Writing to a String cannot fail.
                    write!(out, "\\u{unit:04x}").unwrap_or_default();
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHO: Who<'_> = Who { page: "PAGE_ID", login_id: "LOGIN_ID", psid: "PSID", at: 1_458_692_752_478 };

    fn parsed(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn an_opt_in_is_as_the_samples_read_it() {
        let expected = parsed(
            r#"{"object":"page","entry":[{"id":"PAGE_ID","time":1458692752478,"messaging":[
                {"recipient":{"id":"PAGE_ID"},"timestamp":1458692752478,"optin":{"login_id":"LOGIN_ID"}}]}]}"#,
        );
        assert_eq!(parsed(&WHO.envelope(&opt_in(&WHO))), expected);
    }

    #[test]
    fn a_reply_bears_its_prior_message_beside_the_message() {
        let expected = parsed(
            r#"{"sender":{"id":"PSID"},"recipient":{"id":"PAGE_ID"},"timestamp":1458692752478,
                "message":{"mid":"m_1","text":"Hi"},
                "prior_message":{"source":"login_connect","identifier":"LOGIN_ID"}}"#,
        );
        assert_eq!(WHO.text("m_1", "Hi"), expected);
    }

    #[test]
    fn taps_return_their_payload() {
        let tap = WHO.quick_reply("m_1", "Yes", "YES#1");
        assert_eq!(tap["message"], parsed(r#"{"mid":"m_1","text":"Yes","quick_reply":{"payload":"YES#1"}}"#));
        let button = WHO.postback("m_1", "Yes", "YES#1");
        assert_eq!(button["postback"], parsed(r#"{"mid":"m_1","title":"Yes","payload":"YES#1"}"#));
        assert_eq!(button["prior_message"]["identifier"], "LOGIN_ID");
        assert_eq!(button["sender"]["id"], "PSID");
    }

    #[test]
    fn echoes_come_from_the_page_and_receipts_from_the_person() {
        let expected = parsed(
            r#"{"sender":{"id":"PAGE_ID"},"recipient":{"id":"PSID"},"timestamp":1458692752478,
                "message":{"is_echo":true,"app_id":1517776481860111,"metadata":"x","mid":"m_1"}}"#,
        );
        assert_eq!(WHO.echo("m_1", None, Some("x")), expected);
        let expected = parsed(
            r#"{"sender":{"id":"PSID"},"recipient":{"id":"PAGE_ID"},"timestamp":1458692752478,
                "delivery":{"mids":["m_1"],"watermark":1458692752478}}"#,
        );
        assert_eq!(WHO.delivery("m_1"), expected);
    }

    #[test]
    fn bodies_are_ascii_with_escaped_slashes() {
        let body = WHO.envelope(&WHO.text("m_1", "sch\u{f6}n \u{1f44b} https://x"));
        assert!(body.is_ascii());
        assert!(body.contains(r#""sch\u00f6n \ud83d\udc4b https:\/\/x""#), "{body}");
        let text = &parsed(&body)["entry"][0]["messaging"][0]["message"]["text"];
        assert_eq!(text, "sch\u{f6}n \u{1f44b} https://x");
    }
}
