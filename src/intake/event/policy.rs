//! The platform enforces its policies on a page: it warns, blocks, or takes a block back.
//! <https://developers.facebook.com/documentation/business-messaging/messenger-platform/webhooks/webhook-events/messaging_policy_enforcement>

use serde_json::Value;

use super::fields::{Object, Odd};
use super::single::{Event, Read};
use crate::domain::hold::PageOrder;
use crate::domain::signal::Signal;

/// The kind of these events, for the counter.
const KIND: &str = "policy_enforcement";
/// The longest reason that is kept, in characters.
const LONGEST: usize = 300;

/// The part that makes an event one of these: documented with an underscore, seen with a hyphen.
pub(super) fn part_of<'a>(event: &Event<'a>) -> Option<&'a Value> {
    ["policy_enforcement", "policy-enforcement"].into_iter().find_map(|key| event.fields.get(key))
}

/// Reads it. What is not understood is only counted: there is nothing in it that could be lost.
pub(super) fn read(event: &Event<'_>, part: &Value) -> Result<Read, Odd> {
    let page = event.page("recipient")?;
    let at = event.at().unwrap_or(event.cx.now);
    let empty = Object::new();
    let part = part.as_object().unwrap_or(&empty);
    let action = part.get("action").and_then(Value::as_str).unwrap_or_default();
    let reason = words(part.get("reason").and_then(Value::as_str).unwrap_or("no reason was given"));
    let order = match action {
        "block" => PageOrder::Blocked { reason, at },
        "unblock" => PageOrder::Unblocked { at },
        "warning" => PageOrder::Warned { reason },
        _ => {
            tracing::warn!(page = %page, "a policy enforcement of an unknown kind");
            return Ok(Read::counted(KIND));
        }
    };
    Ok(Read { kind: KIND, signal: Some(Signal::Page { page, order }) })
}

/// What the platform says, in one line of a bearable length.
fn words(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect()
}
