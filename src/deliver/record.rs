//! Writing outcomes down. What the database refuses is kept and tried again until it takes it: an outcome that is
//! lost would leave a person uncertain for no reason.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::task::TaskTracker;

use super::{Delivery, Page};
use crate::domain::ids::AttemptId;
use crate::domain::signal::Signal;
use crate::messenger::usage::Usage;
use crate::store::Error;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The most acceptances written down at once: as many as go into one list of SQLite's.
const MOST: usize = 256;

/// What an attempt came to.
pub(super) struct Ended {
    pub(super) page: Arc<Page>,
    pub(super) attempt: AttemptId,
    pub(super) accepted: bool,
    /// Whether a held page was probed by it.
    pub(super) probes: bool,
    pub(super) usage: Option<Usage>,
    pub(super) signal: Signal,
    /// Given back when it is recorded.
    pub(super) _unrecorded: Option<OwnedSemaphorePermit>,
}

/// Writes acceptances down as they come: those that arrive while others are written share the next commit. Where the
/// store refuses them together, each is tried by itself, and none waits for another.
pub(super) async fn write_down(
    delivery: Arc<Delivery>,
    mut queue: mpsc::UnboundedReceiver<Ended>,
    tracker: TaskTracker,
) {
    let mut accepted = Vec::with_capacity(MOST);
    while queue.recv_many(&mut accepted, MOST).await > 0 {
        let signals = accepted.iter().map(|ended| ended.signal.clone()).collect();
        let recorded = delivery.store.record(signals, delivery.clock.now()).await;
        for ended in accepted.drain(..) {
            if recorded.is_ok() {
                delivery.leave(&ended);
            } else {
                let delivery = Arc::clone(&delivery);
                tracker.spawn(async move { delivery.finish(ended).await });
            }
        }
    }
}

impl Delivery {
    /// Records one outcome, and heeds what came with it.
    pub(super) async fn finish(&self, ended: Ended) {
        self.record(ended.signal.clone()).await;
        self.leave(&ended);
        if let Some(usage) = ended.usage.filter(|usage| self.heed(&ended.page, *usage)) {
            self.spread(&ended.page, usage).await;
        }
    }

    /// An outcome is recorded.
    fn leave(&self, ended: &Ended) {
        self.inflight.leave(ended.attempt);
        if self.pace.ended(&ended.page.id, ended.accepted) {
            self.store.work().ring();
        }
        if ended.probes {
            self.pace.end_probe(&ended.page.id);
        }
    }

    /// Records one outcome. Returns only when it is committed, or the store is gone for good.
    pub async fn record(&self, signal: Signal) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.store.record(vec![signal.clone()], self.clock.now()).await {
                Ok(_) => return,
                Err(Error::Closed) => {
                    tracing::error!("the store closed before an outcome was recorded; its lease will tell");
                    return;
                }
                Err(error) => {
                    tracing::warn!(error = error.chain(), retry_in = ?pause, "an outcome is not recorded yet");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }
}
