//! `[alerts]`: when and whom to alert.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::section::Section;
use super::web;

/// When and whom to alert.
#[derive(Debug, Clone)]
pub struct Alerts {
    /// How long before its hard stop an opt-in counts as at risk.
    pub at_risk: Duration,
    /// Where alerts are posted. Whoever knows the address can post there too.
    pub webhook_url: Option<SecretString>,
    /// The program, then its arguments, that is given each alert.
    pub command: Option<Vec<String>>,
    /// How often an alert that lasts is said again.
    pub repeat: Duration,
    /// The dead-man's switch: an address that is called while all is well, so that its silence alerts.
    pub heartbeat_url: Option<SecretString>,
    /// How often it is called.
    pub ping_every: Duration,
    /// How long no webhook may arrive before that is an alert.
    pub webhook_silence: Duration,
}

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

pub(super) fn read(section: &mut Section<'_>) -> Alerts {
    let heartbeat_url = address(section, "heartbeat_url");
    let ping_url = address(section, "ping_url");
    if heartbeat_url.is_some() && ping_url.is_some() {
        section.fault("ping_url", "is another name of heartbeat_url, which is given too", "keep one of them");
    }
    Alerts {
        at_risk: section.span("at_risk", Duration::from_secs(1)..=DAY, Duration::from_hours(2)),
        webhook_url: address(section, "webhook_url"),
        command: command(section),
        repeat: section.span("repeat", MINUTE..=DAY * 7, Duration::from_hours(1)),
        heartbeat_url: heartbeat_url.or(ping_url),
        ping_every: section.span("ping_every", Duration::from_secs(5)..=DAY, MINUTE),
        webhook_silence: section.span("webhook_silence", MINUTE..=DAY * 30, Duration::from_hours(6)),
    }
}

/// An address that is a secret as well, so a fault does not quote it.
fn address(section: &mut Section<'_>, key: &str) -> Option<SecretString> {
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
