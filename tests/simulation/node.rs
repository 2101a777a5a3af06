//! A node: the production passes over the shared store, in the order the daemon's loops run them, each step a turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, header};
use firstword::clock::Clock;
use firstword::deliver::{Answer, Delivery, InFlight, Limits, Pace, Page, everybody, report};
use firstword::domain::budget::Budget;
use firstword::domain::ids::{AttemptId, OptInId};
use firstword::domain::keyed::hmac_sha256;
use firstword::domain::message::Template;
use firstword::domain::outcome::Outcome;
use firstword::domain::policy::UncertainPolicy;
use firstword::domain::signal::{Command, Receipt, Signal, Tick};
use firstword::domain::time::Timestamp;
use firstword::intake::{Intake, Settings, StopWords, router};
use firstword::messenger::gate::Gate;
use firstword::metrics::Metrics;
use firstword::pulse::Pulse;
use firstword::store::Store;
use firstword::store::claim::Claim;
use firstword::upkeep::Upkeep;
use secrecy::SecretString;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::happening::{self, Calendar, Happening};
use crate::people::{APP, page};
use crate::platform::{Shared, post};
use crate::promise::Promise;
use crate::raw::{Raw, Stored};
use crate::scenario::Scenario;
use crate::stage::{Next, NodeClock, Stage};
use crate::world::Fact;

/// How far a node's store time may be off: half a round trip to the database.
pub(crate) const CLOCK_ERROR: Duration = Duration::from_millis(100);
/// Longer than any simulation: an actor that parks for this long waits for the driver.
pub(crate) const FOR_EVER: Duration = Duration::from_hours(24 * 3650);

const SECRET: &str = "test-app-secret";
const API_TOKEN: &str = "site-token";
const MESSAGE: &str = r#"{"text": "Hello, I am the automated assistant.",
    "quick_replies": [{"content_type": "text", "title": "Start", "payload": "YES"}]}"#;

/// Everything of a node that its actors share.
pub(crate) struct Node {
    pub(crate) number: usize,
    /// Which life of it: grows with each start.
    pub(crate) life: u64,
    pub(crate) clock: Arc<NodeClock>,
    pub(crate) delivery: Arc<Delivery>,
    pub(crate) upkeep: Upkeep,
    /// Looks at the queue that found nobody, in a row.
    pub(crate) idle: AtomicUsize,
    /// Until when it is frozen, in milliseconds.
    pub(crate) frozen_until: AtomicI64,
    pub(crate) stops: std::sync::Mutex<broadcast::Receiver<AttemptId>>,
    router: axum::Router,
    stage: Stage,
    world: Shared,
    calendar: Calendar,
    raw: Raw,
    flights: AtomicUsize,
    _chosen: (watch::Sender<Arc<Vec<Page>>>, watch::Sender<Arc<Settings>>),
}

/// What nodes are made in.
#[derive(Clone)]
pub(crate) struct Ground {
    pub(crate) store: Store,
    pub(crate) stage: Stage,
    pub(crate) world: Shared,
    pub(crate) calendar: Calendar,
    pub(crate) raw: Raw,
}

impl Node {
    pub(crate) fn start(ground: &Ground, number: usize, life: u64) -> Arc<Self> {
        let scenario = ground.world.lock().unwrap().scenario.clone();
        let (stage, store) = (&ground.stage, &ground.store);
        let clock = clock(stage);
        let shared: Arc<dyn Clock> = Arc::<NodeClock>::clone(&clock);
        let (pages_now, pages) = watch::channel(Arc::new(pages(scenario.pages, scenario.budget)));
        let inflight = Arc::new(InFlight::default());
        let metrics = Arc::new(Metrics::default());
        let delivery = Arc::new(Delivery {
            store: store.clone(),
            clock: Arc::clone(&shared),
            pages,
            node: format!("n{number}"),
            window: scenario.window(),
            limits: Limits { max_in_flight: scenario.places, poll_interval: Duration::from_secs(1) },
            post: post(&ground.world, &ground.calendar, store.tokens().clone(), number),
            ask: Arc::new(|_| Box::pin(async { Answer::Fine })),
            reach: everybody(),
            ahead: {
                let ahead = scenario.ahead;
                Arc::new(move || ahead)
            },
            inflight: Arc::clone(&inflight),
            pace: Pace::new(scenario.places),
            metrics: Arc::clone(&metrics),
            pulse: Arc::new(Pulse::default()),
        });
        let upkeep = Upkeep {
            store: store.clone(),
            clock: Arc::clone(&shared),
            runs: Arc::new(move |attempt| inflight.runs(attempt)),
            poll_interval: Duration::from_secs(1),
        };
        let (chosen, settings) = watch::channel(Arc::new(settings()));
        let intake = Intake::new(Arc::new(store.clone()), shared, settings, metrics);
        let node = Arc::new(Self {
            number,
            life,
            clock,
            delivery,
            upkeep,
            idle: AtomicUsize::new(0),
            frozen_until: AtomicI64::new(0),
            stops: std::sync::Mutex::new(store.work().stops()),
            router: router(intake),
            stage: stage.clone(),
            world: Arc::clone(&ground.world),
            calendar: ground.calendar.clone(),
            raw: ground.raw.clone(),
            flights: AtomicUsize::new(0),
            _chosen: (pages_now, chosen),
        });
        stage.say(|| format!("n{number} starts, life {life}"));
        Arc::clone(&node).enter("courier", Arc::clone(&node).courier());
        Arc::clone(&node).enter("keeper", Arc::clone(&node).keeper(scenario));
        node
    }

