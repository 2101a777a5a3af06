//! The loop around the main path.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::attempt::Taken;
use super::flight::Flights;
use super::{Delivery, Page};
use crate::domain::ids::PageId;
use crate::domain::time::Timestamp;
use crate::store::Error;

/// The loop looks up at least this often, however long its poll interval: the watchdog counts on it.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// A node that could not read the store's clock for this long claims nothing.
const OLDEST_SAMPLE: Duration = Duration::from_mins(1);

/// What the loop knows of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hunger {
    /// There may be people to send to.
    Hungry,
    /// The budget allows the next one then.
    Until(Timestamp),
    /// Nobody was there; somebody will ring.
    Fed,
}

struct Loop {
    delivery: Arc<Delivery>,
    tracker: TaskTracker,
    flights: Arc<Flights>,
    hunger: HashMap<PageId, Hunger>,
    /// Whose turn it is first: pages take turns.
    turn: usize,
    /// How long to leave the database alone after it refused.
    pause: Option<Duration>,
    /// Boot time of the last poll.
    polled_at: Duration,
    stop: CancellationToken,
}

/// Delivers until told to stop; then finishes what has left, gives back the rest, and returns when all of it is
/// recorded.
pub async fn run(delivery: Arc<Delivery>, stop: CancellationToken) {
    let tracker = TaskTracker::new();
    let mut this = Loop {
        flights: Flights::begin(&delivery, &tracker),
        hunger: HashMap::new(),
        turn: 0,
        pause: None,
        polled_at: Duration::ZERO,
        stop: stop.clone(),
        tracker: tracker.clone(),
        delivery: Arc::clone(&delivery),
    };
    let follower = {
        let (inflight, stops) = (Arc::clone(&delivery.inflight), delivery.store.work().stops());
        let stop = stop.clone();
        tracker.spawn(async move { inflight.follow(stops, stop).await })
    };
    while !stop.is_cancelled() {
        delivery.beat();
        this.round().await;
        this.rest(&stop).await;
    }
    delivery.inflight.stop_all();
    this.flights.give_up_all();
    // With the loop goes its way into the recorder, which ends with the last flight.
    drop(this);
    tracker.close();
    loop {
        delivery.beat();
        // Requests in flight are bounded by their time-out, their records by the database's return.
        if tokio::time::timeout(Duration::from_secs(1), tracker.wait()).await.is_ok() {
            break;
        }
    }
    drop(follower);
}

impl Delivery {
    fn beat(&self) {
        self.pulse.beat(self.clock.boot());
    }
}

impl Loop {
    /// Waits for the store, however long it takes, and beats meanwhile: a database that hangs is no hung loop, and
    /// systemd must not kill us for it. The call is never cancelled: what it committed must be known.
    async fn attended<T>(&self, call: impl Future<Output = T>) -> T {
        tokio::pin!(call);
        loop {
            tokio::select! {
                biased;
                done = &mut call => return done,
                () = tokio::time::sleep(LONGEST_WAIT) => self.delivery.beat(),
            }
        }
    }

    /// Offers every hungry page its share of the free places, in turn.
    async fn round(&mut self) {
        self.poll();
        self.flights.give_up_late();
        let pages = self.delivery.pages.borrow().clone();
        let now = self.delivery.clock.now();
        if self.delivery.pulse.sample_age(self.delivery.clock.boot()) > OLDEST_SAMPLE {
            // Nothing may be claimed by a clock nobody has compared; hunger must not make the loop spin meanwhile.
            self.pause = Some(Duration::from_secs(1));
            return;
        }
        let hungry: Vec<&Page> = pages.iter().filter(|page| self.is_hungry(page, now)).collect();
        let (count, ahead) = (hungry.len(), self.flights.ahead());
        self.turn = self.turn.wrapping_add(1);
        for (nth, page) in hungry.iter().cycle().skip(self.turn % count.max(1)).take(count).enumerate() {
            let free = self.flights.room(ahead);
            let share = free.div_ceil(count - nth);
            if share == 0 {
                return;
            }
            match self.delivery.pace.room(&page.id) {
                // Whichever of its attempts ends first will ring.
                0 => _ = self.hunger.insert(page.id.clone(), Hunger::Fed),
                room => self.serve(page, share.min(room)).await,
            }
        }
    }

