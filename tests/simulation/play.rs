//! One seed, from the first opt-in to the last named state.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use firstword::domain::ids::AttemptId;
use firstword::domain::time::Timestamp;
use firstword::store::Store;
use tokio::sync::broadcast::error::TryRecvError;

use crate::ending;
use crate::happening::{Calendar, Happening};
use crate::node::{FOR_EVER, Ground, Node};
use crate::people::{Script, gather, page};
use crate::platform::Shared;
use crate::promise::{Broken, Promise};
use crate::raw::{Raw, Stored};
use crate::replay::Replay;
use crate::scenario::Scenario;
use crate::stage::{ActorId, Next, Parked, Part, START, Stage, Step};
use crate::world::{Fact, Person, World};

/// A simulation that takes more turns than this does not come to rest.
const MOST_STEPS: u64 = 20_000;
/// The same for each person, where there are many.
const MOST_STEPS_EACH: u64 = 200;
const MOST_CRASHES: u32 = 8;
const MOST_PAUSES: u32 = 12;
/// The most actors in one group commit.
const MOST_TOGETHER: usize = 6;

/// How one seed went.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) hash: u64,
    pub(crate) broken: Option<Broken>,
    pub(crate) tail: Vec<String>,
    pub(crate) tally: Tally,
}

/// What one seed, or many, came to.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) seeds: u64,
    pub(crate) steps: u64,
    pub(crate) requests: u64,
    pub(crate) accepted: u64,
    pub(crate) crashes: u64,
    pub(crate) pauses: u64,
    /// Of the crowded days: how many were sent to in time, and how many the oracle could.
    pub(crate) on_time: u64,
    pub(crate) possible: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.steps += other.steps;
        self.requests += other.requests;
        self.accepted += other.accepted;
        self.crashes += other.crashes;
        self.pauses += other.pauses;
        self.on_time += other.on_time;
        self.possible += other.possible;
    }
}

struct Actor {
    node: Option<usize>,
    name: String,
    part: Part,
}

/// A simulation under way.
pub(crate) struct Play {
    pub(crate) stage: Stage,
    pub(crate) world: Shared,
    pub(crate) raw: Raw,
    pub(crate) ground: Ground,
    scenario: Scenario,
    calendar: Calendar,
    actors: BTreeMap<ActorId, Actor>,
    next_actor: ActorId,
    pub(crate) nodes: Vec<Option<Arc<Node>>>,
    lives: u64,
    url: String,
    pub(crate) tally: Tally,
    replay: Option<Replay>,
}

/// Plays one seed in a directory of its own.
pub(crate) async fn play(seed: u64, database: &Path, loud: bool) -> Played {
    let mut play = begin(seed, database, loud).await;
    let last = play.run().await;
    play.finish(last).await
}

/// The same, each change of a row held against the model; how many there were.
pub(crate) async fn play_following(seed: u64, database: &Path, replay: Replay) -> (Played, u64) {
    let mut play = begin(seed, database, false).await;
    play.replay = Some(replay);
    let last = play.run().await;
    let changes = play.replay.as_ref().map_or(0, |replay| replay.changes);
    (play.finish(last).await, changes)
}

async fn begin(seed: u64, database: &Path, loud: bool) -> Play {
    fastrand::seed(seed);
    let stage = Stage::new(seed, loud);
    let scenario = stage.dice(Scenario::of);
    Play::new(stage, scenario, database).await
}

/// A day of a chosen scenario, and what it left.
#[derive(Debug)]
pub(crate) struct Day {
    pub(crate) played: Played,
    pub(crate) rows: Vec<Stored>,
    pub(crate) people: Vec<Person>,
    /// How many people were claimed to probe a held page.
    pub(crate) probes: u64,
}

/// Plays a chosen scenario, in a directory of its own.
pub(crate) async fn play_day(scenario: Scenario, database: &Path) -> Day {
    const SEED: u64 = 1;
    fastrand::seed(SEED);
    let mut play = Play::new(Stage::new(SEED, false), scenario, database).await;
    let last = play.run().await;
    let rows = play.raw.rows().await;
    let world = Arc::clone(&play.world);
    let played = play.finish(last).await;
    let mut world = world.lock().unwrap();
    Day { played, rows, people: std::mem::take(&mut world.people), probes: world.probes }
}

