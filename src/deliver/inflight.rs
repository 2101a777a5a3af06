//! Which attempts this process runs, and how to stop those whose body has not left.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio_util::sync::CancellationToken;

use crate::domain::ids::AttemptId;
use crate::messenger::gate::Gate;

/// How many stops are remembered that came before their attempt was known here.
const REMEMBERED: usize = 10_000;

/// The attempts in flight.
#[derive(Debug, Default)]
pub struct InFlight {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    gates: HashMap<AttemptId, Arc<Gate>>,
    /// Stops that were heard between a claim's commit and its entry here.
    stopped: HashSet<AttemptId>,
}

impl InFlight {
    /// Enters an attempt. One that was stopped already meets a closed gate.
    pub fn enter(&self, attempt: AttemptId, gate: Arc<Gate>) {
        let mut inner = self.lock();
        if inner.stopped.remove(&attempt) {
            gate.close();
        }
        inner.gates.insert(attempt, gate);
    }

    /// Removes an attempt whose outcome is recorded.
    pub fn leave(&self, attempt: AttemptId) {
        self.lock().gates.remove(&attempt);
    }

    /// Whether this process still runs an attempt.
    #[must_use]
    pub fn runs(&self, attempt: AttemptId) -> bool {
        self.lock().gates.contains_key(&attempt)
    }

    /// How many attempts there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().gates.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Stops an attempt, if its body has not left.
    pub fn stop(&self, attempt: AttemptId) {
        let mut inner = self.lock();
        if let Some(gate) = inner.gates.get(&attempt) {
            gate.close();
        } else {
            if inner.stopped.len() >= REMEMBERED {
                inner.stopped.clear();
            }
            inner.stopped.insert(attempt);
        }
    }

    /// Stops every attempt whose body has not left.
    pub fn stop_all(&self) {
        self.lock().gates.values().for_each(|gate| _ = gate.close());
    }

    /// Follows the store's stops until told to end.
    pub async fn follow(&self, mut stops: Receiver<AttemptId>, end: CancellationToken) {
        loop {
            let heard = tokio::select! {
                () = end.cancelled() => return,
                heard = stops.recv() => heard,
            };
            match heard {
                Ok(attempt) => self.stop(attempt),
                // Some were not heard: whoever has not left may be among them, and can be claimed again.
                Err(RecvError::Lagged(_)) => self.stop_all(),
                Err(RecvError::Closed) => return,
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
