//! The protocol as a model: one person, two nodes, a platform, an operator. Every change of the row is the production
//! function [`step`]; what nodes, platform and operator may do around it, in any order, is here.

use std::time::Duration;

use firstword::domain::ids::{AttemptId, LoginId, PageId};
use firstword::domain::optin::{OptIn, Reason, State};
use firstword::domain::outcome::{Outcome, Then};
use firstword::domain::policy::Policy;
use firstword::domain::retry::Retry;
use firstword::domain::state::{Context, Event, Verdict, claimable, step};
use firstword::domain::time::Timestamp;
use firstword::domain::window::Window;

use crate::explore::{Model, Word};
use crate::relation::{End, Truth, by_time, settled};

const START: Timestamp = Timestamp::from_ms(1_790_000_000_000);

/// How rows change: the production function, or one that a test has spoilt.
pub(crate) type Change = fn(&mut OptIn, &Event, &Context<'_>) -> Verdict;

/// What a node is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Phase {
    /// Claimed; the gate has not decided.
    AtTheGate,
    /// The body left.
    OnItsWay,
    /// The attempt's end is known here, and not recorded yet.
    Ended(End),
    /// Recorded, but the commit's answer was lost: it will be recorded again.
    Unsure(End),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Flight {
    attempt: i64,
    /// When the node read its clock before the claim, in seconds.
    asked: u64,
    phase: Phase,
}

/// Everything. The row is kept as it is; its times are all on whole seconds or follow from them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct World {
    /// Seconds since the start.
    now: u64,
    pub(crate) row: OptIn,
    nodes: [Option<Flight>; 2],
    /// Bodies that left: attempt and fate.
    requests: Vec<(i64, Truth)>,
    claims: u8,
    crashes: u8,
    repeats: u8,
    orders: u8,
    /// What went wrong on the way here.
    wrong: Option<&'static str>,
}

impl std::hash::Hash for World {
    fn hash<H: std::hash::Hasher>(&self, hasher: &mut H) {
        let row = &self.row;
        (self.now, self.nodes, &self.requests, self.claims, self.crashes, self.repeats, self.orders).hash(hasher);
        (row.state.as_str(), row.fence.map(|fence| fence.0), row.attempts, row.opted_out_at.is_some()).hash(hasher);
        (row.maybe_greeted_at.is_some(), row.next_attempt_at, row.lease_until).hash(hasher);
    }
}

impl World {
    /// Two worlds in which the same can happen are one: nodes have no names, nobody asks when something became true, and
    /// a refused request is forgotten with the flight that waits for its answer.
    fn plain(mut self) -> Self {
        let row = &mut self.row;
        row.state_since = START;
        row.reason = None;
        for fact in [&mut row.maybe_greeted_at, &mut row.opted_out_at, &mut row.sent_at] {
            *fact = fact.map(|_| START);
        }
        row.lease_until = row.lease_until.filter(|_| row.state == State::Sending);
        for flight in self.nodes.iter_mut().flatten().filter(|flight| flight.phase != Phase::AtTheGate) {
            flight.asked = 0;
        }
        self.nodes.sort_unstable_by_key(|flight| flight.map(|flight| flight.attempt));
        let nodes = self.nodes;
        let awaited = |attempt| nodes.iter().flatten().any(|flight| flight.attempt == attempt);
        self.requests.retain(|(attempt, fate)| *fate != Truth::Refused || awaited(*attempt));
        self
    }
}

/// The model and its bounds.
pub(crate) struct Protocol {
    pub(crate) change: Change,
    pub(crate) policy: Policy,
    pub(crate) claims: u8,
    pub(crate) crashes: u8,
    pub(crate) repeats: u8,
    pub(crate) orders: u8,
    pub(crate) stops: bool,
    /// Whether anybody looks whose hard stop has passed.
    pub(crate) misses: bool,
}

impl Protocol {
    pub(crate) fn new() -> Self {
        let window = Window {
            window: Duration::from_secs(22),
            safety_margin: Duration::from_secs(2),
            start_within: Duration::from_secs(2),
            request_timeout: Duration::from_secs(2),
        };
        let retry = Retry {
            initial_interval: Duration::from_secs(4),
            multiplier: 1.0,
            randomization_factor: 0.0,
            max_interval: Duration::from_secs(4),
        };
        let policy = Policy { window, retry, ..Policy::default() };
        Self { change: step, policy, claims: 3, crashes: 1, repeats: 1, orders: 1, stops: true, misses: true }
    }

    /// Where something is wrong that needs no crash and no stop, a smaller model finds it sooner.
    pub(crate) fn small() -> Self {
        Self { claims: 2, crashes: 0, stops: false, ..Self::new() }
    }

