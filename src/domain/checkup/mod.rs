//! A page's check-up: what the platform says when it is asked about a page, and what that means.
//!
//! Whoever asks fills in a [`Look`]; [`judge()`] is pure and reads it. What the platform refuses to say is a warning and
//! never a clean bill: silence about a token's end is not a token without an end.
//!
//! Sources: Graph API, "Debug tokens" and "Handle errors"; Messenger Platform, "Webhooks". The fields of `debug_token`
//! and of `subscribed_apps` are read as they were seen in real code; every one of them may be missing.

mod judge;
mod silence;
#[cfg(test)]
mod tests;

use std::time::Duration;

use super::time::Timestamp;

pub use judge::judge;
pub use silence::{Heard, silence};

/// Webhook fields without which people are lost: the opt-in itself, replies, taps.
pub const NEEDED_FIELDS: [&str; 3] = ["messaging_optins", "messages", "messaging_postbacks"];
/// Webhook fields that teach more: opt-outs, evidence of delivery, who controls a thread, what the policy team says.
pub const USEFUL_FIELDS: [&str; 5] =
    ["messaging_optouts", "message_echoes", "message_deliveries", "standby", "messaging_policy_enforcement"];
/// What the token must be allowed.
pub const NEEDED_SCOPE: &str = "pages_messaging";

/// The platform said no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The Graph error's code.
    pub code: Option<i64>,
    /// Its subcode.
    pub subcode: Option<i64>,
    /// Its words, without secrets.
    pub message: String,
}

/// What became of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked<T> {
    /// It was answered.
    Said(T),
    /// It was refused.
    Refused(Refusal),
    /// Nothing came that could be read; why.
    Nothing(String),
}

/// What `debug_token` tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Token {
    /// Whether it can be used.
    pub is_valid: Option<bool>,
    /// Whose app made it.
    pub app_id: Option<String>,
    /// When it ends; `None` where it does not, or nothing was said.
    pub expires_at: Option<Timestamp>,
    /// When the right to the data behind it ends; `None` as above.
    pub data_access_expires_at: Option<Timestamp>,
    /// What it may do; `None` where nothing was said.
    pub scopes: Option<Vec<String>>,
    /// Why it cannot be used.
    pub error: Option<Refusal>,
}

/// An app that gets a page's webhooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscriber {
    /// Which.
    pub app_id: String,
    /// What it gets.
    pub fields: Vec<String>,
}

/// Two clocks, read at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clocks {
    /// The platform's, by the answer's `Date`.
    pub platform: Timestamp,
    /// Store time in the middle of the request.
    pub ours: Timestamp,
    /// By how much the comparison may be wrong: half the request's time, and half of the second that `Date` counts in.
    pub doubt: Duration,
}

/// Everything that was asked about a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Whom the token belongs to.
    pub owner: Asked<String>,
    /// What is known of the token.
    pub token: Asked<Token>,
    /// Who gets the page's webhooks.
    pub subscribers: Asked<Vec<Subscriber>>,
    /// The clocks, where an answer had a `Date`.
    pub clocks: Option<Clocks>,
    /// The version that answered, where an answer says so.
    pub served: Option<String>,
}

/// What the operator configured, as far as it can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The app that sends.
    pub app_id: Option<String>,
    /// The version that is asked for.
    pub api_version: String,
    /// The room for clocks that disagree.
    pub safety_margin: Duration,
}