    /// When it can act, at or after a time.
    pub(crate) fn thawed(&self, at: Timestamp) -> Timestamp {
        at.max(Timestamp::from_ms(self.frozen_until.load(Ordering::SeqCst)))
    }

    fn enter(self: Arc<Self>, what: &str, part: impl Future<Output = ()> + Send + 'static) {
        self.stage.enter(Some(self.number), format!("n{} {what}", self.number), part);
    }

    fn say(&self, line: impl FnOnce() -> String) {
        self.stage.say(|| format!("n{} {}", self.number, line()));
    }

    /// The delivery loop: looks when the driver wakes it, claims for each page, and launches.
    async fn courier(self: Arc<Self>) {
        let mut wait = FOR_EVER;
        loop {
            self.stage.park("looks", wait, Next::Alone).await;
            wait = FOR_EVER;
            let mut found = 0;
            let pages = self.delivery.pages.borrow().clone();
            for page in pages.iter() {
                let free = self.delivery.limits.max_in_flight.saturating_sub(self.flights.load(Ordering::SeqCst));
                let most = free.min(self.delivery.pace.room(&page.id));
                if most > 0 {
                    found += self.claim(page, most, &mut wait).await;
                }
            }
            let idle = if found > 0 { 0 } else { self.idle.load(Ordering::SeqCst) + 1 };
            self.idle.store(idle, Ordering::SeqCst);
        }
    }

    async fn claim(self: &Arc<Self>, page: &Page, most: usize, wait: &mut Duration) -> usize {
        self.stage.lane("claims").await;
        let mut asked_at = self.stage.now();
        let mut taken = match self.delivery.claim(page, most).await {
            Ok(taken) => taken,
            Err(error) => return self.amiss(&error),
        };
        let probes = taken.stopped;
        if probes {
            // The probe is a claim of its own, asked for when the first was answered.
            asked_at = self.stage.now();
            match self.delivery.probe(page, &CancellationToken::new()).await {
                Ok(probe) => taken = probe.unwrap_or(taken),
                Err(error) => return self.amiss(&error),
            }
        }
        {
            let mut world = self.world.lock().unwrap();
            taken.claims.iter().for_each(|claim| world.claimed(self.number, asked_at, claim));
            world.probes += if probes { taken.claims.len() as u64 } else { 0 };
        }
        // A probe leaves out whoever was tried under the hold.
        if !probes {
            self.judge_order(page, &taken.claims).await;
        }
        self.stage.point("claimed").await;
        self.say(|| format!("claims {:?}", taken.claims.iter().map(|c| (c.optin.0, c.attempt.0)).collect::<Vec<_>>()));
        if let Some(at) = taken.next_at {
            *wait = (*wait).min(at.since(self.clock.now()).max(Duration::from_millis(1)));
        }
        let count = taken.claims.len();
        for claim in taken.claims {
            let gate = self.delivery.gate(&claim, taken.since);
            self.flights.fetch_add(1, Ordering::SeqCst);
            let (node, page) = (Arc::clone(self), page.clone());
            let name = format!("flight {}", claim.attempt);
            Arc::clone(self).enter(&name, async move { node.flight(page, claim, gate).await });
        }
        count
    }

