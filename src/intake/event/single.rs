//! One event: whose it is, when it was, and which reader it goes to.

use super::fields::{Object, Odd, id, part, time};
use super::{Reading, optin, optout, person, policy};
use crate::domain::ids::{PageId, Psid};
use crate::domain::signal::{Links, Sign, Signal};
use crate::domain::time::Timestamp;

/// What an entry says about all its events.
pub(super) struct Entry {
    /// The page.
    pub(super) page: Option<PageId>,
    /// When the batch was made.
    pub(super) time: Option<Timestamp>,
}

/// One event and what stands around it.
pub(super) struct Event<'a> {
    /// The event itself.
    pub(super) fields: &'a Object,
    /// The entry it stood in.
    pub(super) entry: &'a Entry,
    /// The webhook field it came under, where the envelope says so.
    pub(super) field: Option<&'a str>,
    /// What reading needs.
    pub(super) cx: &'a Reading<'a>,
}

/// An event, read.
pub(super) struct Read {
    /// Its kind, for the counter.
    pub(super) kind: &'static str,
    /// What the store should know of it.
    pub(super) signal: Option<Signal>,
}

impl Read {
    /// An event of no use to us.
    pub(super) fn counted(kind: &'static str) -> Self {
        Self { kind, signal: None }
    }
}

impl Event<'_> {
    /// When it was: by itself, else by its entry.
    pub(super) fn at(&self) -> Option<Timestamp> {
        time(self.fields.get("timestamp"), self.cx.now).or(self.entry.time)
    }

    /// The page, named by `recipient`, or by `sender` where the page wrote. It must be the page of the entry.
    pub(super) fn page(&self, side: &'static str) -> Result<PageId, Odd> {
        let named = part(self.fields, side)?.map_or(Ok(None), |side| id::<PageId>(side, "id"))?;
        match (named, &self.entry.page) {
            (Some(named), Some(entry)) if named != *entry => Err(Odd::OtherPage),
            (Some(page), _) => Ok(page),
            (None, entry) => entry.clone().ok_or(Odd::NoPage),
        }
    }

    /// The person's PSID on that side. A side may be there without one, as for people known only by `user_ref`.
    pub(super) fn psid(&self, side: &'static str) -> Result<Option<Psid>, Odd> {
        part(self.fields, side)?.map_or(Ok(None), |side| id(side, "id"))
    }

    /// What a person told the page; only counted where nothing names the person.
    pub(super) fn person(&self, kind: &'static str, page: PageId, sign: Sign, links: Links) -> Read {
        let at = self.at().unwrap_or(self.cx.now);
        let signal = (!links.is_empty()).then_some(Signal::Person { page, sign, links, at });
        Read { kind, signal }
    }
}

/// Reads an event by the part it carries.
pub(super) fn read(event: &Event<'_>) -> Result<Read, Odd> {
    if let Some(optin) = part(event.fields, "optin")? {
        return optin::read(event, optin);
    }
    if optout::is_one(event) {
        return optout::read(event);
    }
    if let Some(enforced) = policy::part_of(event) {
        return policy::read(event, enforced);
    }
    if let Some(message) = part(event.fields, "message")? {
        return person::message(event, message);
    }
    if let Some(postback) = part(event.fields, "postback")? {
        return person::postback(event, postback);
    }
    if let Some(delivery) = part(event.fields, "delivery")? {
        return person::receipt(event, "delivery", delivery);
    }
    if let Some(read) = part(event.fields, "read")? {
        return person::receipt(event, "read", read);
    }
    Ok(Read::counted(kind_of_the_rest(event)))
}

/// Events we only count, by the part that tells them apart.
const COUNTED: [(&str, &str); 9] = [
    ("pass_thread_control", "handover"),
    ("take_thread_control", "handover"),
    ("request_thread_control", "handover"),
    ("app_roles", "handover"),
    ("referral", "referral"),
    ("reaction", "reaction"),
    ("account_linking", ACCOUNT_LINKING),
    ("fblogin_account_linking", ACCOUNT_LINKING),
    ("message_edit", "message_edit"),
];
/// The kind of what nobody told us of.
pub(super) const UNKNOWN: &str = "unknown";
pub(super) const ACCOUNT_LINKING: &str = "account_linking";

fn kind_of_the_rest(event: &Event<'_>) -> &'static str {
    let found = COUNTED.iter().find(|(key, _)| event.fields.contains_key(*key));
    match found {
        Some((_, kind)) => kind,
        None if event.field == Some("messaging_fblogin_account_linking") => ACCOUNT_LINKING,
        None => UNKNOWN,
    }
}
