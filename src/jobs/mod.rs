//! Floor 3: jobs, the cron-driven side of the daemon.
//!
//! | file | holds |
//! |---|---|
//! | `file` `reader` `spec` `schedule` | job files read and checked; a job; its cron line in its time zone |
//! | `bell` | tokio-cron-scheduler, which rings every second and does nothing else |
//! | `due` | which ticks are due, from schedule and history alone |
//! | `duty` | a node's part: looks at each ring, runs what is due |
//! | `runner` | one tick: taken as a row (one node a tick, no overlap), kept by a lease, ended with a result |
//!
//! What a task does is not known here: the wiring hands the runner a function for each.

mod bell;
mod due;
mod duty;
mod file;
mod reader;
mod runner;
mod schedule;
mod spec;

use tokio_util::sync::CancellationToken;

use bell::Bell;
pub use duty::Duty;
pub use file::{Fault, parse, shipped};
pub use runner::{Call, Ended, LEASE, Runner, Running, Task, Tasks};
pub use schedule::Schedule;
pub use spec::{CatchUp, Spec};

/// Runs jobs as they come due, until told to stop; what runs then is told to end, and awaited.
pub async fn run(runner: Runner, stop: CancellationToken) {
    let mut bell = match Bell::hang().await {
        Ok(bell) => bell,
        Err(error) => {
            tracing::error!(%error, "jobs cannot run: the scheduler did not start");
            return;
        }
    };
    let mut duty = Duty::new(runner, stop.clone());
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            () = bell.rung() => duty.round().await,
        }
    }
    bell.take_down().await;
    duty.idle().await;
}
