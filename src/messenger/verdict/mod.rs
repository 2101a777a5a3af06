//! What an answer means: a table of (code, subcode), and a few rules for what is not in it.
//!
//! The body is judged before the status, because the platform answers errors with HTTP 200 too. Neither the error's
//! `type` nor its text says anything: `OAuthException` covers throttling and blocked people alike.
//! Sources: Graph API, "Handle errors"; Messenger Platform, "Error codes"; what has been seen in the field.

use std::time::Duration;

use super::wire;
use crate::domain::ids::Psid;
use crate::domain::optin::Reason;
use crate::domain::outcome::{Ending, Outcome, Then};

/// An answer of the platform.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: &'a [u8],
    /// How long the headers ask to wait.
    pub regain: Option<Duration>,
}

/// A table entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Retry(Then),
    Throttled,
    Uncertain,
    Person(Reason),
    WindowClosed,
    PageHold,
    ContentHold,
}

use Class::{ContentHold, PageHold, Person, Throttled, Uncertain, WindowClosed};

const AGAIN: Class = Class::Retry(Then::Again);

/// (code, subcode or any, meaning). The first row that fits counts, so a row with a subcode stands before its code's.
const TABLE: &[(i64, Option<i64>, Class)] = &[
    // Unknown; for 1/1357046 a case is known where every message was delivered.
    (1, None, Uncertain),
    // Inbox-label terms not accepted.
    (2, Some(2_018_344), PageHold),
    // A temporary problem of the service, or this person blocked the page.
    (2, None, Class::Retry(Then::Person)),
    (3, None, PageHold),
    (4, None, Throttled),
    (9, None, Throttled),
    // Outside the allowed window.
    (10, Some(2_018_065), WindowClosed),
    (10, Some(2_018_278), WindowClosed),
    (10, Some(2_534_022), WindowClosed),
    // Cannot receive messages right now.
    (10, Some(2_018_108), Person(Reason::Unavailable)),
    // Another app controls the thread.
    (10, Some(2_018_300), Class::Retry(Then::Page)),
    // Permission denied; with 1893063 the page is restricted from sending.
    (10, None, PageHold),
    (17, None, Throttled),
    (32, None, Throttled),
    // Not addressable with this token; no matching user.
    (100, Some(33), Person(Reason::UnknownId)),
    (100, Some(2_018_001), Person(Reason::UnknownId)),
    // A retired message tag.
    (100, Some(1_893_061), ContentHold),
    // Attachments: too large; fetching failed; unknown, forbidden, invalid.
    (100, Some(2_018_109), ContentHold),
    (100, Some(2_018_008), Class::Retry(Then::Content)),
    (100, Some(2_018_047), Class::Retry(Then::Content)),
    (100, Some(2_018_294), Class::Retry(Then::Content)),
    (100, Some(2_018_074), ContentHold),
    (100, Some(2_534_037), ContentHold),
    (100, Some(2_534_015), ContentHold),
    (100, None, Person(Reason::UnknownId)),
    (102, None, PageHold),
    // Too many, too few elements.
    (105, None, ContentHold),
    (194, None, ContentHold),
    // The token: expired, revoked, password changed, app not installed.
    (190, None, PageHold),
    // Not receiving messages.
    (200, Some(1_545_041), Person(Reason::Unavailable)),
    (200, None, PageHold),
    // `pages_messaging` missing on the token.
    (230, None, PageHold),
    (341, None, Throttled),
    // Blocked for a violation of policy.
    (368, None, PageHold),
    (551, None, Person(Reason::Unavailable)),
    (613, None, Throttled),
    // Temporary send failure.
    (1200, None, AGAIN),
    (2022, None, PageHold),
    (36_000, None, ContentHold),
    (80_006, None, Throttled),
    // Seen as codes of their own: user not found, forbidden.
    (2_018_218, None, Person(Reason::UnknownId)),
    (2_018_247, None, PageHold),
    (2_018_321, None, PageHold),
];

