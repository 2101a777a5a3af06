//! The stage: virtual time, and actors that take turns.
//!
//! An actor is a future that parks between its steps. Only the driver lets one go on, so that every order of steps is
//! the seed's; and where one parks, its node can crash or be paused. Between two parks an actor runs undisturbed. What
//! it asks of the store there is answered in real time, and virtual time stands still, unless the database is slow.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use firstword::clock::Clock;
use firstword::domain::time::{Timestamp, millis};

use crate::dice::Dice;

/// When every simulation begins.
pub(crate) const START: Timestamp = Timestamp::from_ms(1_790_000_000_000);

pub(crate) type ActorId = u64;
pub(crate) type Part = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What an actor does when it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Anything.
    Alone,
    /// One thing that goes through the store's lane, and then parks: several of these may share a group commit.
    Lane,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Parked {
    pub(crate) at: Timestamp,
    pub(crate) next: Next,
    pub(crate) what: &'static str,
}

/// Somebody who will act.
pub(crate) struct Newcomer {
    pub(crate) node: Option<usize>,
    pub(crate) name: String,
    pub(crate) part: Part,
}

pub(crate) struct Inner {
    pub(crate) dice: Dice,
    pub(crate) trace: Trace,
    pub(crate) parked: BTreeMap<ActorId, Parked>,
    pub(crate) newcomers: Vec<Newcomer>,
    /// Whether this turn is one actor's alone.
    pub(crate) alone: bool,
    granted: BTreeSet<ActorId>,
    current: Option<ActorId>,
}

/// Shared by everybody in one simulation.
#[derive(Clone)]
pub(crate) struct Stage {
    inner: Arc<Mutex<Inner>>,
    time: Arc<AtomicI64>,
}

impl Stage {
    pub(crate) fn new(seed: u64, loud: bool) -> Self {
        let inner = Inner {
            dice: Dice::of(seed),
            trace: Trace::new(loud),
            parked: BTreeMap::new(),
            newcomers: Vec::new(),
            alone: true,
            granted: BTreeSet::new(),
            current: None,
        };
        Self { inner: Arc::new(Mutex::new(inner)), time: Arc::new(AtomicI64::new(START.ms())) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.time.load(Ordering::SeqCst))
    }

    /// Moves time on; it never goes back.
    pub(crate) fn advance(&self, to: Timestamp) {
        self.time.fetch_max(to.ms(), Ordering::SeqCst);
    }

    pub(crate) fn dice<T>(&self, throw: impl FnOnce(&mut Dice) -> T) -> T {
        throw(&mut self.lock().dice)
    }

    pub(crate) fn say(&self, line: impl FnOnce() -> String) {
        let now = self.now();
        self.lock().trace.say(now, &line());
    }

    /// Somebody new acts, from now on.
    pub(crate) fn enter(&self, node: Option<usize>, name: String, part: impl Future<Output = ()> + Send + 'static) {
        self.lock().newcomers.push(Newcomer { node, name, part: Box::pin(part) });
    }

    /// Parks the actor that calls this.
    pub(crate) fn park(&self, what: &'static str, wait: Duration, next: Next) -> Park {
        Park { stage: self.clone(), what, wait, next, actor: None }
    }

    /// A point between two steps, where nothing is waited for.
    pub(crate) fn point(&self, what: &'static str) -> Park {
        self.park(what, Duration::ZERO, Next::Alone)
    }

    /// A point before a step of the store's lane.
    pub(crate) fn lane(&self, what: &'static str) -> Park {
        self.park(what, Duration::ZERO, Next::Lane)
    }

    /// Lets an actor go on when it is polled next.
    pub(crate) fn grant(&self, actor: ActorId) {
        let mut inner = self.lock();
        inner.parked.remove(&actor);
        inner.granted.insert(actor);
    }

    /// Polls an actor as the current one. Whether it parked again, or ended.
    pub(crate) fn poll(&self, actor: ActorId, part: &mut Part, cx: &mut Context<'_>) -> Step {
        self.lock().current = Some(actor);
        let polled = part.as_mut().poll(cx);
        let mut inner = self.lock();
        inner.current = None;
        match polled {
            Poll::Ready(()) => Step::Ended,
            Poll::Pending if inner.parked.contains_key(&actor) => Step::Parked,
            Poll::Pending => Step::Waits,
        }
    }
}

/// What a poll led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Ended,
    Parked,
    /// For the store.
    Waits,
}

/// An actor's rest until the driver lets it go on.
pub(crate) struct Park {
    stage: Stage,
    what: &'static str,
    wait: Duration,
    next: Next,
    actor: Option<ActorId>,
}

impl Future for Park {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let stage = self.stage.clone();
        let at = stage.now().plus(self.wait);
        let mut inner = stage.lock();
        match self.actor {
            None => {
                let current = inner.current.expect("only actors park");
                self.actor = Some(current);
                inner.parked.insert(current, Parked { at, next: self.next, what: self.what });
                Poll::Pending
            }
            Some(actor) if inner.granted.remove(&actor) => Poll::Ready(()),
            Some(_) => Poll::Pending,
        }
    }
}

/// What happened, hashed; the last of it is kept to be shown.
pub(crate) struct Trace {
    hash: u64,
    lines: std::collections::VecDeque<String>,
    loud: bool,
}

impl Trace {
    const KEPT: usize = 60;

    fn new(loud: bool) -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, lines: std::collections::VecDeque::new(), loud }
    }

    fn say(&mut self, now: Timestamp, line: &str) {
        let since = now.since(START);
        let line = format!("{:>12.3}s {line}", since.as_secs_f64());
        for byte in line.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if self.loud {
            println!("{line}");
        }
        if self.lines.len() == Self::KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn tail(&self) -> Vec<String> {
        self.lines.iter().cloned().collect()
    }
}

/// A node's clocks: boot time from a start of its own, store time as it was last compared.
#[derive(Debug)]
pub(crate) struct NodeClock {
    time: Arc<AtomicI64>,
    born: i64,
    offset: AtomicI64,
}

impl NodeClock {
    /// A clock whose wall is wrong by `wrong` milliseconds until a store's clock is adopted.
    pub(crate) fn new(stage: &Stage, uptime: Duration, wrong: i64) -> Self {
        let born = stage.now().minus(uptime).ms();
        Self { time: Arc::clone(&stage.time), born, offset: AtomicI64::new(born + wrong) }
    }
}

impl Clock for NodeClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(millis(self.boot()) + self.offset.load(Ordering::SeqCst))
    }

    fn boot(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.time.load(Ordering::SeqCst) - self.born).unwrap_or(0))
    }

    fn adopt(&self, store_now: Timestamp, read_at: Duration) {
        self.offset.store(store_now.ms() - millis(read_at), Ordering::SeqCst);
    }
}
