//! `firstword alert`: what is open, and whether those who should hear do.

use std::time::Duration;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::open::open_existing;
use super::{Exit, load, out};
use crate::again::{Failure, Patience, again};
use crate::alerts::Sink;
use crate::cli::watch::AlertCommand;
use crate::cli::{Global, Report};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Environment};
use crate::domain::alert::{Alert, Kind, Notice, Step};
use crate::store::Store;
use crate::{daemon, telemetry};

/// How long each place is tried.
const PATIENCE: Patience =
    Patience { first: Duration::from_secs(1), longest: Duration::from_secs(15), at_most: Some(Duration::from_mins(1)) };

pub(super) async fn run(command: &AlertCommand, global: &Global) -> anyhow::Result<Exit> {
    let config = load(global)?;
    match command {
        AlertCommand::List(report) => list(*report, &config).await,
        AlertCommand::Test(report) => {
            let patience = Patience { at_most: Some(Duration::ZERO), ..PATIENCE };
            tell(&config, global, *report, patience, Alert::new(Kind::Test, host(), "nothing is wrong")).await
        }
        AlertCommand::Unit { name, report } => {
            let detail = format!("on {}; `journalctl -u {name}` tells why", host());
            tell(&config, global, *report, PATIENCE, Alert::new(Kind::UnitFailed, name, detail)).await
        }
    }
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

async fn list(report: Report, config: &Config) -> anyhow::Result<Exit> {
    let store: Store = open_existing(config).await?;
    let (alerts, waiting) = (store.open_alerts().await?, store.notices_waiting().await?);
    store.close().await;
    if report.json {
        out::json(&serde_json::json!({"alerts": alerts, "waiting": waiting}))?;
        return Ok(Exit::Done);
    }
    let rows = alerts.into_iter().map(|alert| {
        let (first, last) = (out::time(alert.first_at), out::time(alert.last_at));
        let severity = alert.kind.severity().to_string();
        [severity, alert.kind.to_string(), alert.cause, first, last, alert.times.to_string(), alert.detail]
    });
    out::line(out::table(["SEVERITY", "ALERT", "CAUSE", "FIRST", "LAST", "TIMES", "DETAIL"], rows))?;
    if !waiting.is_empty() {
        let rows = waiting
            .into_iter()
            .map(|one| [one.channel, one.count.to_string(), out::time(one.oldest), one.error.unwrap_or_default()]);
        out::line(format!("\nnot delivered yet\n{}", out::table(["CHANNEL", "NOTICES", "OLDEST", "WHY"], rows)))?;
    }
    Ok(Exit::Done)
}

/// Whether one place heard.
#[derive(Debug, Serialize)]
struct Told {
    channel: &'static str,
    error: Option<String>,
}

/// Tells every place alerts go to, past the database.
async fn tell(
    config: &Config,
    global: &Global,
    report: Report,
    patience: Patience,
    alert: Alert,
) -> anyhow::Result<Exit> {
    let filter = global.log.as_deref().unwrap_or(telemetry::DEFAULT_FILTER);
    telemetry::start(filter, Environment::of_process().has_journal())?;
    let now = SystemClock::new().now();
    let notice = serde_json::to_string(&Notice::of(0, Step::Raised, alert, (now, now), None))?;
    let mut told = Vec::new();
    for sink in daemon::sinks(config)?.into_iter().filter(Sink::takes_alerts) {
        let tell = || async { sink.tell(&notice).await.map_err(Failure::Passing) };
        let result = again(patience, &CancellationToken::new(), tell, |_, _| ()).await;
        told.push(Told { channel: sink.channel(), error: result.and_then(Result::err) });
    }
    if report.json {
        out::json(&told)?;
    } else {
        for Told { channel, error } in &told {
            out::line(format!("{channel}: {}", error.as_deref().unwrap_or("told")))?;
        }
    }
    Ok(if told.iter().all(|one| one.error.is_none()) { Exit::Done } else { Exit::Failed })
}
