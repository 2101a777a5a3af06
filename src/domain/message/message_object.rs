//! The platform's `message` object: what it says, and the quick replies below it.

use super::file::only;
use super::limits::{self, Limit, TOKEN_ENDING};
use super::node::Node;
use super::report::Report;
use super::{attachment, file};

/// Checks a message object.
pub(super) fn check(message: &Node<'_>, report: &mut Report) {
    if !message.is_object(report) {
        return;
    }
    only(message, &["text", "attachment", "quick_replies", "metadata"], file::IN_A_MESSAGE, report);
    if let Some(metadata) = message.get("metadata") {
        report.fault(&metadata, "is refused: firstword puts its own token there, by which an echo names its attempt");
    }
    let (text, attachment) = (message.get("text"), message.get("attachment"));
    match (&text, &attachment) {
        (None, None) => report.fault(message, "says nothing: it needs `text` or `attachment`"),
        (Some(_), Some(_)) => report.fault(message, "has both `text` and `attachment`; the platform takes one of them"),
        _ => {}
    }
    if let Some(text) = text {
        text.check_text(&limits::TEXT, report);
    }
    if let Some(attachment) = attachment {
        attachment::check(&attachment, report);
    }
    if let Some(replies) = message.get("quick_replies") {
        replies.check_list(&limits::QUICK_REPLIES, report);
        replies.items().for_each(|reply| quick_reply(&reply, report));
    }
}

fn quick_reply(reply: &Node<'_>, report: &mut Report) {
    if !reply.is_object(report) {
        return;
    }
    reply.check_keys(&["content_type", "title", "payload", "image_url"], report);
    let Some(content) = reply.required("content_type", report) else { return };
    match content.value.as_str() {
        Some("text") => text_reply(reply, report),
        // The platform fills these with the person's own address or number, so a payload here is not ours to end.
        Some("user_email" | "user_phone_number") => {}
        _ => {
            report.fault(
                &content,
                format!("is {}; known are \"text\", \"user_email\" and \"user_phone_number\"", content.value),
            );
        }
    }
    if let Some(image) = reply.get("image_url") {
        image.check_https(report);
    }
}

fn text_reply(reply: &Node<'_>, report: &mut Report) {
    // The platform allows both to be empty where an image stands for them.
    let image = reply.get("image_url").is_some();
    match reply.required("title", report) {
        Some(title) if image && title.value == "" => {}
        Some(title) => title.check_text(&limits::QUICK_TITLE, report),
        None => {}
    }
    payload(reply, image, &limits::QUICK_PAYLOAD, report);
}

/// Checks a payload that comes back to us with our token at its end.
pub(super) fn payload(owner: &Node<'_>, may_be_empty: bool, limit: &Limit, report: &mut Report) {
    let Some(node) = owner.required("payload", report) else { return };
    match node.as_text(report) {
        Some("") if !may_be_empty => report.fault(&node, "is empty"),
        Some(text) => node.check_length(text, TOKEN_ENDING, limit, report),
        None => {}
    }
}
