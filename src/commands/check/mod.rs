//! `firstword check`: one line for a monitoring system, in the manner of Nagios plugins. Reads the database, and nothing
//! but that, without writing to it: so it also tells how it is while the daemon is down.

mod verdict;

use std::time::Duration;

use super::open::{refuse_as_root, sqlite_file};
use super::{Exit, exit, load, out, store_clock};
use crate::cli::Global;
use crate::cli::watch::{Measure, ProbeArgs};
use crate::clock::Clock;
use crate::config::Config;
use crate::store::Store;
use verdict::{Rank, Verdict, Words};

pub(super) async fn run(args: &ProbeArgs, global: &Global) -> anyhow::Result<Exit> {
    let verdict = match load(global) {
        Ok(config) => examine(args, &config).await,
        Err(faults) => {
            let faults: Vec<String> = faults.0.iter().map(|fault| format!("{} {}", fault.key, fault.what)).collect();
            Verdict::failed(Rank::Unknown, format!("the configuration is faulty: {}", faults.join("; ")))
        }
    };
    if args.report.json {
        out::json(&verdict.as_json())?;
    } else {
        out::line(out::clean(&verdict.line()))?;
    }
    Ok(Exit::Checked(verdict.rank.code()))
}

/// What cannot be measured is critical: nobody knows whether people wait.
async fn examine(args: &ProbeArgs, config: &Config) -> Verdict {
    let measured = async {
        if let Some(file) = sqlite_file(&config.database.url) {
            anyhow::ensure!(file.exists(), "there is no database at {}", file.display());
            // Even reading leaves files behind, which would be root's.
            refuse_as_root(&file)?;
        }
        let store = Store::open_to_read(config.database.access()).await?;
        let measured = measure(args, config, &store).await;
        store.close().await;
        measured
    };
    match tokio::time::timeout(args.timeout, measured).await {
        Ok(Ok(verdict)) => verdict,
        Ok(Err(error)) => {
            let rank = if Exit::of(&error) == Exit::Failed { Rank::Critical } else { Rank::Unknown };
            Verdict::failed(rank, format!("the database cannot be read: {}", exit::chain(&error)))
        }
        Err(_) => Verdict::failed(Rank::Critical, format!("the database does not answer within {:?}", args.timeout)),
    }
}

async fn measure(args: &ProbeArgs, config: &Config, store: &Store) -> anyhow::Result<Verdict> {
    let now = store_clock(store).await?.now();
    let window = config.policy.window;
    let risks = store.at_risk(window.cutoff(now.plus(config.alerts.at_risk))).await?;
    let waiting = store.at_risk(crate::domain::time::Timestamp::LATEST).await?;
    let first = waiting.iter().map(|page| window.hard_stop(page.earliest)).min();
    let doubts = store.doubts(now.minus(config.policy.settle_after)).await?;
    let seconds = |span: Duration| span.as_secs();
    let missed = store.misses_after(now.minus(args.interval)).await?;
    let (alerts, beat) = (store.open_alerts().await?.len(), store.last_beat().await?);
    let values = Measure::ALL.map(|measure| {
        let value = match measure {
            Measure::Missed => Some(missed),
            Measure::AtRisk => Some(risks.iter().map(|page| page.count).sum()),
            Measure::Uncertain => Some(doubts.iter().map(|page| page.held).sum()),
            Measure::Alerts => Some(u64::try_from(alerts).unwrap_or(u64::MAX)),
            Measure::NextDeadline => first.map(|stop| seconds(stop.since(now))),
            Measure::Heartbeat => beat.map(|at| seconds(now.since(at))),
        };
        (measure, value)
    });
    let words = Words { interval: args.interval, at_risk: config.alerts.at_risk };
    Ok(Verdict::of(&values, &args.warning, &args.critical, &words))
}