impl Play {
    async fn new(stage: Stage, scenario: Scenario, database: &Path) -> Self {
        let url = format!("sqlite://{}", database.display());
        let calendar = Calendar::default();
        let people = stage.dice(|dice| gather(dice, &scenario, &calendar));
        let world = World {
            stage: stage.clone(),
            scenario: scenario.clone(),
            people,
            taken: HashMap::default(),
            heard: HashSet::default(),
            probes: 0,
            late_reports: HashMap::default(),
            step: 0,
            broken: None,
        };
        let world = Arc::new(Mutex::new(world));
        let raw = Raw::open(database).await;
        let store = open(&url, &scenario).await;
        let ground = Ground {
            store,
            stage: stage.clone(),
            world: Arc::clone(&world),
            calendar: calendar.clone(),
            raw: raw.clone(),
        };
        if stage.dice(|dice| dice.happens(0.15)) && !scenario.crowded {
            let restart = stage.dice(|dice| dice.ms(1000, 3_600_000));
            calendar.at(START.plus(restart), Happening::Restarts);
        }
        if scenario.forgets_soon() && !scenario.crowded {
            (1..=4).for_each(|turn| calendar.at(START.plus(Duration::from_hours(turn * 5)), Happening::Wakes));
        }
        let nodes = vec![None; scenario.nodes];
        let mut play = Self {
            stage,
            world,
            raw,
            ground,
            scenario,
            calendar,
            actors: BTreeMap::new(),
            next_actor: 0,
            nodes,
            lives: 0,
            url,
            tally: Tally { seeds: 1, ..Tally::default() },
            replay: None,
        };
        play.stage.say(|| format!("{:?}", play.scenario));
        (0..play.nodes.len()).for_each(|node| play.start(node));
        play
    }

    fn start(&mut self, node: usize) {
        if self.nodes[node].is_none() {
            self.lives += 1;
            self.nodes[node] = Some(Node::start(&self.ground, node, self.lives));
            self.greet_newcomers();
        }
    }

    fn greet_newcomers(&mut self) {
        let now = self.stage.now();
        loop {
            let newcomers = std::mem::take(&mut self.stage.lock().newcomers);
            if newcomers.is_empty() {
                return;
            }
            for newcomer in newcomers {
                self.next_actor += 1;
                let node = newcomer.node.and_then(|node| self.nodes[node].as_ref());
                let at = node.map_or(now, |node| node.thawed(now));
                let parked = Parked { at, next: Next::Alone, what: "enters" };
                self.stage.lock().parked.insert(self.next_actor, parked);
                let actor = Actor { node: newcomer.node, name: newcomer.name, part: newcomer.part };
                self.actors.insert(self.next_actor, actor);
            }
        }
    }

    /// Turn after turn, until nothing is left to happen or a promise is broken.
    async fn run(&mut self) -> Option<Broken> {
        loop {
            if let Some(broken) = self.broken() {
                return Some(broken);
            }
            self.tally.steps += 1;
            let most = MOST_STEPS.max(MOST_STEPS_EACH * self.scenario.people as u64);
            if self.tally.steps > most {
                let what = format!("no rest after {most} turns; {}", ending::open(&self.raw).await);
                self.world.lock().unwrap().breaks(Promise::NeverForgotten, what);
                continue;
            }
            self.world.lock().unwrap().step += 1;
            let far = START.plus(FOR_EVER / 2);
            let actor = self.next_turn().filter(|(at, _)| *at < far);
            match (self.calendar.next(), actor) {
                (Some(at), Some((turn, _))) if at <= turn => self.happen(at).await,
                (Some(at), None) => self.happen(at).await,
                (_, Some((at, actor))) => self.act(at, actor).await,
                (None, None) => return None,
            }
            self.after().await;
            if let Some(replay) = &mut self.replay {
                replay.follow(&self.ground.store, &self.raw, &self.world).await;
            }
        }
    }

    fn broken(&self) -> Option<Broken> {
        self.world.lock().unwrap().broken.clone()
    }

    /// Whose turn it is: the earliest; of several at once the dice choose.
    fn next_turn(&self) -> Option<(Timestamp, ActorId)> {
        let mut inner = self.stage.lock();
        let at = inner.parked.values().map(|parked| parked.at).min()?;
        let ready: Vec<ActorId> =
            inner.parked.iter().filter(|(_, parked)| parked.at == at).map(|(actor, _)| *actor).collect();
        let actor = if ready.len() == 1 { ready[0] } else { *inner.dice.one(&ready) };
        Some((at, actor))
    }

