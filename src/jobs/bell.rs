//! The bell: tokio-cron-scheduler rings once a second, and does nothing else.
//!
//! It is not asked which job is due: it overlaps runs, forgets those it could not start, waits for none at the stop,
//! and keeps a zone's offset from the day it was told. A lost ring costs a second.

use tokio::sync::mpsc;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

/// A bell that rings while it is kept.
pub(super) struct Bell {
    scheduler: JobScheduler,
    rings: mpsc::Receiver<()>,
}

impl Bell {
    pub(super) async fn hang() -> Result<Self, JobSchedulerError> {
        let (ring, rings) = mpsc::channel(1);
        let scheduler = JobScheduler::new().await?;
        let job = Job::new_async("* * * * * *", move |_, _| {
            // Full means that somebody is still on the way.
            _ = ring.try_send(());
            Box::pin(async {})
        })?;
        scheduler.add(job).await?;
        scheduler.start().await?;
        Ok(Self { scheduler, rings })
    }

    /// Waits for the next ring.
    pub(super) async fn rung(&mut self) {
        if self.rings.recv().await.is_none() {
            // The scheduler is gone; time still passes.
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
    }

    pub(super) async fn take_down(mut self) {
        if let Err(error) = self.scheduler.shutdown().await {
            tracing::debug!(%error, "the bell did not stop cleanly");
        }
    }
}
