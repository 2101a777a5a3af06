//! Floor 2: every metric, in one list. Page ids may be labels; people never.

use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabel, EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::domain::alert::Kind;
use crate::domain::optin::State;

/// One label.
#[derive(Clone, Hash, PartialEq, Eq)]
struct Label(&'static str, String);

impl EncodeLabelSet for Label {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), fmt::Error> {
        (self.0, self.1.as_str()).encode(encoder.encode_label())
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.0, self.1)
    }
}

type Counters = Family<Label, Counter>;

/// The metrics of one daemon.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    optins: Family<Label, Gauge>,
    sends: Counters,
    send_seconds: Histogram,
    claim_seconds: Histogram,
    usage_percent: Family<Label, Gauge>,
    page_held: Family<Label, Gauge>,
    events: Counters,
    refused: Counters,
    reply_sources: Counters,
    uncertain_held: Family<Label, Gauge>,
    next_deadline: Gauge,
    forecast_missed: Family<Label, Gauge>,
    ready: Gauge,
    alerts_open: Family<Label, Gauge>,
}

const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("firstword"),
            optins: Family::default(),
            sends: Family::default(),
            send_seconds: Histogram::new(SECONDS),
            claim_seconds: Histogram::new(SECONDS),
            usage_percent: Family::default(),
            page_held: Family::default(),
            events: Family::default(),
            refused: Family::default(),
            reply_sources: Family::default(),
            uncertain_held: Family::default(),
            next_deadline: Gauge::default(),
            forecast_missed: Family::default(),
            ready: Gauge::default(),
            alerts_open: Family::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let r = &mut self.registry;
        r.register("optins", "Opt-ins by state", self.optins.clone());
        r.register("sends", "Attempts by outcome", self.sends.clone());
        r.register("send_seconds", "From the claim's commit to the answer", self.send_seconds.clone());
        r.register("claim_seconds", "Duration of one claim", self.claim_seconds.clone());
        r.register("usage_percent", "Highest usage header of a page, in percent", self.usage_percent.clone());
        r.register("page_held", "Whether a page is held: nothing is sent for it", self.page_held.clone());
        r.register("webhook_events", "Webhook events by kind", self.events.clone());
        r.register("webhook_refused", "Webhook requests refused, by reason", self.refused.clone());
        r.register("reply_sources", "Replies by how they say what they answer", self.reply_sources.clone());
        r.register("uncertain_held", "Attempts of unknown end that wait for you, by page", self.uncertain_held.clone());
        r.register("next_deadline_seconds", "Time to the earliest hard stop still open", self.next_deadline.clone());
        r.register("forecast_missed", "Opt-ins that will miss at the present rate", self.forecast_missed.clone());
        r.register("ready", "Whether the service can do its work", self.ready.clone());
        r.register("alerts_open", "Alerts that are not resolved, by kind", self.alerts_open.clone());
    }

    /// The open alerts, by kind.
    pub fn alerts(&self, count_of: impl Fn(Kind) -> usize) {
        for kind in Kind::ALL {
            let gauge = self.alerts_open.get_or_create(&Label("kind", kind.as_str().to_owned()));
            gauge.set(i64::try_from(count_of(*kind)).unwrap_or(i64::MAX));
        }
    }

    /// An attempt ended.
    pub fn sent(&self, outcome: &'static str, took: Duration) {
        self.sends.get_or_create(&Label("outcome", outcome.to_owned())).inc();
        self.send_seconds.observe(took.as_secs_f64());
    }

    /// A claim was made.
    pub fn claimed(&self, took: Duration) {
        self.claim_seconds.observe(took.as_secs_f64());
    }

    /// A page's usage headers.
    pub fn usage(&self, page: &str, percent: u32) {
        self.usage_percent.get_or_create(&Label("page", page.to_owned())).set(i64::from(percent));
    }

    /// Whether a page is held.
    pub fn held(&self, page: &str, held: bool) {
        self.page_held.get_or_create(&Label("page", page.to_owned())).set(i64::from(held));
    }

    /// A webhook event was read.
    pub fn webhook_event(&self, kind: &'static str) {
        self.webhook_events(kind, 1);
    }

    /// Several webhook events of a kind were read.
    pub fn webhook_events(&self, kind: &'static str, count: u64) {
        self.events.get_or_create(&Label("kind", kind.to_owned())).inc_by(count);
    }

    /// A webhook request was refused.
    pub fn webhook_refused(&self, why: &'static str) {
        self.refused.get_or_create(&Label("why", why.to_owned())).inc();
    }

    /// A reply said in this way what it answers.
    pub fn reply_source(&self, source: &str) {
        self.reply_sources.get_or_create(&Label("source", source.to_owned())).inc();
    }

    /// The counts of the store, and the time to the earliest hard stop.
    pub fn counted(&self, count_of: impl Fn(State) -> u64, next_deadline: Option<Duration>) {
        for state in State::ALL {
            let of_state = count_of(*state);
            let gauge = self.optins.get_or_create(&Label("state", state.as_str().to_owned()));
            gauge.set(i64::try_from(of_state).unwrap_or(i64::MAX));
        }
        let seconds = next_deadline.map_or(-1, |left| i64::try_from(left.as_secs()).unwrap_or(i64::MAX));
        self.next_deadline.set(seconds);
    }

    /// The pages that hold doubts, all of them, and how many.
    pub fn doubts<'p>(&self, pages: impl IntoIterator<Item = (&'p str, u64)>) {
        self.uncertain_held.clear();
        for (page, held) in pages {
            let gauge = self.uncertain_held.get_or_create(&Label("page", page.to_owned()));
            gauge.set(i64::try_from(held).unwrap_or(i64::MAX));
        }
    }

    /// How many of a page will miss their hard stop at the present rate.
    pub fn foreseen(&self, page: &str, will_miss: u64) {
        let gauge = self.forecast_missed.get_or_create(&Label("page", page.to_owned()));
        gauge.set(i64::try_from(will_miss).unwrap_or(i64::MAX));
    }

    /// Whether the service can do its work.
    pub fn ready(&self, ready: bool) {
        self.ready.set(i64::from(ready));
    }

    /// The text a Prometheus server reads.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_rendered_with_their_labels() {
        let metrics = Metrics::default();
        metrics.sent("accepted", Duration::from_millis(20));
        metrics.webhook_event("optin");
        metrics.counted(|_| 0, None);
        metrics.doubts([("1", 2), ("2", 1)]);
        metrics.doubts([("1", 3)]);
        let text = metrics.render();
        assert!(text.contains("firstword_sends_total{outcome=\"accepted\"} 1"), "{text}");
        assert!(text.contains("firstword_webhook_events_total{kind=\"optin\"} 1"), "{text}");
        assert!(text.contains("firstword_uncertain_held{page=\"1\"} 3") && !text.contains("page=\"2\""), "{text}");
        assert!(text.contains("firstword_optins{state=\"sending\"} 0"), "{text}");
    }
}
