//! `[site]`: what the site is told of its opt-ins.

use std::time::Duration;

use secrecy::SecretString;

use super::alerts::address;
use super::section::Section;
use crate::domain::site::Event;

/// What the site is told of its opt-ins.
#[derive(Debug, Clone)]
pub struct Site {
    /// Where it is told; nothing is without it.
    pub webhook: Option<SiteWebhook>,
    /// Of what.
    pub events: Vec<Event>,
    /// How long to try.
    pub give_up_after: Duration,
}

impl Site {
    /// What is told: nothing where there is nowhere to tell it.
    #[must_use]
    pub fn told(&self) -> Vec<Event> {
        if self.webhook.is_some() { self.events.clone() } else { Vec::new() }
    }
}

/// Where the site is told, and how it knows that it is us.
#[derive(Debug, Clone)]
pub struct SiteWebhook {
    /// The address.
    pub url: SecretString,
    /// What signs.
    pub secret: SecretString,
}

const DAY: Duration = Duration::from_hours(24);

pub(super) fn read(section: &mut Section<'_>) -> Site {
    let (url, secret) = (address(section, "webhook_url"), section.secret("secret"));
    let webhook = match (url, secret) {
        (Some(url), Some(secret)) => Some(SiteWebhook { url, secret }),
        (Some(_), None) => {
            section.fault("secret", "is missing", "make up a long random text, and give it to the site too");
            None
        }
        _ => None,
    };
    let give_up_after = section.span("give_up_after", Duration::from_mins(1)..=DAY * 30, DAY * 3);
    Site { webhook, events: events(section), give_up_after }
}

fn events(section: &mut Section<'_>) -> Vec<Event> {
    let words: Vec<&str> = Event::ALL.iter().map(|event| event.as_str()).collect();
    let remedy = format!("use a list of {}", words.join(", "));
    let Some(given) = section.list("events", &remedy) else { return Event::DEFAULT.to_vec() };
    let mut events = Vec::new();
    for word in given {
        match word.parse() {
            Ok(event) if !events.contains(&event) => events.push(event),
            Ok(_) => {}
            Err(what) => section.fault("events", format!("has what is no event: {what}"), &remedy),
        }
    }
    events
}
