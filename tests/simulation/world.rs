//! What is true, whatever Firstword believes: who consented, who said stop, what left, what the platform took. Every
//! promise about a single request is judged here, at the moment its body leaves, and by nothing of Firstword's own.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use firstword::domain::ids::{AttemptId, LoginId, OptInId, PageId, Psid};
use firstword::domain::policy::UncertainPolicy;
use firstword::domain::signal::Signal;
use firstword::domain::time::Timestamp;
use firstword::store::claim::Claim;

use crate::promise::{Broken, Promise};
use crate::scenario::Scenario;
use crate::stage::Stage;

/// A request whose body left.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) attempt: AttemptId,
    pub(crate) left_at: Timestamp,
    /// What the platform did with it; `None` while it is on its way.
    pub(crate) accepted: Option<bool>,
}

/// Something a person did, and since which step the store knows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    pub(crate) at: Timestamp,
    pub(crate) step: u64,
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is true or not of a person, whatever the others are")]
pub(crate) struct Person {
    pub(crate) page: PageId,
    pub(crate) login: LoginId,
    pub(crate) psid: Psid,
    /// Nobody can write to them.
    pub(crate) blocked: bool,
    pub(crate) consents: Vec<Told>,
    pub(crate) stops: Vec<Told>,
    pub(crate) replies: Vec<Told>,
    pub(crate) requests: Vec<Request>,
    /// Another app wrote to them.
    pub(crate) elsewhere: bool,
    /// An operator said that the message arrived.
    pub(crate) vouched: bool,
    /// Since which step the store knows that a message arrived.
    pub(crate) arrival_known: Option<u64>,
    /// Whether policy sent again in spite of a doubt.
    pub(crate) risked: bool,
}

impl Person {
    pub(crate) fn is_greeted(&self) -> bool {
        self.requests.iter().any(|request| request.accepted == Some(true))
    }

    pub(crate) fn is_on_its_way(&self) -> bool {
        self.requests.iter().any(|request| request.accepted.is_none())
    }
}

/// A claim that was committed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    pub(crate) person: usize,
    pub(crate) node: usize,
    /// Virtual time when the node asked, and the step in which it was given.
    pub(crate) asked_at: Timestamp,
    pub(crate) step: u64,
}

/// What a webhook or a site's call tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fact {
    Consent { person: usize, at: Timestamp },
    Stop { person: usize, at: Timestamp },
    Reply { person: usize, at: Timestamp },
    Elsewhere { person: usize },
    Nothing,
}

/// Everything that is true.
pub(crate) struct World {
    pub(crate) stage: Stage,
    pub(crate) scenario: Scenario,
    pub(crate) people: Vec<Person>,
    pub(crate) taken: HashMap<AttemptId, Taken>,
    /// Stops of attempts that reached their node.
    pub(crate) heard: HashSet<(usize, AttemptId)>,
    /// How many people were claimed to probe a held page.
    pub(crate) probes: u64,
    /// Outcomes that are recorded once more when the person's next attempt is out.
    pub(crate) late_reports: HashMap<OptInId, Signal>,
    /// The number of the present step.
    pub(crate) step: u64,
    pub(crate) broken: Option<Broken>,
}

impl World {
    pub(crate) fn person_of(&self, page: &PageId, login: &LoginId) -> Option<usize> {
        self.people.iter().position(|person| person.page == *page && person.login == *login)
    }

    /// The first promise broken is the one that is told.
    pub(crate) fn breaks(&mut self, promise: Promise, what: String) {
        let at = self.stage.now();
        self.stage.say(|| format!("BROKEN {}: {what}", promise.name()));
        self.broken.get_or_insert(Broken { promise, at, what });
    }

    /// The store has committed this.
    pub(crate) fn knows(&mut self, fact: Fact) {
        let told = |at| Told { at, step: self.step };
        match fact {
            Fact::Consent { person, at } => self.people[person].consents.push(told(at)),
            Fact::Stop { person, at } => self.people[person].stops.push(told(at)),
            Fact::Reply { person, at } => {
                self.people[person].replies.push(told(at));
                self.arrived(person);
            }
            Fact::Elsewhere { person } => self.people[person].elsewhere = true,
            Fact::Nothing => {}
        }
    }

    /// The store has committed that an attempt was accepted.
    pub(crate) fn told_of_arrival(&mut self, attempt: AttemptId) {
        if let Some(taken) = self.taken.get(&attempt).copied() {
            self.arrived(taken.person);
        }
    }

    /// The store has committed that a message arrived.
    pub(crate) fn arrived(&mut self, person: usize) {
        self.people[person].arrival_known.get_or_insert(self.step);
    }

    /// A claim was given: nobody may be claimed who said stop before.
    pub(crate) fn claimed(&mut self, node: usize, asked_at: Timestamp, claim: &Claim) {
        let step = self.step;
        let Some(person) = self.person_of(&claim.page, &claim.login) else {
            return self.breaks(Promise::NeverTwo, format!("attempt {} is for nobody who opted in", claim.attempt));
        };
        let taken = Taken { person, node, asked_at, step };
        if self.taken.insert(claim.attempt, taken).is_some() {
            // A number given twice means that the first claim was never committed.
            self.breaks(Promise::NeverTwo, format!("attempt {} was given twice", claim.attempt));
        }
        if let Some(stop) = self.stop_before(person, step) {
            let what =
                format!("person {person} was claimed by attempt {}, and had said stop at {}", claim.attempt, stop.at);
            self.breaks(Promise::NeverAfterStop, what);
        }
    }

