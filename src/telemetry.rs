//! Logs: to the journal with their fields where it listens, as text to a terminal, as JSON to anything else.

use std::io::IsTerminal;

use anyhow::Context;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// What is logged unless the operator says otherwise.
pub const DEFAULT_FILTER: &str = "info";

/// Starts logging. `filter` is a level, or levels by target as in `info,firstword::deliver=debug`; `journal` says
/// whether standard error is connected to the journal.
///
/// # Errors
/// If the filter cannot be read.
pub fn start(filter: &str, journal: bool) -> anyhow::Result<()> {
    let targets: Targets = filter
        .parse()
        .with_context(|| format!("{filter:?} is no log filter; write \"info\" or \"info,firstword::deliver=debug\""))?;
    let terminal = std::io::stderr().is_terminal();
    let layer = match tracing_journald::layer() {
        Ok(layer) if journal => layer.with_syslog_identifier("firstword".into()).boxed(),
        _ if terminal => fmt::layer().with_writer(std::io::stderr).with_target(false).boxed(),
        _ => fmt::layer().json().flatten_event(true).with_writer(std::io::stderr).boxed(),
    };
    // A second start, as in a test, keeps the first.
    _ = tracing_subscriber::registry().with(layer.with_filter(targets)).try_init();
    Ok(())
}
