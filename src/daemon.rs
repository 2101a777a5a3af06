//! The daemon: builds the house once, in reading order, and keeps it standing.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::again::{Failure, Patience, again};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Transient};
use crate::deliver::{self, Delivery, InFlight};
use crate::domain::job::Task;
use crate::domain::optin::State;
use crate::intake::{self, Intake, StopWords};
use crate::jobs::{self, Runner, Tasks};
use crate::lifecycle::{self, Supervisor};
use crate::messenger::{Messenger, Settings};
use crate::metrics::Metrics;
use crate::pulse::Pulse;
use crate::roster::Roster;
use crate::server::{self, Face, Front, Limits};
use crate::store::{self, Store};
use crate::upkeep::Upkeep;
use crate::watch::Watch;

/// How often the store's clock is read.
const SAMPLE: Duration = Duration::from_secs(5);
/// How often opt-ins are counted for the metrics and the status line.
const COUNT: Duration = Duration::from_secs(30);

/// Where the daemon is listened to.
#[derive(Debug)]
pub struct Listeners {
    /// For the platform and the site; for everything where there is no other.
    pub public: TcpListener,
    /// For health and metrics.
    pub admin: Option<TcpListener>,
}

/// What is built before the house, and shared by all of it.
struct Ground {
    config: Arc<Config>,
    node: String,
    clock: Arc<SystemClock>,
    pulse: Arc<Pulse>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
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
    ready: impl FnOnce(&Arc<Roster>, &Store),
) -> anyhow::Result<bool> {
    let ground = Ground {
        config,
        node,
        clock: Arc::new(SystemClock::new()),
        pulse: Arc::default(),
        metrics: Arc::default(),
        stop: stop.clone(),
    };
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

    let messenger = Arc::new(
        Messenger::new(ground.messenger_settings(), ground.shared_clock())
            .context("the HTTP client cannot be built")?,
    );
    let roster = Roster::new(Arc::clone(&messenger), &ground.config.pages).map_err(anyhow::Error::msg)?;
    let inflight = Arc::new(InFlight::default());
    let listening = TaskTracker::new();
    store.listen(&listening, stop.clone());
    tasks.spawn("delivery", deliver::run(ground.delivery(&store, &roster, &messenger, &inflight), stop.clone()));
    tasks.spawn("upkeep", ground.upkeep(&store, &inflight).run(stop.clone()));
    tasks.spawn("jobs", jobs::run(ground.runner(&store, &inflight)?, stop.clone()));
    tasks.spawn(
        "store clock",
        keep_time(store.clone(), Arc::clone(&ground.clock), Arc::clone(&ground.pulse), stop.clone()),
    );
    tasks.spawn("counts", count(store.clone(), ground.shared_clock(), Arc::clone(&ground.metrics), stop.clone()));
    _ = house.set((intake::router(ground.intake(&store)), store.clone()));
    tracing::info!(
        node = ground.node,
        pages = ground.config.pages.len(),
        database = ground.config.database.shown(),
        "ready"
    );
    ready(&roster, &store);

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

impl Ground {
    fn shared_clock(&self) -> Arc<dyn Clock> {
        Arc::<SystemClock>::clone(&self.clock)
    }

    fn serve(
        &self,
        listener: TcpListener,
        face: Face,
        house: Arc<OnceLock<(axum::Router, Store)>>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let front = Front {
            pulse: Arc::clone(&self.pulse),
            clock: self.shared_clock(),
            metrics: Arc::clone(&self.metrics),
            house,
        };
        let limits = Limits {
            max_connections: self.config.server.max_connections,
            body_timeout: self.config.server.body_timeout,
        };
        server::serve(listener, face, front, limits, self.stop.clone())
    }

    /// Opens the database, waiting for it as long as it takes; `None` if told to stop first.
    async fn open_store(&self) -> anyhow::Result<Option<Store>> {
        let url = self.config.database.url.clone();
        let opened = again(
            Patience::ENDLESS,
            &self.stop,
            || async {
                Store::open(&url).await.map_err(|error| match error {
                    store::Error::Unavailable(_) => Failure::Passing(error),
                    error => Failure::Final(error),
                })
            },
            |error, pause| {
                tracing::warn!(error = error.chain(), retry_in = ?pause, "the database cannot be reached yet");
                lifecycle::status("waiting for the database");
            },
        );
        let opened = opened.await.transpose();
        if opened.is_err() {
            self.stop.cancel();
        }
        Ok(opened?)
    }

    fn messenger_settings(&self) -> Settings {
        let messenger = &self.config.messenger;
        Settings {
            graph_url: messenger.graph_url.clone(),
            api_version: messenger.api_version.clone(),
            app_secret: messenger.app_secrets.first().cloned(),
            request_timeout: self.config.policy.window.request_timeout,
            doubt_transient: self.config.later.transient == Transient::Uncertain,
            node: self.node.clone(),
        }
    }

    fn delivery(
        &self,
        store: &Store,
        roster: &Arc<Roster>,
        messenger: &Arc<Messenger>,
        inflight: &Arc<InFlight>,
    ) -> Arc<Delivery> {
        let messenger = Arc::clone(messenger);
        Arc::new(Delivery {
            store: store.clone(),
            clock: self.shared_clock(),
            pages: roster.pages(),
            node: self.node.clone(),
            window: self.config.policy.window,
            limits: deliver::Limits {
                max_in_flight: self.config.send.max_in_flight,
                poll_interval: self.config.send.poll_interval,
            },
            post: roster.post(),
            ahead: Arc::new(move || messenger.ahead()),
            inflight: Arc::clone(inflight),
            metrics: Arc::clone(&self.metrics),
            pulse: Arc::clone(&self.pulse),
        })
    }

    fn upkeep(&self, store: &Store, inflight: &Arc<InFlight>) -> Upkeep {
        let inflight = Arc::clone(inflight);
        Upkeep {
            store: store.clone(),
            clock: self.shared_clock(),
            runs: Arc::new(move |attempt| inflight.runs(attempt)),
            poll_interval: self.config.send.poll_interval,
        }
    }

    fn runner(&self, store: &Store, inflight: &Arc<InFlight>) -> anyhow::Result<Runner> {
        let upkeep = self.upkeep(store, inflight);
        let watch = Watch { store: store.clone(), clock: self.shared_clock(), at_risk: self.config.alerts.at_risk };
        Ok(Runner {
            store: store.clone(),
            clock: self.shared_clock(),
            node: self.node.clone(),
            specs: Arc::new(job_specs(&self.config)?),
            tasks: Arc::new(tasks(&upkeep, &watch)),
        })
    }

    fn intake(&self, store: &Store) -> Intake {
        let Config { messenger, login, server, .. } = self.config.as_ref();
        let derivation = login.as_ref().and_then(|login| {
            let app_id = login.app_id.clone().or_else(|| messenger.app_id.clone())?;
            Some(intake::Derivation { app_id, client_token: login.client_token.clone()? })
        });
        Intake {
            store: Arc::new(store.clone()),
            clock: self.shared_clock(),
            settings: Arc::new(intake::Settings {
                app_secrets: messenger.app_secrets.clone(),
                verify_token: messenger.verify_token.clone(),
                api_token: server.api_token.clone(),
                app_id: messenger.app_id.clone(),
                login: derivation,
                stop_words: StopWords::new(&self.config.stop_words),
                max_body: server.max_body,
            }),
            metrics: Arc::clone(&self.metrics),
        }
    }
}

/// The jobs of a configuration: those of its directory, or the program's own.
///
/// # Errors
/// Everything that is wrong with the files.
pub fn job_specs(config: &Config) -> anyhow::Result<Vec<jobs::Spec>> {
    let specs = match &config.jobs.dir {
        None => jobs::shipped(),
        Some(dir) => {
            let mut files = Vec::new();
            let entries = std::fs::read_dir(dir).with_context(|| format!("{} cannot be read", dir.display()))?;
            for path in entries
                .filter_map(|entry| Some(entry.ok()?.path()))
                .filter(|path| path.extension().is_some_and(|e| e == "toml"))
            {
                let text =
                    std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
                files.push((path.display().to_string(), text));
            }
            files.sort();
            jobs::parse(files)
        }
    };
    specs.map_err(|faults| anyhow::anyhow!("the job files are faulty:\n{}", faults.join("\n")))
}

/// What each task does.
fn tasks(upkeep: &Upkeep, watch: &Watch) -> Tasks {
    let mut tasks = Tasks::new();
    for task in Task::ALL {
        let (upkeep, watch) = (upkeep.clone(), watch.clone());
        let run: jobs::Task = match task {
            Task::ExpireUnanswered => Arc::new(move || {
                let upkeep = upkeep.clone();
                Box::pin(async move { upkeep.expire_unanswered(upkeep.clock.now()).await })
            }),
            Task::Purge => Arc::new(move || {
                let upkeep = upkeep.clone();
                Box::pin(async move { upkeep.purge_task(upkeep.clock.now()).await })
            }),
            Task::WatchDeadlines => Arc::new(move || {
                let watch = watch.clone();
                Box::pin(async move { watch.deadlines().await })
            }),
            // Not built yet: the runner says so, and `config check` too.
            Task::SendBatch | Task::SettleUncertain | Task::CheckPages | Task::DailyReport => continue,
        };
        tasks.insert(*task, run);
    }
    tasks
}

async fn sample(store: &Store, clock: &SystemClock, pulse: &Pulse) -> store::Result<()> {
    // A file's clock is the machine's: only a shared database has one of its own.
    if store.is_shared() {
        let before = clock.boot();
        let now = store.time().await?;
        let after = clock.boot();
        clock.adopt(now, before + after.saturating_sub(before) / 2);
    }
    pulse.sampled(clock.boot());
    Ok(())
}

async fn keep_time(store: Store, clock: Arc<SystemClock>, pulse: Arc<Pulse>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = sample(&store, &clock, &pulse).await {
            tracing::debug!(error = error.chain(), "the database's clock cannot be read");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(SAMPLE) => {}
        }
    }
}

async fn count(store: Store, clock: Arc<dyn Clock>, metrics: Arc<Metrics>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Ok(counts) = store.counts().await {
            let of =
                |state: State| counts.iter().filter(|count| count.state == state).map(|count| count.count).sum::<u64>();
            let waiting = counts.iter().filter(|count| count.state.is_waiting());
            let earliest = waiting.map(|count| store.policy().window.hard_stop(count.earliest)).min();
            metrics.counted(of, earliest.map(|stop| stop.since(clock.now())));
            let open = of(State::New) + of(State::Pending) + of(State::Retrying) + of(State::Sending);
            lifecycle::status(&format!(
                "{open} to send, {} sent, {} answered, {} uncertain, {} missed",
                of(State::Sent),
                of(State::Answered),
                of(State::Uncertain),
                of(State::Missed)
            ));
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(COUNT) => {}
        }
    }
}
