//! What a sandbox is told at its start: pages, rules and faults.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::clock::Clock;
use crate::domain::span;

/// How a sandbox is set up.
pub struct Options {
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// The pages that exist. At least one.
    pub pages: Vec<Page>,
    /// When set, webhooks are signed with it and every Graph call must carry a right `appsecret_proof`.
    pub app_secret: Option<String>,
    /// Where webhooks go, as in `http://127.0.0.1:8080/webhook`; none are sent without it.
    pub callback: Option<String>,
    /// How long after an opt-in a message is still in time.
    pub window: Duration,
    /// Refuse a second, late or after-stop message instead of delivering and counting it.
    pub strict: bool,
    /// Send `message_echoes` and `message_deliveries` webhooks. The platform sends none for a `login_id`, as far as
    /// is known, so this is off by default.
    pub echoes: bool,
    /// Whether anyone may be written to: an unknown `login_id` becomes a silent person whose opt-in time is unknown,
    /// to whom no message is ever late.
    pub open: bool,
    /// What goes wrong, and how often.
    pub faults: Faults,
    /// The seed of every draw. The same person, attempt and seed meet the same fault, in whatever order sends come.
    pub seed: u64,
    /// The clock of opt-ins, deadlines and stops.
    pub clock: Arc<dyn Clock>,
}

impl Options {
    /// A sandbox on a free port of the loopback, without pages, callback and faults, with a window of 24 h.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            pages: Vec::new(),
            app_secret: None,
            callback: None,
            window: Duration::from_hours(24),
            strict: false,
            echoes: false,
            open: false,
            faults: Faults::default(),
            seed: 0,
            clock,
        }
    }
}

/// A page, and the one token that may send for it.
#[derive(Clone)]
pub struct Page {
    /// The page's id.
    pub id: String,
    /// The page access token.
    pub token: String,
}

/// Faults of the platform, of its Send API first of all. Probabilities lie in 0..=1; the default is no fault at all.
///
/// As TOML or JSON, durations are text with a unit, as in `"30s"`, and unknown keys are errors.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Surely not delivered: a Graph error object that says temporary (code 2 or 1200).
    pub before: f64,
    /// Delivered, but the answer is lost: dropped or cut connection, 5xx or 200 that tells nothing, code 1, or a hang.
    pub after: f64,
    /// Not delivered, and nobody says so: the connection closes, or a proxy answers 502. The client cannot tell it from
    /// `after`, but no echo ever comes.
    pub swallowed: f64,
    /// Told to slow down, not delivered: code 613 or 80006, or HTTP 429 with or without a Graph error object.
    pub throttle: f64,
    /// The share of people who can never be reached (551/1545041), drawn by `login_id` so that retries agree.
    pub unavailable: f64,
    /// How long a hanging answer hangs; meant to be longer than the client's patience.
    #[serde(deserialize_with = "duration")]
    pub hang: Duration,
    /// Added to every answer.
    #[serde(deserialize_with = "duration")]
    pub latency: Duration,
    /// Added to the latency, anything up to this, drawn for each attempt.
    #[serde(deserialize_with = "duration")]
    pub jitter: Duration,
    /// Calls of one page in any sliding second; what is above is told to slow down.
    pub rate_limit: Option<u32>,
    /// What the usage headers show, in percent; by default a low number that asks for nothing.
    pub usage: Option<u8>,
    /// The time to regain access shown in the usage header, in whole minutes rounded up.
    #[serde(deserialize_with = "duration")]
    pub regain: Duration,
    /// How soon every page's token ends, as `debug_token` tells; by default never.
    #[serde(deserialize_with = "maybe_duration")]
    pub token_ends_in: Option<Duration>,
    /// Nobody gets the pages' webhooks, says the list of subscribed apps.
    pub unsubscribed: bool,
    /// The version of the Graph API that answers checks of pages; by default the one that is asked for.
    pub served: Option<String>,
    /// How far ahead of everybody's clock the header `Date` of answers to checks of pages is.
    #[serde(deserialize_with = "duration")]
    pub clock_ahead: Duration,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            before: 0.0,
            after: 0.0,
            swallowed: 0.0,
            throttle: 0.0,
            unavailable: 0.0,
            hang: Duration::from_secs(30),
            latency: Duration::ZERO,
            jitter: Duration::ZERO,
            rate_limit: None,
            usage: None,
            regain: Duration::ZERO,
            token_ends_in: None,
            unsubscribed: false,
            served: None,
            clock_ahead: Duration::ZERO,
        }
    }
}

impl Faults {
    /// Checks the probabilities.
    ///
    /// # Errors
    /// Names the first one outside 0..=1.
    pub fn check(&self) -> Result<(), String> {
        let all = [
            ("before", self.before),
            ("after", self.after),
            ("swallowed", self.swallowed),
            ("throttle", self.throttle),
            ("unavailable", self.unavailable),
        ];
        match all.into_iter().find(|(_, chance)| !(0.0..=1.0).contains(chance)) {
            Some((name, chance)) => {
                Err(format!("fault {name:?} is {chance}; use a probability from 0 to 1, as in 0.2"))
            }
            None => Ok(()),
        }
    }
}

/// Reads a duration written as text with a unit.
pub(super) fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    span::parse(&String::deserialize(from)?).map_err(serde::de::Error::custom)
}

fn maybe_duration<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    duration(from).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_strictly() {
        let faults: Faults =
            toml::from_str("after = 0.2\nhang = \"90s\"\nrate_limit = 20\ntoken_ends_in = \"2d\"").unwrap();
        assert_eq!((faults.after, faults.hang, faults.rate_limit), (0.2, Duration::from_secs(90), Some(20)));
        assert_eq!((faults.token_ends_in, faults.served.as_deref()), (Some(Duration::from_hours(48)), None));
        assert_eq!(faults.check(), Ok(()));
        assert!(toml::from_str::<Faults>("afters = 0.2").is_err());
        assert!(Faults { before: 1.5, ..faults.clone() }.check().is_err_and(|e| e.contains("before")));
        assert!(Faults { throttle: f64::NAN, ..faults }.check().is_err());
    }
}
