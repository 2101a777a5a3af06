//! `[alerts]`: when and whom to alert.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::section::Section;
use super::web;

/// What an alert's webhook wants to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The whole notice.
    Json,
    /// `{"text": ".."}`.
    Slack,
}

/// When and whom to alert.
#[derive(Debug, Clone)]
pub struct Alerts {
    /// How long before its hard stop an opt-in counts as at risk.
    pub at_risk: Duration,
    /// Where alerts are posted. Whoever knows the address can post there too.
    pub webhook_url: Option<SecretString>,
    /// What is posted there.
    pub webhook_format: Format,
    /// The program, then its arguments, that is given each alert.
    pub command: Option<Vec<String>>,
    /// How long the program may take; then it is killed.
    pub command_timeout: Duration,
    /// How often an alert that lasts is said again.
    pub repeat: Duration,
    /// After how much quiet an alert of single moments, such as a missed deadline, is over.
    pub calm_after: Duration,
    /// The dead-man's switch: an address that is called while all is well, so that its silence alerts.
    pub heartbeat_url: Option<SecretString>,
    /// How often it is called.
    pub heartbeat_every: Duration,
    /// How long no webhook may arrive before that is an alert.
    pub webhook_silence: Duration,
}

const FORMATS: [(&str, Format); 2] = [("json", Format::Json), ("slack", Format::Slack)];

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

pub(super) fn read(section: &mut Section<'_>) -> Alerts {
    Alerts {
        at_risk: section.span("at_risk", SECOND..=DAY, Duration::from_hours(2)),
        webhook_url: address(section, "webhook_url"),
        webhook_format: section.choice("webhook_format", &FORMATS, Format::Json),
        command: command(section),
        command_timeout: section.span("command_timeout", SECOND..=MINUTE * 10, Duration::from_secs(30)),
        repeat: section.span("repeat", SECOND..=DAY * 7, Duration::from_hours(1)),
        calm_after: section.span("calm_after", SECOND..=DAY * 7, Duration::from_hours(1)),
        heartbeat_url: address(section, "heartbeat_url"),
        heartbeat_every: section.span("heartbeat_every", SECOND..=DAY, MINUTE),
        webhook_silence: section.span("webhook_silence", MINUTE..=DAY * 30, Duration::from_hours(6)),
    }
}

/// An address that is a secret as well, so a fault does not quote it.
pub(super) fn address(section: &mut Section<'_>, key: &str) -> Option<SecretString> {
    let url = section.secret(key)?;
    if !web::is_address(url.expose_secret()) {
        section.fault(key, "is not an address on the web", "use https://HOST/PATH, without a user in it");
        return None;
    }
    Some(url)
}

fn command(section: &mut Section<'_>) -> Option<Vec<String>> {
    let remedy = "use a list of the program and its arguments, such as [\"/usr/local/bin/page-me\", \"--urgent\"]";
    let command = section.list("command", remedy)?;
    if command.is_empty() {
        section.fault("command", "is empty", remedy);
    }
    Some(command)
}