    fn time(seconds: u64) -> Timestamp {
        START.plus(Duration::from_secs(seconds))
    }

    fn hard_stop(&self) -> u64 {
        self.policy.window.usable().as_secs()
    }

    fn end(&self) -> u64 {
        self.hard_stop() + self.policy.window.lease().as_secs() + 1
    }

    /// The row after an event, as a node whose clock was read at `at` applies it.
    fn apply(&self, world: &World, event: &Event, at: u64) -> World {
        let mut world = world.clone();
        let context = Context { now: Self::time(at), policy: &self.policy, random: 1 << 63 };
        (self.change)(&mut world.row, event, &context);
        world
    }

    fn claim(&self, world: &World, node: usize, asked: u64, next: &mut Vec<(Word, World)>) {
        let at = Self::time(asked);
        if world.nodes[node].is_some() || world.claims >= self.claims || !claimable(&world.row, at, &self.policy) {
            return;
        }
        let attempt = i64::from(world.claims) + 1;
        let lease_until = at.plus(self.policy.window.lease());
        let event = Event::Claimed { attempt: AttemptId(attempt), lease_until };
        let mut world = self.apply(world, &event, asked);
        world.claims += 1;
        world.nodes[node] = Some(Flight { attempt, asked, phase: Phase::AtTheGate });
        next.push(((asked, "asked then, a node claims by", attempt), world));
    }

    /// A gate may stay closed at any time, as when a stop reaches it; that one does, nobody relies on here.
    fn gate(&self, world: &World, node: usize, flight: Flight, next: &mut Vec<(Word, World)>) {
        let start_within = self.policy.window.start_within.as_secs();
        let opens = world.now - flight.asked < start_within && world.now < self.hard_stop();
        for end in Truth::Unsent.ends() {
            let mut refused = world.clone();
            refused.nodes[node] = Some(Flight { phase: Phase::Ended(*end), ..flight });
            next.push(((world.now, "the gate stays closed of", flight.attempt), refused));
        }
        if !opens {
            return;
        }
        let mut left = world.clone();
        left.nodes[node] = Some(Flight { phase: Phase::OnItsWay, ..flight });
        if world.requests.iter().any(|(_, fate)| *fate != Truth::Refused) {
            left.wrong = Some("a second request started, and an earlier one had not surely failed");
        }
        if world.now >= self.hard_stop() {
            left.wrong = Some("a body left after the hard stop");
        }
        left.requests.push((flight.attempt, Truth::OnItsWay));
        next.push(((world.now, "the body leaves of", flight.attempt), left));
    }

    fn answers(world: &World, node: usize, flight: Flight, next: &mut Vec<(Word, World)>) {
        let fate = world.requests.iter().find(|(attempt, _)| *attempt == flight.attempt).map(|(_, fate)| *fate);
        for end in fate.unwrap_or(Truth::OnItsWay).ends() {
            let mut told = world.clone();
            told.nodes[node] = Some(Flight { phase: Phase::Ended(*end), ..flight });
            let told_by = match end {
                End::Accepted => "its node learns that it was accepted:",
                End::Refused => "its node learns that it was refused:",
                _ => "its node gets no answer:",
            };
            next.push(((world.now, told_by, flight.attempt), told));
        }
    }

    fn record(&self, world: &World, node: usize, flight: Flight, end: End, next: &mut Vec<(Word, World)>) {
        let event = end.report(AttemptId(flight.attempt), &Outcome::Retry(Then::Again));
        let mut done = self.apply(world, &event, world.now);
        done.nodes[node] = None;
        if world.repeats < self.repeats && matches!(flight.phase, Phase::Ended(_)) {
            let mut unsure = done.clone();
            unsure.repeats += 1;
            unsure.nodes[node] = Some(Flight { phase: Phase::Unsure(end), ..flight });
            next.push(((world.now, "recorded, and its node is not told:", flight.attempt), unsure));
        }
        next.push(((world.now, "recorded:", flight.attempt), done));
    }

    /// What time alone does, by a node whose clock was read at `at`.
    fn passes(&self, world: &World, at: u64, next: &mut Vec<(Word, World)>) {
        // Nodes spare what they run themselves; here the other node may always be the one that looks.
        for (word, event) in by_time((1..=i64::from(world.claims)).map(AttemptId)) {
            if self.misses || event != Event::HardStop {
                next.push(((at, word, 0), self.apply(world, &event, at)));
            }
        }
    }