    async fn happen(&mut self, at: Timestamp) {
        self.stage.advance(at);
        match self.calendar.take() {
            Some(Happening::Comes(delivery)) => self.take_in(delivery),
            Some(Happening::Inserts { person, at }) => self.insert(person, at),
            Some(Happening::Decides { person, attempt, accepted }) => self.decide(person, attempt, accepted),
            Some(Happening::Hears { node, life, attempt }) => self.hear(node, life, attempt),
            Some(Happening::Starts { node }) => self.start(node),
            Some(Happening::Operates) => {
                if let Some(node) = self.some_node() {
                    node.operate();
                }
            }
            Some(Happening::Wakes) => self.wake(),
            Some(Happening::Restarts) => self.restart().await,
            None => {}
        }
    }

    fn wake(&self) {
        let now = self.stage.now();
        let mut inner = self.stage.lock();
        for (id, actor) in &self.actors {
            let Some(node) = actor.node.and_then(|node| self.nodes[node].as_ref()) else { continue };
            let waits = |parked: &&mut Parked| parked.what == "keeps" && parked.at > now.plus(FOR_EVER / 2);
            if let Some(parked) = inner.parked.get_mut(id).filter(waits) {
                parked.at = node.thawed(now);
            }
        }
    }

    /// Every node dies, and the database is opened anew.
    async fn restart(&mut self) {
        (0..self.nodes.len()).for_each(|node| self.crash(node, "the store is closed"));
        self.ground.store.close().await;
        self.ground.store = open(&self.url, &self.scenario).await;
    }

    fn some_node(&self) -> Option<Arc<Node>> {
        let alive: Vec<&Arc<Node>> = self.nodes.iter().flatten().collect();
        let chosen = self.stage.dice(|dice| dice.place(alive.len()));
        alive.get(chosen).map(|node| Arc::clone(node))
    }

    fn take_in(&self, delivery: crate::happening::Delivery) {
        if let Some(node) = self.some_node() {
            return node.serve(delivery);
        }
        let later = self.stage.dice(|dice| dice.ms(1000, 600_000));
        self.calendar.at(self.stage.now().plus(later), Happening::Comes(delivery));
    }

    fn insert(&self, person: usize, at: Timestamp) {
        let (raw, world) = (self.raw.clone(), Arc::clone(&self.world));
        self.stage.enter(None, "site".into(), async move {
            let (page, login, stage) = {
                let world = world.lock().unwrap();
                let person = &world.people[person];
                (person.page.clone(), person.login.clone(), world.stage.clone())
            };
            // Where somebody has a row already, an insert is no news: only the API and the webhook bring fresh consent.
            let news = raw.insert(&page, &login, at).await;
            if news {
                world.lock().unwrap().knows(Fact::Consent { person, at });
            }
            stage.say(|| format!("site inserts p{person}: {}", if news { "a new row" } else { "they have one" }));
        });
    }

    fn decide(&self, person: usize, attempt: AttemptId, accepted: bool) {
        let mut world = self.world.lock().unwrap();
        world.decides(person, attempt, accepted);
        self.stage.say(|| format!("platform: attempt {attempt} for p{person} accepted: {accepted}"));
        if accepted {
            let (tokens, now) = (self.ground.store.tokens(), self.stage.now());
            let person_there = &world.people[person];
            let script =
                Script { scenario: &self.scenario, calendar: &self.calendar, number: person, person: person_there };
            self.stage.dice(|dice| script.got_it(dice, attempt, tokens, now));
        }
    }

    fn hear(&self, node: usize, life: u64, attempt: AttemptId) {
        if let Some(node) = self.nodes[node].as_ref().filter(|node| node.life == life) {
            let now = self.stage.now();
            let thawed = node.thawed(now);
            if thawed > now {
                // Whoever thaws may do something else first.
                let late = self.stage.dice(|dice| dice.ms(0, 200));
                let hears = Happening::Hears { node: node.number, life, attempt };
                return self.calendar.at(thawed.plus(late), hears);
            }
            node.delivery.inflight.stop(attempt);
            self.world.lock().unwrap().heard.insert((node.number, attempt));
            self.stage.say(|| format!("n{} hears the stop of {attempt}", node.number));
        }
    }

