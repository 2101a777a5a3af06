//! What people do, and what the platform tells about a message to them: messages, taps, echoes, receipts.

use serde_json::Value;

use super::fields::{Object, Odd, first_part, is_true, text};
use super::links::{self, add_mid, metadata_token, payload_token};
use super::single::{Event, Read};
use crate::domain::signal::Sign;

/// Reads a message: from the person, or the echo of one from the page.
pub(super) fn message(event: &Event<'_>, message: &Object) -> Result<Read, Odd> {
    let by_page = || {
        let sender = first_part(event.fields, &["sender"]).and_then(|sender| text(sender.get("id")));
        sender.zip(event.entry.page.as_ref()).is_some_and(|(sender, page)| sender == page.as_str())
    };
    if is_true(message.get("is_echo")) || by_page() {
        return echo(event, message);
    }
    let page = event.page("recipient")?;
    let mut links = links::of(event, "sender", message)?;
    let tapped = first_part(message, &["quick_reply"]).and_then(|tapped| tapped.get("payload"));
    links.attempts.extend(payload_token(event.cx.tokens, tapped));
    add_mid(&mut links.message_ids, first_part(message, &["reply_to"]).and_then(|to| to.get("mid")));
    let stop = message.get("text").and_then(Value::as_str).is_some_and(|text| event.cx.stop_words.is_stop(text));
    Ok(event.person("message", page, Sign::Reply { stop }, links))
}

/// Reads a tap on a button. Payloads reach only the app that sent the message.
/// <https://developers.facebook.com/documentation/business-messaging/messenger-platform/webhooks/webhook-events/messaging_postbacks>
pub(super) fn postback(event: &Event<'_>, postback: &Object) -> Result<Read, Odd> {
    let page = event.page("recipient")?;
    let mut links = links::of(event, "sender", postback)?;
    let referred = first_part(postback, &["referral"]).and_then(|referral| referral.get("ref"));
    let token = |value| payload_token(event.cx.tokens, value);
    links.attempts.extend(token(postback.get("payload")).or_else(|| token(referred)));
    // A button that says stop means it.
    let stop = text(postback.get("title")).is_some_and(|title| event.cx.stop_words.is_stop(&title));
    Ok(event.person("postback", page, Sign::Reply { stop }, links))
}

/// Reads the echo of a message the page sent, through whichever app or by hand.
/// <https://developers.facebook.com/documentation/business-messaging/messenger-platform/webhooks/webhook-events/message-echoes>
fn echo(event: &Event<'_>, message: &Object) -> Result<Read, Odd> {
    let page = event.page("sender")?;
    let mut links = links::of(event, "recipient", message)?;
    links.attempts.extend(metadata_token(event.cx.tokens, message.get("metadata")));
    add_mid(&mut links.message_ids, message.get("mid"));
    // Our token is proof, whatever the app's number says. Without one: no number is a person in the page's inbox.
    let elsewhere = links.attempts.is_empty()
        && match (text(message.get("app_id")), event.cx.app_id) {
            (None, _) => true,
            (Some(theirs), Some(ours)) => theirs != ours,
            (Some(_), None) => false,
        };
    Ok(event.person("echo", page, Sign::Echo { elsewhere }, links))
}

/// Reads a delivery or read receipt. One that names no message says only that everything before some moment arrived,
/// which links nothing.
/// <https://developers.facebook.com/documentation/business-messaging/messenger-platform/webhooks/webhook-events/message-deliveries>
pub(super) fn receipt(event: &Event<'_>, kind: &'static str, receipt: &Object) -> Result<Read, Odd> {
    let page = event.page("recipient")?;
    let mut links = links::of(event, "sender", receipt)?;
    add_mid(&mut links.message_ids, receipt.get("mid"));
    for mid in receipt.get("mids").and_then(Value::as_array).into_iter().flatten() {
        add_mid(&mut links.message_ids, Some(mid));
    }
    if links.message_ids.is_empty() && links.logins.is_empty() {
        return Ok(Read::counted(kind));
    }
    Ok(event.person(kind, page, Sign::Receipt, links))
}
