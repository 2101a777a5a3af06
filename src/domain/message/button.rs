//! Buttons of the templates.

use super::limits::{self, Limit};
use super::message_object::payload;
use super::node::Node;
use super::report::Report;

/// Checks an array of buttons.
pub(super) fn check_all(buttons: &Node<'_>, limit: &Limit, report: &mut Report) {
    buttons.check_list(limit, report);
    buttons.items().for_each(|button| check(&button, report));
}

fn check(button: &Node<'_>, report: &mut Report) {
    if !button.is_object(report) {
        return;
    }
    let Some(kind) = button.required("type", report) else { return };
    match kind.value.as_str() {
        Some("web_url") => web_url(button, report),
        Some("postback") => postback(button, report),
        Some("phone_number") => phone_number(button, report),
        Some(other) => {
            report.warn(
                &kind,
                format!("is {other:?}: a button we do not check, and a tap on it does not name the person"),
            );
        }
        None => report
            .fault(&kind, "must be a text: \"postback\", \"web_url\", \"phone_number\" or another the platform knows"),
    }
}

fn title(button: &Node<'_>, report: &mut Report) {
    if let Some(title) = button.required("title", report) {
        title.check_text(&limits::BUTTON_TITLE, report);
    }
}

fn web_url(button: &Node<'_>, report: &mut Report) {
    let webview = ["webview_height_ratio", "messenger_extensions", "fallback_url", "webview_share_button"];
    button.check_keys(&[&["type", "title", "url"], webview.as_slice()].concat(), report);
    title(button, report);
    if let Some(url) = button.required("url", report) {
        url.check_https(report);
    }
}

fn postback(button: &Node<'_>, report: &mut Report) {
    button.check_keys(&["type", "title", "payload"], report);
    title(button, report);
    payload(button, false, &limits::BUTTON_PAYLOAD, report);
}

/// Here the payload is the number to call: the platform uses it itself, so it carries no token.
fn phone_number(button: &Node<'_>, report: &mut Report) {
    button.check_keys(&["type", "title", "payload"], report);
    title(button, report);
    let Some(number) = button.required("payload", report) else { return };
    let Some(text) = number.as_text(report) else { return };
    let is_number = text.strip_prefix('+').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    if !is_number {
        report.fault(
            &number,
            "must be a phone number with + and the country's code, as in \"+15105551234\" \
             (Messenger Platform, call button)",
        );
    }
}

/// Checks only what we change: the payloads of postback buttons anywhere in a template we do not know.
pub(super) fn check_payloads_within(node: &Node<'_>, report: &mut Report) {
    for (key, field) in node.fields() {
        if key == "buttons" {
            field
                .items()
                .filter(is_postback)
                .for_each(|button| payload(&button, false, &limits::BUTTON_PAYLOAD, report));
        } else {
            check_payloads_within(&field, report);
        }
    }
    node.items().for_each(|item| check_payloads_within(&item, report));
}

fn is_postback(button: &Node<'_>) -> bool {
    button.word("type") == Some("postback")
}