    /// One actor's turn, unless its node crashes or freezes in front of it.
    async fn act(&mut self, at: Timestamp, actor: ActorId) {
        self.stage.advance(at);
        if let Some(node) = self.actors.get(&actor).and_then(|actor| actor.node) {
            let scenario = &self.scenario;
            let (crashes, pauses) =
                self.stage.dice(|dice| (dice.happens(scenario.crash), dice.happens(scenario.pause)));
            if crashes && self.tally.crashes < u64::from(MOST_CRASHES) {
                return self.crash(node, self.what(actor));
            }
            if pauses && self.tally.pauses < u64::from(MOST_PAUSES) {
                return self.pause(node, actor);
            }
        }
        let group = self.company(actor);
        let slow = self.scenario.slow_store;
        let slow = self.stage.dice(|dice| {
            if dice.happens(slow) {
                let most = *dice.one(&[300, 3000, 30_000]);
                dice.ms(1, most)
            } else {
                Duration::ZERO
            }
        });
        let names: Vec<&str> = group.iter().filter_map(|id| self.actors.get(id)).map(|a| a.name.as_str()).collect();
        let what = self.what(actor);
        self.stage.say(|| format!("{}: {what}", names.join(" + ")));
        let lane = self.stage.lock().parked.get(&actor).map(|parked| parked.next) == Some(Next::Lane);
        self.step(&group, if lane { slow } else { Duration::ZERO }).await;
    }

