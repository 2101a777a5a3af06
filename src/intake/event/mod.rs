//! A signed webhook body as signals for the store.
//!
//! The platform batches, repeats, reorders, and adds kinds of events without notice; ids and times come as text or as
//! numbers. So one rule runs through: **what is understood is taken, what is known to be of no use is counted, what
//! should have been understood and was not is kept raw**, and none of it harms its neighbours.
//!
//! | file | holds |
//! |---|---|
//! | `envelope` | body, entries, and the three places events stand in |
//! | `single` | one event: whose it is, and which reader it goes to |
//! | `optin` `optout` `person` `policy` | the readers |
//! | `links` | everything in an event that may name a person |
//! | `fields` | lenient access to JSON |
//!
//! <https://developers.facebook.com/documentation/business-messaging/messenger-platform/webhooks/webhook-events>

use std::collections::{BTreeMap, BTreeSet};

use super::StopWords;
use crate::domain::signal::Signal;
use crate::domain::time::Timestamp;
use crate::domain::token::Tokens;

mod envelope;
mod fields;
mod links;
mod optin;
mod optout;
mod person;
mod policy;
mod single;

#[cfg(test)]
mod tests;

pub use envelope::parse;

/// What reading needs besides the body.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// Reads our tokens.
    pub tokens: &'a Tokens,
    /// The app that sends for us, where configured.
    pub app_id: Option<&'a str>,
    /// What counts as stop.
    pub stop_words: &'a StopWords,
    /// Store time, to tell believable times from others.
    pub now: Timestamp,
}

/// What a body holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// What the store should take in, in the order of the body.
    pub signals: Vec<Signal>,
    /// How many events of each kind there were, signal or not. The kinds are a closed list, fit for a metric's label.
    pub kinds: BTreeMap<&'static str, u64>,
    /// How replies say what they answer: the `source` of each `prior_message`, as far as it is a word.
    pub sources: BTreeSet<String>,
    /// What events of unknown kinds are made of: the names of their parts, never what these hold.
    pub shapes: BTreeSet<String>,
}

/// Why nothing in a signed body could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotUnderstood {
    /// It is not JSON in UTF-8.
    #[error("The body is not JSON.")]
    NotJson,
    /// It is JSON, but no object.
    #[error("The body is not a JSON object.")]
    NotAnObject,
}
