//! `firstword run`: the daemon, as systemd starts it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::cli::{Global, RunArgs};
use crate::clock::{Clock, SystemClock};
use crate::commands::Exit;
use crate::config::{self, Environment};
use crate::daemon::{Listeners, Reloadable};
use crate::{daemon, lifecycle, server, telemetry};

/// How often to look whether a page was resumed.
const RESUMES: Duration = Duration::from_secs(1);

/// Runs the daemon until a signal ends it.
///
/// # Errors
/// What kept it from starting, or made it end.
pub async fn run(_: &RunArgs, global: &Global) -> anyhow::Result<Exit> {
    let environment = Environment::of_process();
    let path = config::find(global.config.as_deref(), &environment)?;
    let config = Arc::new(config::load(&path, &environment)?);
    telemetry::start(global.log.as_deref().unwrap_or(telemetry::DEFAULT_FILTER), environment.has_journal())?;
    for warning in config.warnings.iter().chain(&daemon_jobs(&config)?) {
        tracing::warn!("{warning}");
    }
    let files = lifecycle::open_many_files();
    if files.is_some_and(|files| files < config.server.max_connections as u64) {
        tracing::warn!(files, "fewer files may be open than server.max_connections; raise LimitNOFILE, or ulimit -n");
    }
    let listeners = Listeners {
        public: listen("server.listen", config.server.listen).await?,
        admin: match config.server.admin_listen {
            Some(addr) => Some(listen("server.admin_listen", addr).await?),
            None => None,
        },
    };
    let (stop, house, node) = (CancellationToken::new(), OnceLock::new(), node_name());
    let again = Again { house: &house, path: &path, environment: &environment, node: &node };
    let signals = lifecycle::signals(stop.clone(), async || again.reload().await);
    let resumes = again.follow_resumes(stop.clone());
    let daemon = async {
        let pages = config.pages.len();
        let ended = daemon::run(Arc::clone(&config), node.clone(), listeners, stop.clone(), |reloadable| {
            _ = house.set(reloadable);
            lifecycle::ready(&format!("sending for {pages} page(s)"));
        });
        let ended = ended.await;
        stop.cancel();
        ended
    };
    let ((), (), orderly) = tokio::join!(signals, resumes, daemon);
    Ok(if orderly? { Exit::Done } else { Exit::Failed })
}

/// Reads the jobs. Returns what is odd about them.
///
/// # Errors
/// Everything that is wrong with their files.
pub(super) fn daemon_jobs(config: &config::Config) -> Result<Vec<String>, config::Faults> {
    let specs = daemon::job_specs(config)?;
    Ok(daemon::job_warnings(config, &specs, SystemClock::new().now()))
}

async fn listen(key: &str, addr: SocketAddr) -> anyhow::Result<TcpListener> {
    server::bind(addr)
        .await
        .with_context(|| format!("cannot listen on {addr}; is another process there? {key} says where"))
}

/// Reads the configuration again while the daemon runs.
struct Again<'a> {
    house: &'a OnceLock<Reloadable>,
    path: &'a Path,
    environment: &'a Environment,
    node: &'a str,
}

impl Again<'_> {
    /// What SIGHUP does.
    async fn reload(&self) {
        if let Err(what) = self.reread().await {
            tracing::error!("{what}");
        }
    }

    /// Takes the configuration over, or says why not.
    async fn reread(&self) -> Result<(), String> {
        let house = self.house.get().ok_or("not reloaded: the service is still starting")?;
        let config = config::load(self.path, self.environment)
            .map_err(|faults| format!("not reloaded, the old configuration stays: {faults}"))?;
        house.load(&config).map_err(|fault| format!("not reloaded, the old configuration stays: {fault}"))?;
        let Reloadable { roster, store, .. } = house;
        // A page that is new to the database is sent for only once it has its row there.
        let pages = config.pages.iter().map(|page| page.id.clone());
        let kept = async {
            store.govern(store.policy(), pages).await?;
            let now = store.time().await?;
            store.introduce(roster.credentials(), self.node.to_owned(), now).await
        };
        kept.await.map_err(|error| {
            format!("reloaded, but new pages are not in the database; reload again when it answers: {}", error.chain())
        })?;
        store.work().ring();
        let pages = config.pages.len();
        tracing::info!(
            pages,
            "pages, tokens, messages and rates reloaded, and every secret but the database's; other keys need a restart"
        );
        Ok(())
    }

    /// Reads again whenever an operator resumed a page, on whichever node.
    async fn follow_resumes(&self, stop: CancellationToken) {
        let mut known = None;
        while stop.run_until_cancelled(tokio::time::sleep(RESUMES)).await.is_some() {
            let Some(Reloadable { store, .. }) = self.house.get() else { continue };
            let Ok(pages) = store.pages().await else { continue };
            let resumed: i64 = pages.iter().map(|page| page.resume_seq).sum();
            // One from before the first look may have come after the files were read.
            if known.map_or(resumed > 0, |known| known != resumed) {
                tracing::info!("a page was resumed");
                self.reload().await;
            }
            known = Some(resumed);
        }
    }
}

/// This node's name: the host's, and the process's, so that two on one host differ.
pub(super) fn node_name() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{host}-{}", std::process::id())
}