    fn node(&self, world: &World, node: usize, next: &mut Vec<(Word, World)>) {
        let Some(flight) = world.nodes[node] else {
            // A slow database may commit what was asked a while ago.
            for asked in [world.now, world.now.saturating_sub(3)] {
                self.claim(world, node, asked, next);
            }
            return;
        };
        match flight.phase {
            Phase::AtTheGate => self.gate(world, node, flight, next),
            Phase::OnItsWay => Self::answers(world, node, flight, next),
            Phase::Ended(end) | Phase::Unsure(end) => self.record(world, node, flight, end, next),
        }
        if world.crashes < self.crashes {
            let mut dead = world.clone();
            dead.crashes += 1;
            dead.nodes[node] = None;
            next.push(((world.now, "a node dies with", flight.attempt), dead));
        }
    }

    fn platform(world: &World, next: &mut Vec<(Word, World)>) {
        for (place, (attempt, fate)) in world.requests.iter().enumerate() {
            if *fate == Truth::OnItsWay {
                for (decided, word) in
                    [(Truth::Accepted, "the platform accepts"), (Truth::Refused, "the platform refuses")]
                {
                    let mut world = world.clone();
                    world.requests[place].1 = decided;
                    next.push(((world.now, word, *attempt), world));
                }
            }
        }
    }

    /// The person says stop; an operator settles by what the platform shows.
    fn others(&self, world: &World, next: &mut Vec<(Word, World)>) {
        let now = Self::time(world.now);
        if self.stops && world.row.opted_out_at.is_none() {
            let stop = Event::OptedOut { at: now, reason: Reason::OptOutEvent };
            next.push(((world.now, "the person says stop", 0), self.apply(world, &stop, world.now)));
        }
        let told = settled(world.requests.iter().map(|(_, fate)| *fate));
        if let Some(delivered) = told.filter(|_| world.row.state == State::Uncertain && world.orders < self.orders) {
            let settle = Event::Settle { delivered, before: now.plus(Duration::from_millis(1)) };
            let mut settled = self.apply(world, &settle, world.now);
            settled.orders += 1;
            next.push(((world.now, "an operator settles, delivered:", i64::from(delivered)), settled));
        }
    }

    /// Time goes on to where something changes by it.
    fn wait(&self, world: &World, next: &mut Vec<(Word, World)>) {
        let since = |time: Timestamp| time.since(START).as_millis().div_ceil(1000).try_into().unwrap_or(0);
        let gates = world.nodes.iter().flatten().filter(|flight| flight.phase == Phase::AtTheGate);
        let gates = gates.map(|flight| flight.asked + self.policy.window.start_within.as_secs());
        let row = [world.row.next_attempt_at, world.row.lease_until].into_iter().flatten().map(since);
        let marks = gates.chain(row).chain([self.hard_stop() - 1, self.hard_stop(), self.end()]);
        if let Some(mark) = marks.filter(|mark| *mark > world.now).min() {
            next.push(((mark, "time goes on", 0), World { now: mark, ..world.clone() }));
        }
    }
}

impl Model for Protocol {
    type State = World;

    fn start(&self) -> World {
        let (page, login) = (PageId::new("1001").unwrap(), LoginId::new("somebody").unwrap());
        let row = OptIn { state: State::Pending, ..OptIn::unborn(page, login, START, START) };
        World {
            now: 0,
            row,
            nodes: [None; 2],
            requests: Vec::new(),
            claims: 0,
            crashes: 0,
            repeats: 0,
            orders: 0,
            wrong: None,
        }
    }

    fn next(&self, world: &World) -> Vec<(Word, World)> {
        let mut next = Vec::new();
        (0..2).for_each(|node| self.node(world, node, &mut next));
        self.passes(world, world.now, &mut next);
        Self::platform(world, &mut next);
        self.others(world, &mut next);
        self.wait(world, &mut next);
        next.into_iter().map(|(word, world)| (word, world.plain())).collect()
    }

    fn wrong(&self, world: &World) -> Option<String> {
        let accepted = world.requests.iter().filter(|(_, fate)| *fate == Truth::Accepted).count();
        if accepted > 1 {
            return Some("at most one accepted: two were".into());
        }
        world.wrong.map(str::to_owned)
    }

    /// No one is forgotten: whoever nothing will happen to any more waits for the person or for evidence, or is final.
    fn wrong_at_the_end(&self, world: &World) -> Option<String> {
        let named = world.row.state.is_final() || matches!(world.row.state, State::Sent | State::Uncertain);
        let greeted = world.requests.iter().any(|(_, fate)| *fate == Truth::Accepted);
        let untrue = match world.row.state {
            State::Sent => !greeted,
            State::Missed | State::Unavailable => greeted,
            _ => false,
        };
        (!named || untrue)
            .then(|| format!("no one forgotten: left {} for ever, greeted: {greeted}", world.row.state.as_str()))
    }
}