    /// Whoever is passed over by a claim had a later hard stop. Judged where nobody else was served at the same time.
    async fn judge_order(&self, page: &Page, claims: &[Claim]) {
        let Some(least) = claims.iter().map(|claim| (claim.opted_in_at, claim.optin.0)).max() else { return };
        // Whoever's hard stop passes within a second may have been too late by this node's clock.
        let soon = self.clock.now().plus((self.delivery.ahead)() + Duration::from_secs(1));
        let cutoff = self.delivery.window.cutoff(soon);
        if self.stage.lock().alone && self.raw.more_urgent(&page.id, least, cutoff).await > 0 {
            let what = format!("opt-in {} was claimed before somebody more urgent", least.1);
            self.world.lock().unwrap().breaks(Promise::MostUrgentFirst, what);
        }
    }

    /// Nothing the simulation does may make the store refuse.
    fn amiss(&self, error: &firstword::store::Error) -> usize {
        let what = format!("n{}: the store refused: {error}", self.number);
        self.world.lock().unwrap().breaks(Promise::NeverLost, what);
        0
    }

    /// One person's delivery, as the loop's own: send, record, leave.
    async fn flight(self: Arc<Self>, page: Page, claim: Claim, gate: Arc<Gate>) {
        self.hear_again(claim.optin);
        let (sent, _) = self.delivery.send(&page, &claim, gate).await;
        self.stage.point("answered").await;
        self.flights.fetch_sub(1, Ordering::SeqCst);
        let outcome = sent.ending.as_ref().map_or("given_back", |ending| ending.outcome.as_str());
        let accepted = sent.ending.as_ref().is_some_and(|ending| matches!(ending.outcome, Outcome::Accepted { .. }));
        let (optin, attempt) = (claim.optin, claim.attempt);
        let signal = report(&claim, sent);
        self.stage.lane("records").await;
        self.delivery.record(signal.clone()).await;
        if accepted {
            self.world.lock().unwrap().told_of_arrival(attempt);
        } else if outcome == "uncertain" {
            self.settles_later();
        }
        self.stage.point("recorded").await;
        self.say(|| format!("attempt {attempt} of {optin}: {outcome}"));
        let (twice, late) = {
            let scenario = &self.world.lock().unwrap().scenario;
            (scenario.recorded_twice, scenario.reported_late)
        };
        if self.stage.dice(|dice| dice.happens(late)) {
            self.world.lock().unwrap().late_reports.insert(optin, signal.clone());
        }
        if self.stage.dice(|dice| dice.happens(twice)) {
            // The commit's answer was lost, and the outcome is recorded again.
            let pause = self.stage.dice(|dice| {
                let most = *dice.one(&[50, 2000, 60_000]);
                dice.ms(1, most)
            });
            self.stage.park("records again", pause, Next::Lane).await;
            self.delivery.record(signal).await;
            self.stage.point("recorded again").await;
        }
        self.delivery.inflight.leave(attempt);
        if self.delivery.pace.ended(&page.id, accepted) {
            self.delivery.store.work().ring();
        }
    }

    /// A node froze before it heard that its report was committed. It wakes while the person's next attempt is out, and
    /// reports again.
    fn hear_again(self: &Arc<Self>, optin: OptInId) {
        let Some(signal) = self.world.lock().unwrap().late_reports.remove(&optin) else { return };
        let pause = self.stage.dice(|dice| {
            let most = *dice.one(&[50, 2000, 12_000]);
            dice.ms(1, most)
        });
        let node = Arc::clone(self);
        Arc::clone(self).enter("late report", async move {
            node.stage.park("reports late", pause, Next::Lane).await;
            node.delivery.record(signal).await;
            node.stage.point("reported late").await;
            node.say(|| format!("an earlier attempt of {optin} is reported again"));
        });
    }

