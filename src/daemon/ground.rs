//! What the rooms are built from: configuration types stop here, and each room gets its own small ones.

use std::sync::{Arc, OnceLock};

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::tasks::{Workers, tasks, ticks};
use crate::again::{Failure, Patience, again};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Mode, Transient};
use crate::deliver::{self, Delivery, InFlight, Keeper, Reaches, Reaching};
use crate::domain::checkup::Expected;
use crate::intake::{self, Intake, StopWords};
use crate::jobs::{Runner, Spec};
use crate::lifecycle;
use crate::messenger::{Messenger, Settings};
use crate::metrics::Metrics;
use crate::pulse::Pulse;
use crate::roster::Roster;
use crate::server::{self, Face, Front, Limits};
use crate::store::{self, Store};
use crate::upkeep::Upkeep;
use crate::watch::Watch;
use crate::watch::foresight::Foresight;
use crate::watch::pages::PageWatch;

/// What is built before the house, and shared by all of it.
pub(super) struct Ground {
    pub(super) config: Arc<Config>,
    pub(super) node: String,
    pub(super) clock: Arc<SystemClock>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) stop: CancellationToken,
    /// The jobs.
    pub(super) specs: Vec<Arc<Spec>>,
    /// How far claims may reach, where people are sent to in batches.
    pub(super) reaches: Arc<Reaches>,
}

impl Ground {
    pub(super) fn new(config: Arc<Config>, node: String, clock: SystemClock, specs: Vec<Arc<Spec>>) -> Self {
        Self {
            config,
            node,
            clock: Arc::new(clock),
            pulse: Arc::default(),
            metrics: Arc::default(),
            stop: CancellationToken::new(),
            specs,
            reaches: Arc::default(),
        }
    }

    pub(super) fn shared_clock(&self) -> Arc<dyn Clock> {
        Arc::<SystemClock>::clone(&self.clock)
    }