    fn what(&self, actor: ActorId) -> &'static str {
        self.stage.lock().parked.get(&actor).map_or("", |parked| parked.what)
    }

    /// Who shares a group commit with an actor: others in front of the lane at about the same time.
    fn company(&self, actor: ActorId) -> Vec<ActorId> {
        let mut inner = self.stage.lock();
        let Some(first) = inner.parked.get(&actor).copied().filter(|parked| parked.next == Next::Lane) else {
            return vec![actor];
        };
        let until = first.at.plus(Duration::from_millis(20));
        let others: Vec<ActorId> = inner
            .parked
            .iter()
            .filter(|(id, parked)| **id != actor && parked.next == Next::Lane && parked.at <= until)
            .map(|(id, _)| *id)
            .collect();
        let mut group = vec![actor];
        for other in others {
            if group.len() < MOST_TOGETHER && inner.dice.happens(0.5) {
                group.push(other);
            }
        }
        group
    }

    /// Lets a group go on until each of it parks again or ends. Where the store is slow, time passes before it answers.
    async fn step(&mut self, group: &[ActorId], slow: Duration) {
        let mut under_way: Vec<(ActorId, Actor)> =
            group.iter().filter_map(|id| self.actors.remove(id).map(|actor| (*id, actor))).collect();
        for (id, _) in &under_way {
            self.stage.grant(*id);
        }
        self.stage.lock().alone = group.len() == 1;
        let stage = self.stage.clone();
        let mut asked = false;
        let mut parked = Vec::new();
        std::future::poll_fn(|cx| {
            let mut waiting = Vec::new();
            for (id, mut actor) in std::mem::take(&mut under_way) {
                match stage.poll(id, &mut actor.part, cx) {
                    Step::Ended => {}
                    Step::Parked => parked.push((id, actor)),
                    Step::Waits => waiting.push((id, actor)),
                }
            }
            under_way = waiting;
            if !asked {
                asked = true;
                stage.advance(stage.now().plus(slow));
            }
            if under_way.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
        self.actors.extend(parked);
    }

    /// A node dies: its futures and all it knew are gone.
    fn crash(&mut self, node: usize, what: &str) {
        let Some(dead) = self.nodes[node].take() else { return };
        self.stage.say(|| format!("n{node} crashes before: {what}"));
        self.tally.crashes += 1;
        let ids: Vec<ActorId> =
            self.actors.iter().filter(|(_, actor)| actor.node == Some(node)).map(|(id, _)| *id).collect();
        for id in ids {
            self.stage.lock().parked.remove(&id);
            drop(self.actors.remove(&id));
        }
        drop(dead);
        let most = *self.stage.dice(|dice| *dice.one(&[&200, &5000, &60_000, &3_600_000, &36_000_000]));
        let away = self.stage.dice(|dice| dice.ms(1, most));
        self.calendar.at(self.stage.now().plus(away), Happening::Starts { node });
    }

    /// A node freezes: its clocks go on, it does not.
    fn pause(&mut self, node: usize, actor: ActorId) {
        self.tally.pauses += 1;
        let most = self.stage.dice(|dice| *dice.one(&[300, 3000, 20_000, 1_800_000, 40_000_000]));
        let until = self.stage.now().plus(self.stage.dice(|dice| dice.ms(1, most)));
        let what = self.what(actor);
        self.stage.say(|| format!("n{node} freezes until {until} before: {what}"));
        if let Some(frozen) = &self.nodes[node] {
            frozen.frozen_until.fetch_max(until.ms(), Ordering::SeqCst);
        }
        let mut inner = self.stage.lock();
        for (id, actor) in &self.actors {
            if actor.node == Some(node)
                && let Some(parked) = inner.parked.get_mut(id)
            {
                parked.at = parked.at.max(until);
            }
        }
    }

    /// What follows from a turn: newcomers, stops that nodes will hear, reasons to look again.
    async fn after(&mut self) {
        self.greet_newcomers();
        self.pass_on_stops();
        let rung = futures_now(self.ground.store.work().rung());
        let interest = self.raw.interest(&self.scenario.window()).await;
        let now = self.stage.now();
        let mut inner = self.stage.lock();
        let inner = &mut *inner;
        for (id, actor) in &self.actors {
            let Some(node) = actor.node.and_then(|node| self.nodes[node].as_ref()) else { continue };
            let Some(parked) = inner.parked.get_mut(id).filter(|parked| parked.at > now) else { continue };
            let wanted = match parked.what {
                "keeps" => interest.due.map(|due| due.max(now).plus(inner.dice.ms(20, 1000))),
                "looks" if interest.pending > 0 => {
                    if rung {
                        node.idle.store(0, Ordering::SeqCst);
                    }
                    let idle = u32::try_from(node.idle.load(Ordering::SeqCst)).unwrap_or(20).min(20);
                    let left = interest.stop.unwrap_or(now).since(now) / 8;
                    let longest = Duration::from_mins(10).min(left.max(Duration::from_millis(250)));
                    let wait = if idle == 0 { Duration::ZERO } else { Duration::from_secs(1) * (1 << idle) };
                    Some(now.plus(wait.min(longest) + inner.dice.ms(1, 1000)))
                }
                _ => None,
            };
            // Whoever has a time already keeps it, if it is not much later: else every turn would put it off or on.
            if let Some(wanted) = wanted
                .map(|wanted| node.thawed(wanted))
                .filter(|wanted| wanted.plus(Duration::from_secs(1)) < parked.at)
            {
                parked.at = wanted;
            }
        }
        if inner.dice.happens(self.scenario.operator * 0.1) {
            let soon = inner.dice.ms(1, 5000);
            self.calendar.at(now.plus(soon), Happening::Operates);
        }
    }

    fn pass_on_stops(&self) {
        for node in self.nodes.iter().flatten() {
            let mut stops = node.stops.lock().unwrap();
            loop {
                match stops.try_recv() {
                    Ok(attempt) => {
                        let lost = self.scenario.lost_stop;
                        let (lost, late) = self.stage.dice(|dice| (dice.happens(lost), dice.ms(0, 200)));
                        if !lost {
                            let hears = Happening::Hears { node: node.number, life: node.life, attempt };
                            self.calendar.at(self.stage.now().plus(late), hears);
                        }
                    }
                    Err(TryRecvError::Lagged(_)) => node.delivery.inflight.stop_all(),
                    Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                }
            }
        }
    }

    async fn finish(mut self, broken: Option<Broken>) -> Played {
        if broken.is_none() {
            ending::judge(&mut self).await;
        }
        let (broken, requests, accepted) = {
            let world = self.world.lock().unwrap();
            let requests = world.people.iter().map(|person| person.requests.len() as u64).sum();
            (world.broken.clone(), requests, world.people.iter().filter(|person| person.is_greeted()).count() as u64)
        };
        self.tally.requests = requests;
        self.tally.accepted = accepted;
        let (hash, tail) = {
            let inner = self.stage.lock();
            (inner.trace.hash(), inner.trace.tail())
        };
        self.actors.clear();
        self.nodes.clear();
        self.ground.store.close().await;
        drop(self.ground);
        self.raw.close().await;
        Played { hash, broken, tail, tally: self.tally }
    }

    /// A node that surely runs, for what is looked at in the end.
    pub(crate) fn awake(&mut self) -> Arc<Node> {
        if self.nodes.iter().all(Option::is_none) {
            self.start(0);
        }
        self.nodes.iter().flatten().next().map(Arc::clone).expect("it was started")
    }
}

async fn open(url: &str, scenario: &Scenario) -> Store {
    let store = Store::open(url).await.unwrap();
    store.govern(scenario.policy, (0..scenario.pages).map(page)).await.unwrap();
    store
}

/// Whether a future is ready at once.
fn futures_now(future: impl Future<Output = ()>) -> bool {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    std::pin::pin!(future).poll(&mut cx).is_ready()
}
