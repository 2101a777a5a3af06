//! Everything in an event that may name the person it is about.
//!
//! How a reply names the `login_id` it answers is not documented for login, only for sister products, and the
//! platform's sample spells it otherwise; so every spelling is looked for, on every kind of event. Our own token in a
//! payload is a second, independent way.
//! <https://developers.facebook.com/documentation/business-messaging/messenger-platform/webhooks/webhook-events/messaging_postbacks>

use serde_json::Value;

use super::fields::{Object, Odd, first_part, id, text};
use super::single::Event;
use crate::domain::ids::{AttemptId, LoginId};
use crate::domain::signal::Links;
use crate::domain::token::Tokens;

/// The longest message id, in bytes. The platform's have about 100.
const LONGEST_MID: usize = 512;

/// The links every event may carry: the person on `side`, and the message before.
pub(super) fn of(event: &Event<'_>, side: &'static str, inner: &Object) -> Result<Links, Odd> {
    let mut logins = Vec::new();
    for object in [event.fields, inner] {
        if let Some(prior) = first_part(object, &["prior_message", "priorMessage"]) {
            add_logins(&mut logins, prior, &["identifier", "login_id"]);
        }
    }
    if let Some(side) = first_part(event.fields, &[side]) {
        add_logins(&mut logins, side, &["login_id"]);
    }
    Ok(Links { psid: event.psid(side)?, logins, attempts: Vec::new(), message_ids: Vec::new() })
}

/// How a reply says what it answers. Only words: nothing of a person is a lowercase word with underscores.
pub(super) fn sources(fields: &Object) -> Vec<String> {
    let inner = ["message", "postback", "read", "delivery"].iter().filter_map(|key| fields.get(*key)?.as_object());
    let word = |source: &str| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        !source.is_empty() && source.len() <= 40 && source.bytes().all(plain)
    };
    let prior = |object| first_part(object, &["prior_message", "priorMessage"])?.get("source")?.as_str();
    let told = [fields].into_iter().chain(inner).filter_map(prior);
    told.map(|source| if word(source) { source.to_owned() } else { "other".to_owned() }).collect()
}

/// The links of an opt-out, whose part may name the person itself.
pub(super) fn of_opt_out(event: &Event<'_>, part: Option<&Object>) -> Result<Links, Odd> {
    let mut links = of(event, "sender", event.fields)?;
    for object in part.into_iter().chain([event.fields]) {
        add_logins(&mut links.logins, object, &["login_id"]);
        if links.psid.is_none() {
            links.psid = id(object, "psid")?;
        }
    }
    Ok(links)
}

/// Adds what can be a message id.
pub(super) fn add_mid(mids: &mut Vec<String>, value: Option<&Value>) {
    let clean = |mid: &&str| !mid.is_empty() && mid.len() <= LONGEST_MID && !mid.chars().any(char::is_control);
    if let Some(mid) = value.and_then(Value::as_str).filter(clean) {
        mids.push(mid.to_owned());
    }
}

/// The attempt whose token ends a payload or a reference.
pub(super) fn payload_token(tokens: &Tokens, value: Option<&Value>) -> Option<AttemptId> {
    tokens.read_payload(value?.as_str()?)
}

/// The attempt whose token is a message's metadata.
pub(super) fn metadata_token(tokens: &Tokens, value: Option<&Value>) -> Option<AttemptId> {
    let metadata = value?.as_str()?;
    tokens.read(metadata).or_else(|| tokens.read_payload(metadata))
}

fn add_logins(logins: &mut Vec<LoginId>, object: &Object, keys: &[&str]) {
    for key in keys {
        // Of other products this may be anything; what cannot be a login_id names nobody.
        let login = text(object.get(*key)).and_then(|login| LoginId::new(&login).ok());
        logins.extend(login.filter(|login| !logins.contains(login)));
    }
}