    /// The upkeep loop: every pass, with a turn between them.
    async fn keeper(self: Arc<Self>, scenario: Scenario) {
        let often = scenario.policy.uncertain == UncertainPolicy::Resend || scenario.forgets_soon();
        let slow = if often { 0.5 } else { 0.1 };
        let stale = if scenario.crowded { 0.0 } else { 0.05 };
        loop {
            self.stage.park("keeps", FOR_EVER, Next::Alone).await;
            if self.stage.dice(|dice| dice.happens(stale)) {
                Arc::clone(&self).enter("late pass", Arc::clone(&self).late_pass());
            }
            // One look at the clock for all of them, as in the daemon: a pause in between makes it old.
            let now = self.clock.now();
            let mut told = self.upkeep.admit(now).await;
            self.stage.point("admitted").await;
            told = told.and(self.upkeep.promote(now).await);
            self.stage.point("promoted").await;
            let recovered = self.upkeep.recover(now).await;
            self.alert(*recovered.as_ref().unwrap_or(&0), scenario.operator);
            told = told.and(recovered);
            self.stage.point("recovered").await;
            told = told.and(self.upkeep.miss(now).await);
            if self.stage.dice(|dice| dice.happens(slow)) {
                self.stage.point("missed").await;
                told = told.and(self.upkeep.settle_uncertain(now).await.map(|_| 0));
                self.stage.point("settled").await;
                told = told.and(self.upkeep.expire(now).await);
                self.stage.point("expired").await;
                told = told.and(self.upkeep.purge(now).await);
            }
            if let Err(error) = told {
                self.amiss(&error);
            }
        }
    }

    /// Where policy settles doubts by itself, somebody looks when it may.
    fn settles_later(&self) {
        let policy = self.delivery.store.policy();
        if policy.uncertain == UncertainPolicy::Resend {
            let settled = self.stage.now().plus(policy.window.lease() + policy.settle_after + Duration::from_secs(1));
            self.calendar.at(settled, Happening::Wakes);
        }
    }

    /// Doubts are told, and some operator looks at once.
    fn alert(&self, doubts: u64, operator: f64) {
        if doubts > 0 {
            self.settles_later();
        }
        if doubts > 0 && self.stage.dice(|dice| dice.happens(operator * 2.0)) {
            let soon = self.stage.dice(|dice| dice.ms(10, 3000));
            self.calendar.at(self.stage.now().plus(soon), Happening::Operates);
        }
    }

    /// A pass that was frozen between its scan and what follows from it: the same scans, the same signals.
    async fn late_pass(self: Arc<Self>) {
        let (now, store) = (self.clock.now(), &self.upkeep.store);
        let time = |optin: OptInId, tick| Signal::Time { optin, tick };
        let mut signals: Vec<Signal> = Vec::new();
        signals.extend(store.due(now, 500).await.unwrap_or_default().into_iter().map(|id| time(id, Tick::Due)));
        let lapsed = store.lapsed(now, 500).await.unwrap_or_default();
        signals.extend(lapsed.into_iter().map(|(id, attempt)| time(id, Tick::Lease(attempt))));
        for known in store.pages().await.unwrap_or_default() {
            let cutoff = store.policy().window.cutoff(now);
            let late = store.past_hard_stop(&known.page, cutoff, 500).await.unwrap_or_default();
            signals.extend(late.into_iter().map(|id| time(id, Tick::HardStop)));
        }
        let pause = self.stage.dice(|dice| {
            let most = *dice.one(&[100, 10_000, 3_600_000]);
            dice.ms(1, most)
        });
        self.stage.park("is late", pause, Next::Lane).await;
        if !signals.is_empty() {
            let told = store.apply(signals, now).await;
            self.stage.point("late pass done").await;
            if let Err(error) = told {
                self.amiss(&error);
            }
        }
    }

    /// Takes in a delivery, signed as the platform does. Where the node dies before the answer, it comes again.
    pub(crate) fn serve(self: &Arc<Self>, delivery: happening::Delivery) {
        let node = Arc::clone(self);
        Arc::clone(self).enter("intake", async move {
            let (stage, calendar) = (node.stage.clone(), node.calendar.clone());
            let mut unanswered = Unanswered { stage, calendar, delivery: Some(delivery.clone()) };
            node.stage.lane("takes in").await;
            let request = Request::post(delivery.path).header(header::CONTENT_TYPE, "application/json");
            let signature = hex::encode(hmac_sha256(SECRET.as_bytes(), &[delivery.body.as_bytes()]));
            let request = request
                .header("x-hub-signature-256", format!("sha256={signature}"))
                .header(header::AUTHORIZATION, format!("Bearer {API_TOKEN}"))
                .body(Body::from(delivery.body.clone()))
                .unwrap();
            let status = node.router.clone().oneshot(request).await.unwrap().status();
            if status.is_success() {
                node.world.lock().unwrap().knows(delivery.fact);
            }
            node.stage.point("answers").await;
            node.say(|| format!("took in {:?}: {status}", delivery.fact));
            if status.is_success() {
                unanswered.delivery = None;
            }
        });
    }

