//! Writing outcomes down. What the database refuses is kept and tried again until it takes it: an outcome that is
//! lost would leave a person uncertain for no reason.

use std::time::Duration;

use super::Delivery;
use crate::domain::signal::Signal;
use crate::store::Error;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

impl Delivery {
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
