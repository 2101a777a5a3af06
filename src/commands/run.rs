//! `firstword run`: the daemon, as systemd starts it.

use std::sync::{Arc, OnceLock};

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use crate::cli::{Global, RunArgs};
use crate::commands::Exit;
use crate::config::{self, Environment};
use crate::roster::Roster;
use crate::{daemon, lifecycle, server, telemetry};

/// Runs the daemon until a signal ends it.
///
/// # Errors
/// What kept it from starting, or made it end.
pub async fn run(_: &RunArgs, global: &Global) -> anyhow::Result<Exit> {
    let environment = Environment::of_process();
    let path = config::find(global.config.as_deref(), &environment)?;
    let config = Arc::new(config::load(&path, &environment)?);
    telemetry::start(global.log.as_deref().unwrap_or(telemetry::DEFAULT_FILTER), environment.has_journal())?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    daemon::job_specs(&config).map_err(|error| error.context("fix the job files, or remove jobs.dir"))?;
    let listen = config.server.listen;
    let listener = server::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}; is another process there? server.listen says where"))?;
    let (stop, roster) = (CancellationToken::new(), Arc::new(OnceLock::new()));
    let reload = reloader(Arc::clone(&roster), path, environment);
    let signals = lifecycle::signals(stop.clone(), reload);
    let daemon = async {
        let pages = config.pages.len();
        let ended = daemon::run(Arc::clone(&config), node_name(), listener, stop.clone(), |built, _| {
            _ = roster.set(Arc::clone(built));
            lifecycle::ready(&format!("sending for {pages} page(s)"));
        });
        let ended = ended.await;
        stop.cancel();
        ended
    };
    let ((), orderly) = tokio::join!(signals, daemon);
    Ok(if orderly? { Exit::Done } else { Exit::Failed })
}

/// What SIGHUP does: pages, tokens, messages and rates are read again; the rest of the file needs a restart.
fn reloader(
    roster: Arc<OnceLock<Arc<Roster>>>,
    path: std::path::PathBuf,
    environment: Environment,
) -> impl FnMut() + Send {
    move || match (config::load(&path, &environment), roster.get()) {
        (_, None) => tracing::warn!("not reloaded: the service is still starting"),
        (Ok(config), Some(roster)) => match roster.load(&config.pages) {
            Ok(()) => tracing::info!(
                pages = config.pages.len(),
                "pages, tokens, messages and rates reloaded; other keys need a restart"
            ),
            Err(fault) => tracing::error!(fault, "not reloaded: the old pages stay"),
        },
        (Err(faults), _) => tracing::error!(%faults, "not reloaded: the old configuration stays"),
    }
}

/// This node's name: the host's, and the process's, so that two on one host differ.
fn node_name() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{host}-{}", std::process::id())
}
