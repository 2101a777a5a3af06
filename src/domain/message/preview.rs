//! A message as plain text, for people who check a template before it is sent.

use serde_json::Value;

/// The message in lines, as it will stand in the conversation.
pub(super) fn show(message: &Value) -> String {
    let mut lines = Vec::new();
    lines.extend(text(message, "text"));
    if let Some(attachment) = message.get("attachment") {
        show_attachment(attachment, &mut lines);
    }
    let replies: Vec<_> = items(message, "quick_replies").map(quick_reply).collect();
    if !replies.is_empty() {
        lines.push(replies.join(" "));
    }
    lines.join("\n")
}

fn show_attachment(attachment: &Value, lines: &mut Vec<String>) {
    let payload = attachment.get("payload").unwrap_or(&Value::Null);
    match text(attachment, "type").as_deref() {
        Some("template") => show_template(payload, lines),
        kind => lines.push(format!("[{}: {}]", kind.unwrap_or("attachment"), source(payload))),
    }
}

fn show_template(payload: &Value, lines: &mut Vec<String>) {
    lines.push(format!("[{} template]", text(payload, "template_type").unwrap_or_default()));
    lines.extend(text(payload, "text"));
    for element in items(payload, "elements") {
        let media = text(element, "media_type").map(|kind| format!("[{kind}: {}]", source(element)));
        let words = [text(element, "title"), text(element, "subtitle"), media];
        lines.push(format!("- {}", words.into_iter().flatten().collect::<Vec<_>>().join(" - ")));
        lines.extend(text(element, "image_url").map(|url| format!("  [image: {url}]")));
        lines.extend(items(element, "buttons").map(|item| format!("  {}", button(item))));
    }
    lines.extend(items(payload, "buttons").map(button));
}

fn quick_reply(reply: &Value) -> String {
    let content = text(reply, "content_type").unwrap_or_default();
    let label = match content.as_str() {
        "user_email" => "their e-mail address".to_owned(),
        "user_phone_number" => "their phone number".to_owned(),
        _ => text(reply, "title").filter(|title| !title.is_empty()).unwrap_or_else(|| "image".to_owned()),
    };
    format!("({label})")
}

fn button(button: &Value) -> String {
    let kind = text(button, "type").unwrap_or_default();
    let label = text(button, "title").unwrap_or_else(|| kind.clone());
    let target = match kind.as_str() {
        "web_url" => text(button, "url"),
        "phone_number" => text(button, "payload"),
        _ => None,
    };
    target.map_or_else(|| format!("[{label}]"), |target| format!("[{label} -> {target}]"))
}

fn source(owner: &Value) -> String {
    let id =
        || owner.get("attachment_id").map(|id| format!("upload {}", id.as_str().map_or_else(|| id.to_string(), clean)));
    text(owner, "url").or_else(id).unwrap_or_default()
}

fn text(owner: &Value, key: &str) -> Option<String> {
    owner.get(key)?.as_str().map(clean)
}

/// Without what could move a terminal's cursor.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

fn items<'a>(owner: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    owner.get(key).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_message_reads_as_people_see_it() {
        let message = json!({
            "text": "Hello \u{1b}[2J",
            "quick_replies": [{"content_type": "text", "title": "Yes"}, {"content_type": "user_email"}],
        });
        assert_eq!(show(&message), "Hello \u{fffd}[2J\n(Yes) (their e-mail address)");
    }

    #[test]
    fn templates_show_elements_and_where_buttons_lead() {
        let buttons = json!([
            {"type": "web_url", "title": "Shop", "url": "https://a.example"},
            {"type": "postback", "title": "Help", "payload": "HELP"},
        ]);
        let element =
            json!({"title": "Shoes", "subtitle": "New", "image_url": "https://b.example/i", "buttons": buttons});
        let payload = json!({"template_type": "generic", "elements": [element]});
        let shown = show(&json!({"attachment": {"type": "template", "payload": payload}}));
        let lines = [
            "[generic template]",
            "- Shoes - New",
            "  [image: https://b.example/i]",
            "  [Shop -> https://a.example]",
            "  [Help]",
        ];
        assert_eq!(shown.lines().collect::<Vec<_>>(), lines);
        let image = json!({"attachment": {"type": "image", "payload": {"attachment_id": 12}}});
        assert_eq!(show(&image), "[image: upload 12]");
    }
}
