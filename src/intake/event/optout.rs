//! Opt-outs. The field `messaging_optouts` can be subscribed to, but its payload is not documented: whatever names a
//! person under such a name is taken as that person's opt-out, and what names nobody is kept for somebody to look at.

use serde_json::Value;

use super::fields::Odd;
use super::links;
use super::single::{Event, Read};
use crate::domain::optin::Reason;
use crate::domain::signal::{Links, Sign};

/// The webhook field that brings them.
const FIELD: &str = "messaging_optouts";

/// Whether an event is an opt-out.
pub(super) fn is_one(event: &Event<'_>) -> bool {
    told(event).is_some() || event.field == Some(FIELD)
}

/// Reads an opt-out.
pub(super) fn read(event: &Event<'_>) -> Result<Read, Odd> {
    let part = told(event).and_then(Value::as_object);
    signal(event, "opt_out", links::of_opt_out(event, part)?)
}

/// The opt-out of whoever the links name.
pub(super) fn signal(event: &Event<'_>, kind: &'static str, links: Links) -> Result<Read, Odd> {
    if links.is_empty() {
        return Err(Odd::Nobody);
    }
    Ok(event.person(kind, event.page("recipient")?, Sign::OptOut(Reason::OptOutEvent), links))
}

/// The part that says so, in either spelling, unless it says no.
fn told<'a>(event: &Event<'a>) -> Option<&'a Value> {
    let says = |value: &&Value| !matches!(value, Value::Null | Value::Bool(false));
    ["optout", "opt_out"].into_iter().filter_map(|key| event.fields.get(key)).find(says)
}