/// How an attempt with this answer ended.
#[must_use]
pub fn judge(answer: &Answer<'_>, doubt_transient: bool) -> Ending {
    let body: Option<wire::Answer> = serde_json::from_slice(answer.body).ok();
    let error = body.as_ref().and_then(|body| body.error.as_ref());
    let outcome = match (&body, error) {
        (_, Some(error)) => class_outcome(classify(error, answer.status), error, answer, doubt_transient),
        (Some(body), None) if (200..300).contains(&answer.status) => accepted(body),
        _ => by_status(answer),
    };
    Ending {
        outcome,
        http_status: Some(answer.status),
        code: error.and_then(|error| error.code),
        subcode: error.and_then(|error| error.error_subcode),
        fbtrace_id: error.and_then(|error| error.fbtrace_id.clone()),
        detail: error.and_then(|error| error.message.clone()).or_else(|| unexplained(answer, body.is_some())),
        variant: None,
    }
}

fn accepted(body: &wire::Answer) -> Outcome {
    let psid = body.recipient_id.as_deref().and_then(|id| Psid::new(id).ok());
    match &body.message_id {
        Some(message_id) => Outcome::Accepted { message_id: message_id.clone(), psid },
        None => Outcome::Uncertain(Reason::ServerError),
    }
}

fn classify(error: &wire::GraphError, status: u16) -> Class {
    let code = error.code.unwrap_or(0);
    let subcode = error.error_subcode;
    if code == 100 && says(error, "must be a valid id string") {
        // "(#100) Param recipient[id] must be a valid ID string": we never send an id, so the permission is missing,
        // for everybody (Login Connect FAQ).
        return PageHold;
    }
    if code == 100 && says(error, "appsecret_proof") {
        // "Invalid appsecret_proof provided in the API argument", "API calls from the server require an appsecret_proof
        // argument": the app's secret was changed there and not here, or is missing, for everybody.
        return PageHold;
    }
    let row = TABLE.iter().find(|(c, s, _)| *c == code && (s.is_none() || *s == subcode));
    match row {
        Some((_, _, class)) => *class,
        None if (200..300).contains(&code) => PageHold,
        None if error.is_transient == Some(true) && status < 500 => AGAIN,
        // An error nobody has described, told with a client error: it was refused. Is it the person or everybody?
        None if (400..500).contains(&status) => Class::Retry(Then::Person),
        None => Uncertain,
    }
}

/// Whether the error's message has these words, in whatever case.
fn says(error: &wire::GraphError, words: &str) -> bool {
    error.message.as_deref().is_some_and(|message| message.to_lowercase().contains(words))
}

fn class_outcome(class: Class, error: &wire::GraphError, answer: &Answer<'_>, doubt_transient: bool) -> Outcome {
    let says_temporary =
        matches!(class, Class::Retry(_)) && (matches!(error.code, Some(2 | 1200)) || error.is_transient == Some(true));
    match class {
        Class::Retry(_) if doubt_transient && says_temporary => Outcome::Uncertain(Reason::ServerError),
        Class::Retry(then) => Outcome::Retry(then),
        Throttled => Outcome::Throttled { regain: answer.regain },
        Uncertain => Outcome::Uncertain(Reason::ServerError),
        Person(reason) => Outcome::PersonUnavailable(reason),
        WindowClosed => Outcome::WindowClosed,
        PageHold => Outcome::PageHold,
        ContentHold => Outcome::ContentHold,
    }
}

/// No error object: something before the Graph API answered, or the Graph API broke down.
fn by_status(answer: &Answer<'_>) -> Outcome {
    match answer.status {
        429 => Outcome::Throttled { regain: answer.regain },
        408 | 425 => Outcome::Retry(Then::Again),
        // Redirects are not followed, and refusals in another form than the platform's are a matter of set-up.
        300..=499 => Outcome::PageHold,
        _ => Outcome::Uncertain(Reason::ServerError),
    }
}

fn unexplained(answer: &Answer<'_>, is_json: bool) -> Option<String> {
    match answer.status {
        200..=299 if is_json => None,
        status => Some(format!("HTTP {status} without an error object of the Graph API")),
    }
}

#[cfg(test)]
mod tests;
