//! Claim and send: from a free place in flight to an outcome.

use std::sync::Arc;
use std::time::Duration;

use super::{Delivery, Letter, Page};
use crate::domain::reach::Reach;
use crate::domain::signal::Signal;
use crate::domain::time::Timestamp;
use crate::messenger::Sent;
use crate::messenger::gate::Gate;
use crate::store::Result;
use crate::store::claim::{Claim, Probe, Wish};

/// A wait below the timer's own step is no wait.
const FINEST: Duration = Duration::from_millis(1);

/// People this node has the right to send to, and the boot time read before that right was asked for.
#[derive(Debug)]
pub struct Taken {
    /// The people, most urgent first.
    pub claims: Vec<Claim>,
    /// When it is worth asking again, if the page's budget was the limit.
    pub next_at: Option<Timestamp>,
    /// Whether something stops the page.
    pub stopped: bool,
    /// Boot time before the claim: the gates count from here.
    pub since: Duration,
}

impl Taken {
    /// The one person of a probe, and the boot time before their claim.
    pub(super) fn only(self) -> Option<(Claim, Duration)> {
        let Self { claims, since, .. } = self;
        claims.into_iter().next().map(|claim| (claim, since))
    }
}

impl Delivery {
    /// Takes up to `most` people of a page.
    pub async fn claim(&self, page: &Page, most: usize) -> Result<Taken> {
        self.take(page, most, None).await
    }

    /// Takes people; where the page is held, one for its probe.
    pub(super) async fn take(&self, page: &Page, most: usize, probe: Option<Probe>) -> Result<Taken> {
        let (since, now) = (self.clock.boot(), self.clock.now().plus((self.ahead)()));
        let wish = Wish {
            page: page.id.clone(),
            budget: self.pace.used(&page.id).budget(page.budget, now),
            most,
            // A probe is for everybody who waits.
            reach: if probe.is_some() { Reach::EVERYBODY } else { (self.reach)(&page.id) },
            now,
            window: self.window,
            node: self.node.clone(),
            credential: page.credential.clone(),
            probe,
        };
        let claimed = self.store.claim(wish).await?;
        self.metrics.claimed(self.clock.boot().saturating_sub(since));
        if claimed.stopped {
            self.pace.stopped(&page.id);
        }
        self.pace.started(&page.id, claimed.claims.len());
        Ok(Taken { claims: claimed.claims, next_at: claimed.next_at, stopped: claimed.stopped, since })
    }

    /// The gate of a claim, which is in flight from here on and can be stopped. Where the platform's clock is ahead, its
    /// hard stop comes sooner.
    pub fn gate(&self, claim: &Claim, since: Duration) -> Arc<Gate> {
        let hard_stop = self.window.hard_stop(claim.opted_in_at).minus((self.ahead)());
        let gate = Arc::new(Gate::new(Arc::clone(&self.clock), since, self.window.start_within, hard_stop));
        self.inflight.enter(claim.attempt, Arc::clone(&gate));
        gate
    }

    /// How long to wait for the turn of somebody who was claimed a moment ahead: requests keep their distance on the wire.
    pub(super) fn turn(&self, claim: &Claim, since: Duration) -> Option<Duration> {
        let wait = (since + claim.turn).saturating_sub(self.clock.boot());
        (wait >= FINEST).then_some(wait)
    }

    /// Sends to one person: one request, one answer. What it came to, and how long it took.
    pub async fn send(&self, page: &Page, claim: &Claim, gate: Arc<Gate>) -> (Sent, Duration) {
        let began = self.clock.boot();
        let draw = claim.optin.0.unsigned_abs();
        let variant = page.template.choose(claim.locale.as_deref(), draw);
        let message = variant.render(&self.store.tokens().mint(claim.attempt));
        let letter = Letter { page: page.id.clone(), login: claim.login.clone(), message, gate };
        let mut sent = (self.post)(letter).await;
        if let Some(ending) = &mut sent.ending {
            ending.variant = Some(variant.name().to_owned());
        }
        let outcome = sent.ending.as_ref().map_or("given_back", |ending| ending.outcome.as_str());
        let took = self.clock.boot().saturating_sub(began);
        self.metrics.sent(outcome, took);
        tell(page, claim, outcome, &sent);
        (sent, took)
    }
}

/// The attempt's end as a signal.
#[must_use]
pub fn report(claim: &Claim, sent: Sent) -> Signal {
    Signal::Attempt { optin: claim.optin, attempt: claim.attempt, ending: sent.ending }
}

fn tell(page: &Page, claim: &Claim, outcome: &str, sent: &Sent) {
    let ending = sent.ending.as_ref();
    let (code, subcode) = ending.map_or((None, None), |ending| (ending.code, ending.subcode));
    if outcome == "accepted" {
        tracing::debug!(page = %page.id, optin = %claim.optin, attempt = %claim.attempt, outcome, "sent");
    } else {
        let trace = ending.and_then(|ending| ending.fbtrace_id.as_deref());
        tracing::info!(page = %page.id, optin = %claim.optin, attempt = %claim.attempt, outcome, code, subcode, trace, "not sent");
    }
}
