//! What is allowed but unwise. Heuristics over the visible words: they may be wrong, so they only warn.

use serde_json::Value;

use super::node::Node;
use super::report::Report;

/// Words that say, anywhere in a longer word, that a machine is writing.
const PARTS: &[&str] = &[
    "automat",
    "automát",
    "automàt",
    "otomat",
    "automaa",
    "chatbot",
    "robot",
    "αυτόματ",
    "αυτοματ",
    "автомат",
    "чатбот",
    "чат-бот",
    "אוטומט",
    "צ'אטבוט",
    "آلي",
    "تلقائي",
    "स्वचालित",
    "อัตโนมัติ",
    "แชทบอท",
    "tự động",
    "自動",
    "自动",
    "ボット",
    "机器人",
    "機器人",
    "자동",
    "챗봇",
];

/// Words that say so only by themselves: "bot", but not "bottle".
const WORDS: &[&str] = &[
    "bot",
    "bots",
    "бот",
    "בוט",
    "บอท",
    "virtual assistant",
    "digital assistant",
    "ai assistant",
    "assistant virtuel",
    "assistante virtuelle",
    "assistant numérique",
    "asistente virtual",
    "asistente digital",
    "assistente virtual",
    "assistente virtuale",
    "assistente digital",
    "assistente digitale",
    "virtueller assistent",
    "virtuelle assistent",
    "virtuelle assistentin",
    "virtuellen assistenten",
    "digitaler assistent",
    "digitale assistent",
    "ki-assistent",
    "virtuele assistent",
    "virtuell assistent",
    "wirtualny asystent",
    "виртуальный ассистент",
    "виртуальный помощник",
    "sanal asistan",
    "asisten virtual",
    "trợ lý ảo",
];

/// Warns about a message.
pub(super) fn check(message: &Node<'_>, report: &mut Report) {
    if !discloses(&visible_text(message.value)) {
        report.warn(
            message,
            "does not seem to say that it is automated; automated experiences must disclose that at the start of a \
             conversation where the law requires it, California and Germany are named \
             (Messenger Platform, send messages)",
        );
    }
    if !invites_tap(message) {
        report.warn(
            message,
            "has no quick reply of type text and no postback button; a tap is the surest way to learn a person's PSID, \
             because free text is linked to them by a field of the event that is unconfirmed",
        );
    }
    if let Some(url) = message.get("attachment").and_then(|it| it.get("payload")).and_then(|it| it.get("url")) {
        report.warn(
            &url,
            "is fetched by the platform when a message is sent, which is slower and can fail; upload the file once and \
             give its `attachment_id`",
        );
    }
}

fn discloses(text: &str) -> bool {
    let text = text.to_lowercase();
    PARTS.iter().any(|part| text.contains(part)) || WORDS.iter().any(|word| has_word(&text, word))
}

/// Whether a word stands in the text with no letter or digit next to it.
fn has_word(text: &str, word: &str) -> bool {
    let bound = |c: Option<char>| !c.is_some_and(char::is_alphanumeric);
    text.match_indices(word).any(|(at, found)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + found.len()..).and_then(|after| after.chars().next());
        bound(before) && bound(after)
    })
}

/// Everything a person can read in the message, at any depth.
fn visible_text(value: &Value) -> String {
    match value {
        Value::Object(fields) => fields.iter().map(|(key, value)| visible_field(key, value)).collect(),
        Value::Array(items) => items.iter().map(visible_text).collect(),
        _ => String::new(),
    }
}

fn visible_field(key: &str, value: &Value) -> String {
    match value {
        Value::String(text) if matches!(key, "text" | "title" | "subtitle") => format!("{text}\n"),
        _ => visible_text(value),
    }
}

fn invites_tap(message: &Node<'_>) -> bool {
    let replies = message.get("quick_replies");
    let tappable =
        replies.is_some_and(|replies| replies.items().any(|reply| reply.word("content_type") == Some("text")));
    tappable || message.get("attachment").is_some_and(|attachment| has_postback(&attachment))
}

fn has_postback(node: &Node<'_>) -> bool {
    node.word("type") == Some("postback")
        || node.fields().any(|(_, field)| has_postback(&field))
        || node.items().any(|item| has_postback(&item))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn disclosure_is_found_in_many_languages() {
        for text in [
            "I am a BOT.",
            "This is an automated message",
            "Ich antworte vollautomatisch",
            "Je suis votre assistant virtuel",
            "Soy tu asistente virtual",
            "Mensaje automático",
            "自動応答です",
            "OTOMAT\u{130}K mesaj",
            "Это автоматическое сообщение",
        ] {
            assert!(discloses(text), "{text}");
        }
        for text in ["A bottle for you", "Robert is here", "Hello!", "", "botanical"] {
            assert!(!discloses(text), "{text}");
        }
    }

    #[test]
    fn only_what_people_see_counts() {
        let hidden = json!({"text": "Hello", "quick_replies": [{"title": "Yes", "payload": "ROBOT"}]});
        assert!(!discloses(&visible_text(&hidden)));
        let deep = json!({"attachment": {"payload": {"elements": [{"title": "x", "subtitle": "our bot"}]}}});
        assert!(discloses(&visible_text(&deep)));
    }
}