    pub(super) fn serve(
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
    pub(super) async fn open_store(&self) -> anyhow::Result<Option<Store>> {
        let access = self.config.database.access();
        let opened = again(
            Patience::ENDLESS,
            &self.stop,
            || async {
                Store::open(access.clone()).await.map_err(|error| match error {
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

    pub(super) fn messenger(&self) -> anyhow::Result<Arc<Messenger>> {
        let messenger = Messenger::new(self.messenger_settings(), self.shared_clock());
        Ok(Arc::new(messenger.context("the HTTP client cannot be built")?))
    }

    fn messenger_settings(&self) -> Settings {
        let messenger = &self.config.messenger;
        Settings {
            graph_url: messenger.graph_url.clone(),
            api_version: messenger.api_version.clone(),
            request_timeout: self.config.policy.window.request_timeout,
            doubt_transient: self.config.later.transient == Transient::Uncertain,
            node: self.node.clone(),
        }
    }

    /// The pages, and their tokens and messages made known to the other nodes.
    pub(super) async fn roster(&self, store: &Store, messenger: &Arc<Messenger>) -> anyhow::Result<Arc<Roster>> {
        let roster = Roster::new(Arc::clone(messenger), &self.config).map_err(anyhow::Error::msg)?;
        let introduced = store.introduce(roster.credentials(), self.node.clone(), self.clock.now());
        introduced.await.context("the pages' tokens cannot be noted in the database")?;
        Ok(roster)
    }

    pub(super) fn delivery(
        &self,
        store: &Store,
        roster: &Arc<Roster>,
        messenger: &Arc<Messenger>,
        inflight: &Arc<InFlight>,
        reach: Reaching,
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
            ask: roster.ask(),
            ahead: Arc::new(move || messenger.ahead()),
            reach,
            inflight: Arc::clone(inflight),
            pace: deliver::Pace::new(self.config.send.max_in_flight),
            metrics: Arc::clone(&self.metrics),
            pulse: Arc::clone(&self.pulse),
        })
    }

    /// Who may be claimed: everybody, or whom the keeper of batches finds.
    pub(super) fn reach(&self) -> Reaching {
        match self.config.send.mode {
            Mode::Continuous => deliver::everybody(),
            Mode::Batch => self.reaches.reaching(),
        }
    }

    pub(super) fn keeper(&self, store: &Store, roster: &Arc<Roster>) -> Keeper {
        Keeper {
            store: store.clone(),
            clock: self.shared_clock(),
            pages: roster.pages(),
            window: self.config.policy.window,
            ticks: ticks(&self.specs),
            at_risk: self.config.alerts.at_risk,
            poll_interval: self.config.send.poll_interval,
            reaches: Arc::clone(&self.reaches),
        }
    }

    pub(super) fn upkeep(&self, store: &Store, inflight: &Arc<InFlight>) -> Upkeep {
        let inflight = Arc::clone(inflight);
        Upkeep {
            store: store.clone(),
            clock: self.shared_clock(),
            runs: Arc::new(move |attempt| inflight.runs(attempt)),
            poll_interval: self.config.send.poll_interval,
        }
    }

    pub(super) fn page_watch(&self, store: &Store, roster: &Arc<Roster>) -> PageWatch {
        let Config { messenger, policy, alerts, .. } = self.config.as_ref();
        PageWatch {
            store: store.clone(),
            clock: self.shared_clock(),
            pages: roster.ids(),
            look: roster.look(messenger.app_id.clone()),
            expected: Expected {
                app_id: messenger.app_id.clone(),
                api_version: messenger.api_version.clone(),
                safety_margin: policy.window.safety_margin,
            },
            webhook_silence: alerts.webhook_silence,
        }
    }

    /// Looks ahead for the pages of the roster.
    pub(super) fn foresight(&self, store: &Store, roster: &Arc<Roster>) -> Foresight {
        let pages = roster.pages();
        let budgets = move || pages.borrow().iter().map(|page| (page.id.clone(), page.budget)).collect();
        Foresight::new(store.clone(), Arc::new(budgets), self.config.send.mode == Mode::Batch)
    }

    pub(super) fn runner(&self, store: &Store, roster: &Arc<Roster>, inflight: &Arc<InFlight>) -> Runner {
        let workers = Workers {
            upkeep: self.upkeep(store, inflight),
            watch: Watch {
                store: store.clone(),
                clock: self.shared_clock(),
                at_risk: self.config.alerts.at_risk,
                foresight: self.foresight(store, roster),
            },
            pages: self.page_watch(store, roster),
            batches: self.keeper(store, roster),
        };
        Runner {
            store: store.clone(),
            clock: self.shared_clock(),
            node: self.node.clone(),
            specs: self.specs.clone(),
            tasks: Arc::new(tasks(&workers)),
        }
    }

    pub(super) fn intake(&self, store: &Store, settings: watch::Receiver<Arc<intake::Settings>>) -> Intake {
        Intake::new(Arc::new(store.clone()), self.shared_clock(), settings, Arc::clone(&self.metrics))
    }
}

/// What intake needs of a configuration.
pub(super) fn intake_settings(config: &Config) -> Arc<intake::Settings> {
    let Config { messenger, login, server, .. } = config;
    let secrets = login.as_ref().map(|login| &login.app_secrets).filter(|secrets| !secrets.is_empty());
    Arc::new(intake::Settings {
        app_secrets: messenger.app_secrets.clone(),
        login_secrets: secrets.unwrap_or(&messenger.app_secrets).clone(),
        verify_token: messenger.verify_token.clone(),
        api_token: server.api_token.clone(),
        app_id: messenger.app_id.clone(),
        login: derivation(config),
        public_url: server.public_url.clone(),
        stop_words: StopWords::new(&config.stop_words),
        max_body: server.max_body,
    })
}

/// How `login_id`s are derived, where the configuration has what it takes.
#[must_use]
pub fn derivation(config: &Config) -> Option<intake::Derivation> {
    let login = config.login.as_ref()?;
    let app_id = login.app_id.clone().or_else(|| config.messenger.app_id.clone())?;
    Some(intake::Derivation { app_id, client_token: login.client_token.clone()? })
}