    /// A stop that the store knew before a step, if no later consent was known by then.
    fn stop_before(&self, person: usize, step: u64) -> Option<Told> {
        let person = &self.people[person];
        let latest = person.consents.iter().filter(|told| told.step <= step).map(|told| told.at).max();
        let said = person.stops.iter().filter(|told| told.step < step).max_by_key(|told| told.at)?;
        latest.is_none_or(|consent| consent <= said.at).then_some(*said)
    }

    /// A body leaves: the moment every promise about requests is judged by.
    pub(crate) fn leaves(&mut self, node: usize, page: &PageId, login: &LoginId, attempt: Option<AttemptId>) -> usize {
        let now = self.stage.now();
        let found = attempt.and_then(|attempt| Some((attempt, *self.taken.get(&attempt)?)));
        let Some((attempt, taken)) = found else {
            self.breaks(Promise::NeverTwo, format!("a body left that no claim stands for (attempt {attempt:?})"));
            return 0;
        };
        let person = taken.person;
        if self.person_of(page, login) != Some(person) || taken.node != node {
            self.breaks(Promise::NeverTwo, format!("attempt {attempt} left for somebody else, or from another node"));
        }
        self.judge_number(person, attempt, taken);
        self.judge_time(person, attempt, taken, now);
        self.judge_stop(person, attempt, taken, now);
        self.people[person].requests.push(Request { attempt, left_at: now, accepted: None });
        person
    }

    /// No second request starts unless every earlier one surely did not arrive, but for the one that policy may risk.
    fn judge_number(&mut self, person: usize, attempt: AttemptId, taken: Taken) {
        let known = &self.people[person];
        let earlier: Vec<&Request> = known.requests.iter().filter(|earlier| earlier.accepted != Some(false)).collect();
        let Some(Request { attempt: first, accepted, left_at }) = earlier.first().copied().cloned() else { return };
        if earlier.len() == 1 && self.may_risk(known, first, taken) {
            self.people[person].risked = true;
            return;
        }
        let state = if accepted == Some(true) { "was accepted" } else { "is still on its way" };
        let what = format!("attempt {attempt} left for person {person}, and attempt {first} of {left_at} {state}");
        self.breaks(Promise::NeverTwo, what);
    }

    /// `resend` prefers a second message to none: one, when the doubt is old, and the store knew of no arrival.
    fn may_risk(&self, person: &Person, first: AttemptId, second: Taken) -> bool {
        let (policy, window) = (&self.scenario.policy, self.scenario.window());
        let lease = window.start_within + window.request_timeout + Duration::from_secs(2);
        let old = self.taken.get(&first).is_some_and(|first| {
            second.asked_at.plus(crate::node::CLOCK_ERROR * 2) >= first.asked_at.plus(lease + policy.settle_after)
        });
        let unknown = person.arrival_known.is_none_or(|known| known >= second.step);
        policy.uncertain == UncertainPolicy::Resend && old && unknown
    }

    /// No body leaves after the hard stop, by the later of store clock and platform clock.
    fn judge_time(&mut self, person: usize, attempt: AttemptId, taken: Taken, now: Timestamp) {
        let mut consents: Vec<Timestamp> =
            self.people[person].consents.iter().filter(|told| told.step <= taken.step).map(|told| told.at).collect();
        consents.sort_unstable();
        // What comes within ten minutes is the same consent, told by another source: its earliest time counts.
        let mut latest: Option<Timestamp> = None;
        for at in consents {
            if latest.is_none_or(|first| at >= first.plus(self.scenario.policy.reopen_after)) {
                latest = Some(at);
            }
        }
        let window = self.scenario.window();
        let margins = window.safety_margin + window.start_within + window.request_timeout;
        let stop = latest.map(|at| at.plus(window.window.saturating_sub(margins)));
        let by_platform = now.plus(self.scenario.ahead);
        // A node compares its clock with the store's, and is off by half a round trip at most.
        if stop.is_none_or(|stop| by_platform >= stop.plus(crate::node::CLOCK_ERROR)) {
            let stop = stop.map_or("there was no opt-in".to_owned(), |stop| format!("the hard stop was {stop}"));
            let what = format!("attempt {attempt} left for person {person} at {by_platform}, and {stop}");
            self.breaks(Promise::NeverLate, what);
        }
    }

    /// After a stop: not if it reached the node before the gate, and never more than two seconds after the claim.
    fn judge_stop(&mut self, person: usize, attempt: AttemptId, taken: Taken, now: Timestamp) {
        if self.heard.contains(&(taken.node, attempt)) {
            let what = format!("attempt {attempt} left for person {person}, and its node had heard the stop");
            self.breaks(Promise::NeverAfterStop, what);
        }
        let Some(stop) = self.stop_before(person, self.step) else { return };
        let since = now.since(taken.asked_at);
        if since > Duration::from_secs(2) {
            let what = format!(
                "attempt {attempt} left for person {person} {since:?} after its claim, and they had said stop at {}",
                stop.at
            );
            self.breaks(Promise::NeverAfterStop, what);
        }
    }

    /// The platform decided about a request.
    pub(crate) fn decides(&mut self, person: usize, attempt: AttemptId, accepted: bool) {
        let requests = &mut self.people[person].requests;
        if let Some(request) = requests.iter_mut().find(|request| request.attempt == attempt) {
            request.accepted = Some(accepted);
        }
        let greeted = requests.iter().filter(|request| request.accepted == Some(true)).count();
        if greeted > 1 + usize::from(self.people[person].risked) {
            self.breaks(
                Promise::NeverTwo,
                format!("person {person} got two messages, the second by attempt {attempt}"),
            );
        }
    }
}
