//! Whether the platform has stopped calling us.

use std::time::Duration;

use super::judge::short;
use crate::domain::finding::{Finding, Kind};
use crate::domain::span::show;
use crate::domain::time::Timestamp;

/// Messages this recent should have led to some webhook.
const RECENT: Duration = Duration::from_hours(24 * 7);

const REMEDY: &str = "check that the webhook's address is reachable from outside, that the proxy before it answers, and \
                      that the app's dashboard still shows the subscription as active";

/// What was heard and said so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Heard {
    /// When the last webhook with a good signature came, to the minute.
    pub webhook: Option<Timestamp>,
    /// When the first message that is still remembered was sent.
    pub first_attempt: Option<Timestamp>,
    /// When the platform last accepted a message.
    pub accepted: Option<Timestamp>,
}

/// Judges the platform's silence. Where no webhook ever came, the site may be the only source of opt-ins: then only
/// messages that were accepted make silence strange.
#[must_use]
pub fn silence(heard: &Heard, limit: Duration, now: Timestamp) -> Finding {
    if let Some(at) = heard.webhook {
        let span = now.since(at);
        if span <= limit {
            return Finding::ok(Kind::WebhookSilence, format!("the last webhook came within {}", short(span)));
        }
        let what = format!("no webhook came for {}; alerts.webhook_silence is {}", short(span), show(limit));
        return Finding::warning(Kind::WebhookSilence, what, REMEDY);
    }
    let talks = heard.accepted.is_some_and(|at| now.since(at) < RECENT);
    match heard.first_attempt.map(|at| now.since(at)).filter(|span| talks && *span > limit) {
        Some(span) => {
            let what = format!(
                "messages are sent since {}, but no webhook ever came: replies and opt-outs would not be seen",
                short(span)
            );
            Finding::problem(Kind::WebhookSilence, what, REMEDY)
        }
        None => Finding::ok(Kind::WebhookSilence, "no webhook has come yet, and none was due"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::finding::Severity;

    #[test]
    fn silence_is_strange_only_after_words() {
        let now = Timestamp::parse("2026-06-10T12:00:00Z").unwrap();
        let ago = |hours| Some(now.minus(Duration::from_hours(hours)));
        let of = |webhook, first_attempt, accepted| {
            silence(&Heard { webhook, first_attempt, accepted }, Duration::from_hours(6), now).severity
        };
        assert_eq!(of(None, None, None), Severity::Ok, "nothing happened yet");
        assert_eq!(of(ago(6), ago(90), ago(1)), Severity::Ok);
        assert_eq!(of(ago(7), None, None), Severity::Warning);
        assert_eq!(of(None, ago(7), ago(1)), Severity::Problem);
        assert_eq!(of(None, ago(5), ago(1)), Severity::Ok, "a reply may take its time");
        assert_eq!(of(None, ago(900), ago(200)), Severity::Ok, "nothing is sent any more");
        assert_eq!(of(None, ago(7), None), Severity::Ok, "nothing was accepted");
    }
}
