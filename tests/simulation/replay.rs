//! The traces of the simulation, replayed through the model's transition relation: after every turn each row must be where
//! the production function [`step`] leads it by few events that the relation allows there. What the store does by other
//! statements than that function (claims, plain acceptances, whole groups) is held against it as well.

use std::collections::HashMap;
use std::time::Duration;

use firstword::domain::ids::{AttemptId, LoginId, PageId};
use firstword::domain::optin::{OptIn, Reason, State};
use firstword::domain::outcome::{Outcome, Then};
use firstword::domain::policy::{Policy, UncertainPolicy};
use firstword::domain::state::{Context, Event, Tombstone, step};
use firstword::domain::time::Timestamp;
use firstword::store::Store;

use crate::node::CLOCK_ERROR;
use crate::promise::Promise;
use crate::raw::Raw;
use crate::relation::{Truth, by_time, settled};
use crate::world::{Person, World};

/// More events than this do not meet one row in one turn: a group commit has no more actors.
const MOST_EVENTS: usize = 4;

/// The rows as they were after the last turn.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    known: HashMap<(PageId, LoginId), OptIn>,
    /// The version of the data then.
    version: Option<i64>,
    /// How many changes of rows were led back to the relation.
    pub(crate) changes: u64,
    /// A statement past the store, once it finds a row: the relation must find that out.
    meddling: Option<&'static str>,
}

impl Replay {
    /// One into which somebody puts a hand.
    pub(crate) fn meddled(statement: &'static str) -> Self {
        Self { meddling: Some(statement), ..Self::default() }
    }

    /// Looks at every row after a turn.
    pub(crate) async fn follow(&mut self, store: &Store, raw: &Raw, world: &std::sync::Mutex<World>) {
        let version = Some(raw.version().await);
        if self.version == version {
            return;
        }
        self.version = version;
        self.look(store, world).await;
        if let Some(statement) = self.meddling
            && raw.meddle(statement).await > 0
        {
            self.meddling = None;
            self.look(store, world).await;
        }
    }

    async fn look(&mut self, store: &Store, world: &std::sync::Mutex<World>) {
        let names: Vec<(PageId, LoginId)> = {
            let world = world.lock().unwrap();
            world.people.iter().map(|person| (person.page.clone(), person.login.clone())).collect()
        };
        for (number, name) in names.into_iter().enumerate() {
            let row = store.optins_of_login(&name.1, Some(&name.0)).await.unwrap().pop();
            let before = self.known.get(&name);
            if before != row.as_ref() {
                self.changes += 1;
                let mut world = world.lock().unwrap();
                let wrong = Change { world: &world, person: number }.unexplained(before, row.as_ref());
                if let Some(wrong) = wrong {
                    world.breaks(Promise::AsTheModel, wrong);
                }
            }
            match row {
                Some(row) => _ = self.known.insert(name, row),
                None => _ = self.known.remove(&name),
            }
        }
    }
}

/// A change of one person's row.
struct Change<'a> {
    world: &'a World,
    person: usize,
}

/// What is compared of a row: everything that decides what may happen next, without the moments of which nodes differ.
fn shape(row: &OptIn) -> impl PartialEq + use<> {
    let facts =
        [row.maybe_greeted_at, row.opted_out_at, row.resent_at, row.sent_at, row.replied_at].map(|at| at.is_some());
    let lease = row.lease_until.filter(|_| row.state == State::Sending);
    let due = row.next_attempt_at.is_some();
    let consent = (row.cycle, row.opted_in_at, row.renewed_at, row.greeted_elsewhere);
    (row.state, consent, facts, row.attempts, row.doubtful, row.fence, lease, due)
}