    fn is_hungry(&self, page: &Page, now: Timestamp) -> bool {
        match self.hunger.get(&page.id) {
            None | Some(Hunger::Hungry) => true,
            Some(Hunger::Until(at)) => *at <= now,
            Some(Hunger::Fed) => false,
        }
    }

    async fn serve(&mut self, page: &Page, share: usize) {
        match self.attended(self.delivery.claim(page, share)).await {
            Ok(taken) => {
                self.pause = None;
                if taken.stopped {
                    self.probe(page);
                }
                let hunger = match taken.next_at {
                    Some(at) => Hunger::Until(at),
                    None if taken.claims.len() < share => Hunger::Fed,
                    None => Hunger::Hungry,
                };
                self.hunger.insert(page.id.clone(), hunger);
                self.launch(page, taken);
            }
            Err(error) => self.stumble(&error),
        }
    }

    fn stumble(&mut self, error: &Error) {
        let pause = self.pause.map_or(Duration::from_millis(100), |pause| (pause * 2).min(LONGEST_WAIT));
        self.pause = Some(pause);
        tracing::warn!(error = error.chain(), retry_in = ?pause, "cannot claim");
    }

    fn launch(&self, page: &Page, taken: Taken) {
        let page = Arc::new(page.clone());
        for claim in taken.claims {
            self.flights.launch(&page, claim, taken.since, false);
        }
    }

    /// Finds out beside the loop whether a page can send again; whatever stops it, somebody looks at every poll.
    fn probe(&self, page: &Page) {
        if !self.delivery.pace.begin_probe(&page.id) {
            return;
        }
        let (delivery, page, stop) = (Arc::clone(&self.delivery), Arc::new(page.clone()), self.stop.clone());
        let flights = Arc::clone(&self.flights);
        self.tracker.spawn(async move {
            let taken = delivery.probe(&page, &stop).await.unwrap_or_else(|error| {
                tracing::debug!(page = %page.id, error = error.chain(), "a held page cannot be probed");
                None
            });
            match taken.and_then(Taken::only) {
                Some((claim, since)) => flights.launch(&page, claim, since, true),
                None => delivery.pace.end_probe(&page.id),
            }
        });
    }

    /// Waits for a reason to look again.
    async fn rest(&mut self, stop: &CancellationToken) {
        let delivery = &self.delivery;
        let now = delivery.clock.now();
        let mut wait = self.pause.unwrap_or(delivery.limits.poll_interval.min(LONGEST_WAIT));
        wait = wait.min(self.flights.patience().unwrap_or(wait));
        let mut hungry = false;
        for hunger in self.hunger.values() {
            match hunger {
                Hunger::Hungry => hungry = self.pause.is_none(),
                Hunger::Until(at) => wait = wait.min(at.since(now).max(Duration::from_millis(1))),
                Hunger::Fed => {}
            }
        }
        // With the places taken, a free one is the reason; with places free, hunger needs no waiting.
        let place = self.flights.come_free();
        let rung = tokio::select! {
            biased;
            () = stop.cancelled() => false,
            () = place, if hungry => false,
            () = delivery.store.work().rung(), if self.pause.is_none() => true,
            () = tokio::time::sleep(wait) => false,
        };
        if rung {
            self.wake();
        }
    }

    /// Looks at every page again, except where the budget says when. A page that is not known yet is hungry too: it
    /// must count when the loop decides how long to rest.
    fn wake(&mut self) {
        for page in self.delivery.pages.borrow().iter() {
            let hunger = self.hunger.entry(page.id.clone()).or_insert(Hunger::Hungry);
            if *hunger == Hunger::Fed {
                *hunger = Hunger::Hungry;
            }
        }
    }

    /// Whatever was rung or not: at every poll interval somebody looks.
    fn poll(&mut self) {
        let boot = self.delivery.clock.boot();
        if boot.saturating_sub(self.polled_at) >= self.delivery.limits.poll_interval {
            self.polled_at = boot;
            self.wake();
        }
    }
}
