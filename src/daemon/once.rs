//! One tick of a job, from cron or a systemd timer, with or without a daemon beside it: the same claim, gate and fences.

use std::sync::Arc;

use anyhow::Context;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::alarms::hearers;
use super::ground::Ground;
use super::pages::{look, watch_pages};
use super::standing::Sentry;
use super::vigil::keep_time;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::deliver::{self, InFlight};
use crate::domain::job::Task;
use crate::domain::time::Timestamp;
use crate::jobs::{Ended, Spec};
use crate::lifecycle::Supervisor;
use crate::store::Store;

/// Runs one tick of a job.
///
/// # Errors
/// Where the store refuses the tick, or the messages cannot be prepared.
pub async fn run_job(
    config: Arc<Config>,
    node: String,
    (store, clock): (&Store, SystemClock),
    (spec, tick): (&Arc<Spec>, Timestamp),
    stop: CancellationToken,
) -> anyhow::Result<Ended> {
    let specs = vec![Arc::clone(spec)];
    let ground = Ground { stop: stop.clone(), ..Ground::new(config, node, clock, specs) };
    Sentry::begin(&ground, store).await.context("whether the database is the one it was is not known")?;
    let messenger = ground.messenger()?;
    let roster = ground.roster(store, &messenger).await?;
    let inflight = Arc::new(InFlight::default());
    let runner = ground.runner(store, &roster, &inflight);
    if spec.task != Task::SendBatch {
        let ended = runner.run_tick(spec, tick, &stop).await?;
        tell(&ground, store).await;
        return Ok(ended);
    }
    // Ends with the tick, with a signal, or with a task that must not end.
    let done = stop.child_token();
    let (mut tasks, listening) = (Supervisor::new(done.clone()), TaskTracker::new());
    store.listen(&listening, done.clone());
    ground.pulse.sampled(ground.clock.boot());
    let keeping = keep_time(store.clone(), Arc::clone(&ground.clock), Arc::clone(&ground.pulse), done.clone());
    tasks.spawn("store clock", keeping);
    tasks.spawn("batches", ground.keeper(store, &roster).run(done.clone()));
    tasks.spawn("upkeep", ground.upkeep(store, &inflight).run(done.clone()));
    let delivery = ground.delivery(store, &roster, &messenger, &inflight, ground.reaches.reaching());
    // What other nodes were told of the pages, before anybody is sent to.
    look(&delivery, ground.clock.now()).await.context("the pages cannot be read")?;
    tasks.spawn("pages", watch_pages(Arc::clone(&delivery), done.clone()));
    tasks.spawn("delivery", deliver::run(delivery, done.clone()));
    let tick = async {
        let ended = runner.run_tick(spec, tick, &done).await;
        done.cancel();
        ended
    };
    let (ended, orderly) = tokio::join!(tick, tasks.wait());
    listening.close();
    listening.wait().await;
    anyhow::ensure!(orderly, "sending ended by itself; the log tells why");
    tell(&ground, store).await;
    Ok(ended?)
}

/// Tells at once what is to be told: there may be no daemon that would.
async fn tell(ground: &Ground, store: &Store) {
    let told = async {
        let hearing = watch::Sender::new(hearers(&ground.config)?).subscribe();
        anyhow::Ok(ground.courier(store, hearing).finish().await?)
    };
    if let Err(error) = told.await {
        tracing::warn!(%error, "what is to be told waits for the next run, or for the daemon");
    }
}