    /// An operator looks at somebody, and some time later says what is to be done.
    pub(crate) fn operate(self: &Arc<Self>) {
        let node = Arc::clone(self);
        Arc::clone(self).enter("operator", async move {
            let rows = node.raw.rows().await;
            if rows.is_empty() {
                return;
            }
            let doubts: Vec<&Stored> = rows.iter().filter(|row| row.state == "uncertain").collect();
            let row = node
                .stage
                .dice(|dice| if doubts.is_empty() || dice.happens(0.5) { dice.one(&rows) } else { *dice.one(&doubts) });
            let Some(person) = node.world.lock().unwrap().person_of(&row.page, &row.login) else { return };
            let now = node.clock.now();
            let Some(command) = node.order(row, person, now) else { return };
            let signal = Signal::Command { optin: OptInId(row.id), command };
            let pause = node.stage.dice(|dice| {
                let most = *dice.one(&[10, 1000, 600_000]);
                dice.ms(1, most)
            });
            node.stage.park("orders", pause, Next::Lane).await;
            let at = node.clock.now();
            let told = node.upkeep.store.apply(vec![signal], at).await;
            if matches!(told.as_deref(), Ok([Receipt::Applied(_)])) {
                let mut world = node.world.lock().unwrap();
                match command {
                    Command::OptOut => world.knows(Fact::Stop { person, at }),
                    Command::Settle { delivered: true, .. } => world.people[person].vouched = true,
                    _ => {}
                }
            }
            node.stage.point("ordered").await;
            node.say(|| format!("operator: {command:?} for p{person}: {told:?}"));
        });
    }

    /// What a careful operator would say: about a doubt, only what the platform shows. Where a lease is over, so is the
    /// request; else the operator makes sure of that first.
    fn order(&self, row: &Stored, person: usize, now: Timestamp) -> Option<Command> {
        let world = self.world.lock().unwrap();
        let (known, greeted) = (&world.people[person], world.people[person].is_greeted());
        let over = row.reason.as_deref() == Some("lease_expired");
        match row.state.as_str() {
            "uncertain" if known.is_on_its_way() && !over => None,
            "uncertain" => Some(Command::Settle { delivered: greeted, before: now }),
            "missed" | "unavailable" | "cancelled" => Some(Command::Retry),
            _ => self.stage.dice(|dice| match dice.below(12) {
                0 => Some(Command::Cancel),
                1 => Some(Command::OptOut),
                2 => Some(Command::Retry),
                _ => None,
            }),
        }
    }
}

/// A delivery the platform has no 200 for.
struct Unanswered {
    stage: Stage,
    calendar: Calendar,
    delivery: Option<happening::Delivery>,
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if let Some(delivery) = self.delivery.take() {
            let pause = self.stage.dice(|dice| dice.ms(1000, 600_000));
            self.calendar.at(self.stage.now().plus(pause), Happening::Comes(delivery));
        }
    }
}

fn settings() -> Settings {
    Settings {
        app_secrets: vec![SecretString::from(SECRET.to_owned())],
        api_token: Some(SecretString::from(API_TOKEN.to_owned())),
        app_id: Some(APP.to_owned()),
        stop_words: StopWords::new(&["stop".to_owned()]),
        max_body: 100_000,
        ..Settings::default()
    }
}

fn pages(count: usize, budget: Budget) -> Vec<Page> {
    let template = Template::parse(MESSAGE).expect("the message is good").0;
    let page = |number| Page { id: page(number), budget, template: template.clone(), credential: "token-1".into() };
    (0..count).map(page).collect()
}

/// A node's clock: its wall may be wrong by minutes, and store time is off by half a round trip at most.
fn clock(stage: &Stage) -> Arc<NodeClock> {
    let (uptime, wrong, error) = stage.dice(|dice| {
        let wall = i64::try_from(dice.below(1_200_000)).unwrap() - 600_000;
        let most = u64::try_from(CLOCK_ERROR.as_millis()).unwrap();
        (
            dice.ms(1000, 1_000_000_000),
            wall,
            i64::try_from(dice.below(2 * most)).unwrap() - i64::try_from(most).unwrap(),
        )
    });
    let clock = Arc::new(NodeClock::new(stage, uptime, wrong));
    let store_now = Timestamp::from_ms(stage.now().ms() + error);
    clock.adopt(store_now, clock.boot());
    clock
}
