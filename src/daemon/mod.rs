//! The daemon: builds the house once, in reading order, and keeps it standing.

mod advice;
mod alarms;
mod ground;
mod once;
mod pages;
mod reload;
mod standing;
mod tasks;
mod vigil;

use std::sync::{Arc, OnceLock};

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::SystemClock;
use crate::config::{Config, Mode};
use crate::deliver::{self, InFlight};
use crate::intake;
use crate::jobs;
use crate::lifecycle::{self, Supervisor};
use crate::roster::Roster;
use crate::server::Face;
use crate::store::{self, Store};
pub use advice::job_warnings;
use alarms::hearers;
pub use alarms::sinks;
pub use ground::derivation;
use ground::{Ground, intake_settings};
pub use once::run_job;
use pages::watch_pages;
pub use reload::Reloadable;
use standing::Sentry;
pub use tasks::job_specs;
use vigil::{count, foresee, keep_time, sample};

/// Where the daemon is listened to.
#[derive(Debug)]
pub struct Listeners {
    /// For the platform and the site; for everything where there is no other.
    pub public: TcpListener,
    /// For health and metrics.
    pub admin: Option<TcpListener>,
}

/// Runs until `stop`. `ready` is called once, when the service does its work. Returns whether the end was orderly.
///
/// # Errors
/// What made the start impossible: a database that cannot be used, an address that cannot be had.
pub async fn run(
    config: Arc<Config>,
    node: String,
    listeners: Listeners,
    stop: CancellationToken,
    ready: impl FnOnce(Reloadable),
) -> anyhow::Result<bool> {
    let specs = job_specs(&config)?.into_iter().map(Arc::new).collect();
    let ground = Ground { stop: stop.clone(), ..Ground::new(config, node, SystemClock::new(), specs) };
    let _lock = store::lock_for_daemon(&ground.config.database.url)?;
    let mut tasks = Supervisor::new(stop.clone());
    let house = Arc::new(OnceLock::new());
    let face = if listeners.admin.is_some() { Face::Public } else { Face::All };
    tasks.spawn("server", ground.serve(listeners.public, face, Arc::clone(&house)));
    if let Some(admin) = listeners.admin {
        tasks.spawn("admin server", ground.serve(admin, Face::Admin, Arc::clone(&house)));
    }
    let Some(store) = ground.open_store().await? else { return Ok(tasks.wait().await) };
    let pages = ground.config.pages.iter().map(|page| page.id.clone());
    store.govern(ground.config.policy, pages).await.context("the pages cannot be written to the database")?;
    sample(&store, &ground.clock, &ground.pulse).await.context("the database's clock cannot be read")?;
    let sentry = Sentry::begin(&ground, &store).await.context("whether the database is the one it was is not known")?;

    let messenger = ground.messenger()?;
    let roster = ground.roster(&store, &messenger).await?;
    let inflight = Arc::new(InFlight::default());
    let listening = TaskTracker::new();
    store.listen(&listening, stop.clone());
    let (hearers, hearing) = watch::channel(hearers(&ground.config)?);
    ground.tell_others(&store, hearing, &mut tasks)?;
    if ground.config.send.mode == Mode::Batch {
        tasks.spawn("batches", ground.keeper(&store, &roster).run(stop.clone()));
    }
    let delivery = ground.delivery(&store, &roster, &messenger, &inflight, ground.reach());
    tasks.spawn("delivery", deliver::run(Arc::clone(&delivery), stop.clone()));
    tasks.spawn("pages", watch_pages(delivery, stop.clone()));
    tasks.spawn("upkeep", ground.upkeep(&store, &inflight).run(stop.clone()));
    tasks.spawn("jobs", jobs::run(ground.runner(&store, &roster, &inflight), stop.clone()));
    keep_vigil(&ground, &mut tasks, &store, &roster);
    tasks.spawn("standing", sentry.run(stop.clone()));
    let (settings, read_settings) = watch::channel(intake_settings(&ground.config));
    _ = house.set((intake::router(ground.intake(&store, read_settings)), store.clone()));
    let (node, pages) = (&ground.node, ground.config.pages.len());
    tracing::info!(node, pages, database = ground.config.database.shown(), "ready");
    ready(Reloadable { roster, store: store.clone(), settings, hearers });

    let watchdog_done = CancellationToken::new();
    let feeding = lifecycle::watchdog(Arc::clone(&ground.pulse), ground.shared_clock(), watchdog_done.clone());
    let orderly = async {
        let orderly = tasks.wait().await;
        watchdog_done.cancel();
        orderly
    };
    let ((), orderly) = tokio::join!(feeding, orderly);
    listening.close();
    listening.wait().await;
    store.close().await;
    Ok(orderly)
}

/// What is watched beside the work.
fn keep_vigil(ground: &Ground, tasks: &mut Supervisor, store: &Store, roster: &Arc<Roster>) {
    let (clock, metrics, stop) = (ground.shared_clock(), &ground.metrics, &ground.stop);
    let (own, pulse) = (Arc::clone(&ground.clock), Arc::clone(&ground.pulse));
    tasks.spawn("store clock", keep_time(store.clone(), own, pulse, stop.clone()));
    tasks.spawn("counts", count(store.clone(), Arc::clone(&clock), Arc::clone(metrics), stop.clone()));
    let foreseeing = foresee(ground.foresight(store, roster), clock, Arc::clone(metrics), stop.clone());
    tasks.spawn("foresight", foreseeing);
}