impl Change<'_> {
    fn person(&self) -> &Person {
        &self.world.people[self.person]
    }

    fn policy(&self) -> &Policy {
        &self.world.scenario.policy
    }

    /// Why a change is none that the relation allows.
    fn unexplained(&self, before: Option<&OptIn>, after: Option<&OptIn>) -> Option<String> {
        let Some(after) = after else {
            let before = before.filter(|row| !row.state.is_final())?;
            return Some(format!("opt-in {} is gone and was {}", before.id, before.state.as_str()));
        };
        let starts = before.map_or_else(|| self.births(after), |before| vec![before.clone()]);
        let events = self.events(before, after);
        let mut layer = starts;
        for _ in 0..=MOST_EVENTS {
            if layer.iter().any(|row| shape(row) == shape(after)) {
                return None;
            }
            layer = self.following(&layer, &events, after);
        }
        Some(format!("no way of the model leads from {before:?} to {after:?}"))
    }

    /// How a row may come to be: by a consent of its own time, or by what the person said without one.
    fn births(&self, after: &OptIn) -> Vec<OptIn> {
        let born = |at| OptIn::unborn(after.page.clone(), after.login.clone(), at, after.state_since);
        let consents = self.person().consents.iter().map(|told| told.at);
        consents.chain([after.opted_in_at]).map(born).collect()
    }

    /// Every row that one event more leads to, each once.
    fn following(&self, layer: &[OptIn], events: &[Event], after: &OptIn) -> Vec<OptIn> {
        let mut next: Vec<OptIn> = Vec::new();
        for row in layer {
            for at in self.moments(row, after) {
                for event in events {
                    let mut changed = row.clone();
                    step(&mut changed, event, &Context { now: at, policy: self.policy(), random: 0 });
                    if changed != *row && !next.iter().any(|known| shape(known) == shape(&changed)) {
                        next.push(changed);
                    }
                }
            }
        }
        next
    }

    /// When a node may think it is: now, or, with an old look at the clock, any time since the row is what it is. What it
    /// does differs only before and after the hard stop.
    fn moments(&self, row: &OptIn, after: &OptIn) -> Vec<Timestamp> {
        let latest = self.world.stage.now().plus(CLOCK_ERROR);
        let stop = self.policy().window.hard_stop(row.opted_in_at);
        let mut moments = vec![latest, latest.min(after.state_since), latest.min(stop.minus(Duration::from_millis(1)))];
        moments.dedup();
        moments
    }

    fn events(&self, before: Option<&OptIn>, after: &OptIn) -> Vec<Event> {
        let mut events: Vec<Event> = self.claim(before, after).into_iter().collect();
        events.extend(self.reports());
        events.extend(self.time_and_operators());
        events.extend(self.what_people_did());
        events
    }

    /// Every attempt of this person, and what is true of it.
    fn attempts(&self) -> impl Iterator<Item = (AttemptId, Truth)> + '_ {
        let taken = self.world.taken.iter().filter(|(_, taken)| taken.person == self.person);
        taken.map(|(attempt, _)| {
            let request = self.person().requests.iter().find(|request| request.attempt == *attempt);
            let truth = match request.map(|request| request.accepted) {
                None => Truth::Unsent,
                Some(None) => Truth::OnItsWay,
                Some(Some(true)) => Truth::Accepted,
                Some(Some(false)) => Truth::Refused,
            };
            (*attempt, truth)
        })
    }

    /// A claim by which the row is what it is: its fence only grows, and its lease counts from when its node asked, by the
    /// later of store clock and platform clock.
    fn claim(&self, before: Option<&OptIn>, after: &OptIn) -> Option<Event> {
        let (attempt, lease_until) = (after.fence?, after.lease_until?);
        let taken = self.world.taken.get(&attempt)?;
        let asked_at = lease_until.minus(self.policy().window.lease());
        let right = asked_at.plus(CLOCK_ERROR) >= taken.asked_at
            && asked_at <= self.world.stage.now().plus(CLOCK_ERROR + self.world.scenario.ahead)
            && before.is_none_or(|row| row.fence < Some(attempt));
        right.then_some(Event::Claimed { attempt, lease_until })
    }

    fn reports(&self) -> Vec<Event> {
        let mut events = Vec::new();
        for (attempt, truth) in self.attempts() {
            for end in truth.ends() {
                events.extend(refusals().iter().map(|refusal| end.report(attempt, refusal)));
            }
            if truth == Truth::Refused {
                let outcome = Outcome::Retry(Then::Person);
                events.push(Event::Ended { attempt, outcome, others_succeed: true });
            }
        }
        events.dedup();
        events
    }

    fn time_and_operators(&self) -> Vec<Event> {
        let mut events: Vec<Event> =
            by_time(self.attempts().map(|(attempt, _)| attempt)).map(|(_, event)| event).collect();
        events.extend([Event::AnswerOver, Event::Reprieved]);
        if self.policy().uncertain != UncertainPolicy::Hold {
            events.extend(self.attempts().map(|(attempt, _)| Event::SendAgain { attempt }));
        }
        let greeted = self.person().is_greeted();
        let stopped = self.person().stops.iter().map(|told| told.at).min();
        let grave = Tombstone { maybe_greeted: true, opted_out_at: stopped };
        let graves = [None, Some(grave), Some(Tombstone { maybe_greeted: false, ..grave })];
        events.extend(graves.map(|tombstone| Event::Admit { page_known: true, tombstone }));
        if self.world.scenario.operator > 0.0 {
            events.extend([Event::Cancel, Event::RetryNow]);
            let truths = self.attempts().map(|(_, truth)| truth);
            let before = self.world.stage.now().plus(CLOCK_ERROR);
            // An operator may have looked before a later attempt began to be under way.
            let delivered = settled(truths).unwrap_or(greeted);
            events.push(Event::Settle { delivered, before });
        }
        events
    }

    /// Consents, stops, replies and echoes: those of this person that are true.
    fn what_people_did(&self) -> Vec<Event> {
        let person = self.person();
        let at_all = |told: &[crate::world::Told]| told.iter().map(|told| told.at).collect::<Vec<_>>();
        let mut events: Vec<Event> =
            at_all(&person.consents).into_iter().map(|at| Event::Consent { at, own_time: true }).collect();
        for at in at_all(&person.stops) {
            events.push(Event::OptedOut { at, reason: Reason::OptOutEvent });
            events.extend([true, false].map(|this_cycle| Event::Replied { at, this_cycle, psid: None, stop: true }));
        }
        let now = self.world.stage.now();
        let arrived = |elsewhere| {
            let echo = |this_cycle| Event::Delivered { at: now, this_cycle, psid: None, message_id: None, elsewhere };
            [true, false].map(echo)
        };
        events.extend(person.elsewhere.then(|| arrived(true)).into_iter().flatten());
        if person.is_greeted() {
            events.extend(arrived(false));
            events.extend([true, false].map(|this_cycle| Event::Replied {
                at: now,
                this_cycle,
                psid: None,
                stop: false,
            }));
        }
        events
    }
}

/// Every class of error in which a request surely did not arrive.
fn refusals() -> Vec<Outcome> {
    let thens = [Then::Again, Then::Person, Then::Page, Then::Content];
    let mut all: Vec<Outcome> = thens.into_iter().map(Outcome::Retry).collect();
    all.extend([
        Outcome::Throttled { regain: None },
        Outcome::PersonUnavailable(Reason::Unavailable),
        Outcome::WindowClosed,
        Outcome::PageHold,
        Outcome::ContentHold,
    ]);
    all
}
