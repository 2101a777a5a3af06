//! What the site is told of its people, so that it need not ask.

use serde::Serialize;

use super::ids::Psid;
use super::optin::{OptIn, Reason, State};
use super::time::Timestamp;
use super::window::PROMOTIONAL;
use super::words::words;

words! {
    /// What can happen to an opt-in that its site may want to hear.
    Event {
        /// The first message was accepted.
        Sent = "sent",
        /// The person replied; the PSID is known.
        Answered = "answered",
        /// No message can leave in this window any more.
        Missed = "missed",
        /// The person said stop.
        OptedOut = "opted_out",
        /// No reply within the answer window.
        Expired = "expired",
        /// The platform says that the person cannot be reached.
        Unavailable = "unavailable",
    }
}

impl Event {
    /// What the site is told where it does not choose.
    pub const DEFAULT: [Self; 5] = [Self::Sent, Self::Answered, Self::Missed, Self::OptedOut, Self::Expired];

    /// What happened between a row's state and stop before a step and the row after it.
    pub fn between(state: State, opted_out_at: Option<Timestamp>, after: &OptIn) -> impl Iterator<Item = Self> {
        let entered = match after.state {
            State::Sent => Some(Self::Sent),
            State::Answered => Some(Self::Answered),
            State::Missed => Some(Self::Missed),
            State::Expired => Some(Self::Expired),
            State::Unavailable => Some(Self::Unavailable),
            _ => None,
        };
        let stopped = (opted_out_at.is_none() && after.opted_out_at.is_some()).then_some(Self::OptedOut);
        entered.filter(|_| after.state != state).into_iter().chain(stopped)
    }
}

/// The body of what the site is told. Absent values are null; times are RFC 3339.
#[derive(Debug, Serialize)]
struct Body<'a> {
    id: &'a str,
    event: Event,
    at: String,
    optin: Person<'a>,
}

#[derive(Debug, Serialize)]
struct Person<'a> {
    id: i64,
    page_id: &'a str,
    login_id: &'a str,
    psid: Option<&'a str>,
    reference: Option<&'a str>,
    state: State,
    reason: Option<Reason>,
    cycle: i64,
    opted_in_at: String,
    sent_at: Option<String>,
    message_id: Option<&'a str>,
    variant: Option<&'a str>,
    locale: Option<&'a str>,
    replied_at: Option<String>,
    window_open_until: Option<String>,
    opted_out_at: Option<String>,
}

/// What the site is told of an opt-in as it was after the event, as JSON. `id` is the event's name.
///
/// # Errors
/// None that can happen: texts and numbers always become JSON.
pub fn body(id: &str, event: Event, at: Timestamp, o: &OptIn) -> serde_json::Result<String> {
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    serde_json::to_string(&Body {
        id,
        event,
        at: at.to_string(),
        optin: Person {
            id: o.id.0,
            page_id: o.page.as_str(),
            login_id: o.login.as_str(),
            psid: o.psid.as_ref().map(Psid::as_str),
            reference: o.reference.as_deref(),
            state: o.state,
            reason: o.reason,
            cycle: o.cycle,
            opted_in_at: o.opted_in_at.to_string(),
            sent_at: time(o.sent_at),
            message_id: o.message_id.as_deref(),
            variant: o.variant.as_deref(),
            locale: o.locale.as_deref(),
            replied_at: time(o.replied_at),
            window_open_until: time(o.replied_at.map(|at| at.plus(PROMOTIONAL))),
            opted_out_at: time(o.opted_out_at),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{LoginId, OptInId, PageId};

    #[test]
    fn the_contract() {
        let at = Timestamp::parse("2026-06-01T12:00:00Z").unwrap();
        let mut optin = OptIn::unborn(PageId::new("1").unwrap(), LoginId::new("anna").unwrap(), at, at);
        (optin.id, optin.state, optin.psid) = (OptInId(17), State::Answered, Psid::new("77").ok());
        optin.replied_at = Some(at);
        let body = body("evt_1", Event::Answered, at, &optin).unwrap();
        insta::assert_snapshot!(body, @r#"{"id":"evt_1","event":"answered","at":"2026-06-01T12:00:00.000Z","optin":{"id":17,"page_id":"1","login_id":"anna","psid":"77","reference":null,"state":"answered","reason":null,"cycle":1,"opted_in_at":"2026-06-01T12:00:00.000Z","sent_at":null,"message_id":null,"variant":null,"locale":null,"replied_at":"2026-06-01T12:00:00.000Z","window_open_until":"2026-06-02T12:00:00.000Z","opted_out_at":null}}"#);
    }

    #[test]
    fn a_step_may_be_none_one_or_two() {
        let at = Timestamp::parse("2026-06-01T12:00:00Z").unwrap();
        let mut optin = OptIn::unborn(PageId::new("1").unwrap(), LoginId::new("anna").unwrap(), at, at);
        let between = |state, stop, after: &OptIn| Event::between(state, stop, after).collect::<Vec<_>>();
        assert_eq!(between(State::New, None, &optin), []);
        optin.state = State::Sent;
        assert_eq!(between(State::Sending, None, &optin), [Event::Sent]);
        assert_eq!(between(State::Sent, None, &optin), []);
        optin.opted_out_at = Some(at);
        assert_eq!(between(State::Sending, None, &optin), [Event::Sent, Event::OptedOut]);
        optin.state = State::OptedOut;
        assert_eq!(between(State::Sent, None, &optin), [Event::OptedOut]);
        assert_eq!(between(State::Sending, Some(at), &optin), []);
    }
}
