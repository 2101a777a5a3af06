//! How a send goes through: counted, admitted, read, judged, acted on, answered.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Response;
use serde_json::Value;

use super::desk::Credentials;
use super::graph::{self, Refusal};
use super::judge::{Delivery, Moment, Rules, Verdict, Why, judge};
use super::letter::{self, Letter};
use super::lost::Loss;
use super::options::Faults;
use super::platform::Platform;

/// An answer, and how long it is held back.
pub(super) struct Answer {
    pub(super) response: Response<Body>,
    pub(super) delay: Duration,
    /// Whom the message was for, where it could be read.
    pub(super) login_id: Option<String>,
}

impl Platform {
    /// Judges a send whose body was read to its end, and lets the person act on it.
    pub(super) fn receive(self: &Arc<Self>, node: &str, sender: &str, given: &Credentials<'_>, body: &[u8]) -> Answer {
        let in_url = given.token.is_some();
        self.count(|report| {
            report.requests += 1;
            report.token_in_url += u64::from(in_url);
            report.count_node(sender);
        });
        let faults = self.faults();
        match self.read(node, given, body) {
            Ok((place, letter)) => self.settle(place, &letter, &faults),
            Err(refusal) => self.refuse(&refusal, None, &faults, Duration::ZERO),
        }
    }

    fn read(&self, node: &str, given: &Credentials<'_>, body: &[u8]) -> Result<(usize, Letter), Refusal> {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let field = |name| body.get(name).and_then(Value::as_str);
        let given = Credentials {
            bearer: given.bearer,
            token: given.token.or_else(|| field("access_token")),
            proof: given.proof.or_else(|| field("appsecret_proof")),
        };
        let place = self.admit(node, &given)?;
        Ok((place, letter::read(&body)?))
    }

    fn settle(self: &Arc<Self>, place: usize, letter: &Letter, faults: &Faults) -> Answer {
        let Some(desk) = self.desks.get(place) else {
            return self.refuse(&graph::WRONG_PAGE, None, faults, Duration::ZERO);
        };
        let rules = Rules { seed: self.seed, window: self.window, strict: self.strict, open: self.open, faults };
        let (verdict, jitter) = {
            let mut book = desk.book();
            // Read under the lock, so that receipts are in order.
            let at = Moment { wall: self.clock.now(), boot: self.clock.boot() };
            judge(&mut book, &letter.login_id, at, &rules)
        };
        let mut answer = match verdict {
            Verdict::Refused(refusal, why) => self.refuse(&refusal, Some(why), faults, jitter),
            Verdict::Swallowed(loss) => self.swallow(loss, faults, jitter),
            Verdict::Delivered(delivery) => self.accept(place, letter, &delivery, faults, jitter),
        };
        desk.show_usage(answer.response.headers_mut(), faults);
        answer.login_id = Some(letter.login_id.clone());
        answer
    }

    fn refuse(&self, refusal: &Refusal, why: Option<Why>, faults: &Faults, jitter: Duration) -> Answer {
        self.count(|report| {
            *report.refused_by_code.entry(refusal.key()).or_default() += 1;
            match why {
                Some(Why::Before) => report.faults.before += 1,
                Some(Why::Throttled) => report.faults.throttled += 1,
                Some(Why::Unavailable) => report.faults.unavailable += 1,
                Some(Why::Strict(violations)) => report.refused_strict.add(violations),
                Some(Why::Unknown | Why::Blocked) | None => {}
            }
        });
        Answer {
            response: refusal.answer(&Self::trace()),
            delay: faults.latency.saturating_add(jitter),
            login_id: None,
        }
    }

    fn swallow(&self, loss: Loss, faults: &Faults, jitter: Duration) -> Answer {
        self.count(|report| report.faults.swallowed += 1);
        let response = loss.spoil(Response::new(Body::empty()), &Self::trace());
        Answer { response, delay: faults.latency.saturating_add(jitter), login_id: None }
    }

    fn accept(
        self: &Arc<Self>,
        place: usize,
        letter: &Letter,
        delivery: &Delivery,
        faults: &Faults,
        jitter: Duration,
    ) -> Answer {
        let hang = (delivery.loss == Some(Loss::Hung)).then_some(faults.hang);
        self.count(|report| {
            report.accepted += 1;
            report.delivered += u64::from(delivery.first_ever);
            report.violations.add(delivery.breach.violations);
            report.strictly_after_stop += u64::from(delivery.breach.after_any_stop);
            report.faults.after += u64::from(delivery.loss.is_some());
            report.faults.hung += u64::from(hang.is_some());
        });
        self.react(place, letter, delivery);
        let answer = graph::accepted(&delivery.message_id);
        let response = match delivery.loss {
            Some(loss) => loss.spoil(answer, &Self::trace()),
            None => answer,
        };
        let delay = faults.latency.saturating_add(jitter).saturating_add(hang.unwrap_or_default());
        Answer { response, delay, login_id: None }
    }
}
