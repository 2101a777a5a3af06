//! Opt-ins. The platform sends several kinds under one name; ours is the one with a `login_id`.
//!
//! The reference page does not mention it, the platform's own samples read it; `sender` is absent then.
//! <https://developers.facebook.com/documentation/business-messaging/messenger-platform/webhooks/webhook-events/messaging_optins>

use serde_json::Value;

use super::fields::{Object, Odd, id, text};
use super::links;
use super::optout;
use super::single::{Event, Read};
use crate::domain::ids::LoginId;
use crate::domain::signal::{NewOptIn, Signal, Source};

/// The longest reference that is kept, in bytes; the platform's own limit is 2,083 characters for links.
const LONGEST_REFERENCE: usize = 1024;

/// Reads an opt-in.
pub(super) fn read(event: &Event<'_>, optin: &Object) -> Result<Read, Odd> {
    if says_stop(optin) {
        return optout::signal(event, "notifications_stopped", links::of_opt_out(event, Some(optin))?);
    }
    let Some(login) = id::<LoginId>(optin, "login_id")? else {
        // The checkbox plugin's, marketing messages', one-time notifications': other products, other tokens.
        return Ok(Read::counted("other_optin"));
    };
    let signal = Signal::OptIn(NewOptIn {
        page: event.page("recipient")?,
        login,
        at: event.at(),
        locale: None,
        reference: reference(optin.get("ref")),
        source: Source::Webhook,
    });
    Ok(Read { kind: "optin", signal: Some(signal) })
}

/// `STOP NOTIFICATIONS`, which the documentation also spells with an underscore.
fn says_stop(optin: &Object) -> bool {
    let status = optin.get("notification_messages_status").and_then(Value::as_str).unwrap_or_default();
    status.trim().replace(['_', '-'], " ").eq_ignore_ascii_case("STOP NOTIFICATIONS")
}

/// What the site passed along, without what a database would refuse.
fn reference(value: Option<&Value>) -> Option<String> {
    let clean: String = text(value)?.chars().filter(|c| !c.is_control()).collect();
    (!clean.is_empty() && clean.len() <= LONGEST_REFERENCE).then_some(clean)
}
