//! `firstword job`: what runs when, and one run from cron or a timer.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::exit::Misuse;
use super::open::{open_existing, open_store};
use super::{Exit, load, out, run::node_name, store_clock};
use crate::cli::{Global, JobCommand, JobListArgs, JobRunArgs};
use crate::clock::Clock;
use crate::domain::span;
use crate::domain::time::Timestamp;
use crate::jobs::{CatchUp, Ended, Spec};
use crate::store::Store;
use crate::store::ticks::Run;
use crate::{daemon, lifecycle, telemetry};

/// How many runs of one job are shown.
const RUNS: i64 = 20;

pub(super) async fn run(command: &JobCommand, global: &Global) -> anyhow::Result<Exit> {
    match command {
        JobCommand::List(args) => list(args, global).await,
        JobCommand::Run(args) => Box::pin(once(args, global)).await,
    }
}

/// A job, as it is listed.
#[derive(Debug, Serialize)]
struct Job {
    name: String,
    task: &'static str,
    schedule: String,
    timezone: &'static str,
    enabled: bool,
    catch_up: &'static str,
    timeout: String,
    pages: Vec<String>,
    file: String,
    /// The next tick; absent where the daemon does not run it.
    next: Option<String>,
    /// The latest runs, newest first.
    runs: Vec<Ran>,
}

/// A run, as it is listed.
#[derive(Debug, Serialize)]
struct Ran {
    tick: String,
    node: String,
    started_at: String,
    ended_at: Option<String>,
    took_ms: Option<u64>,
    result: String,
    detail: Option<String>,
}

async fn list(args: &JobListArgs, global: &Global) -> anyhow::Result<Exit> {
    let config = load(global)?;
    let mut specs = daemon::job_specs(&config)?;
    if let Some(name) = &args.name {
        specs = vec![named(specs, name)?];
    }
    let store = open_existing(&config).await?;
    let now = store_clock(&store).await?.now();
    let mut jobs = Vec::new();
    for spec in &specs {
        jobs.push(job(spec, &store, if args.name.is_some() { RUNS } else { 1 }, now).await?);
    }
    store.close().await;
    if args.report.json {
        out::json(&jobs)?;
    } else if let ([job], true) = (jobs.as_slice(), args.name.is_some()) {
        out::line(story(job))?;
    } else {
        out::line(table(&jobs))?;
    }
    Ok(Exit::Done)
}

async fn job(spec: &Spec, store: &Store, runs: i64, now: Timestamp) -> anyhow::Result<Job> {
    let runs = store.runs_of(&spec.name, runs).await?;
    Ok(Job {
        name: spec.name.clone(),
        task: spec.task.as_str(),
        schedule: spec.schedule.text().to_owned(),
        timezone: spec.schedule.zone_name(),
        enabled: spec.enabled,
        catch_up: match spec.catch_up {
            CatchUp::Skip => "skip",
            CatchUp::Latest => "latest",
            CatchUp::All => "all",
        },
        timeout: span::show(spec.timeout),
        pages: spec.pages.iter().map(ToString::to_string).collect(),
        file: spec.file.clone(),
        next: spec.schedule.next_after(now).filter(|_| spec.enabled).map(|next| next.to_string()),
        runs: runs.iter().map(|run| ran(run, now)).collect(),
    })
}

fn ran(run: &Run, now: Timestamp) -> Ran {
    let took = run.ended_at.map(|ended| ended.since(run.started_at));
    Ran {
        tick: run.tick.to_string(),
        node: run.node.clone(),
        started_at: run.started_at.to_string(),
        ended_at: run.ended_at.map(|at| at.to_string()),
        took_ms: took.and_then(|took| u64::try_from(took.as_millis()).ok()),
        result: result(run, now).to_owned(),
        detail: run.detail.clone(),
    }
}

/// How a run stands. One whose node stopped renewing it is left behind, until somebody takes it over.
fn result(run: &Run, now: Timestamp) -> &str {
    match &run.result {
        Some(result) => result,
        None if run.lease_until > now => "running",
        None => "left behind",
    }
}

fn table(jobs: &[Job]) -> String {
    let rows = jobs.iter().map(|job| {
        let last = job.runs.first();
        [
            job.name.clone(),
            job.schedule.clone(),
            job.timezone.to_owned(),
            job.next.as_deref().map_or_else(|| "not by the daemon".to_owned(), short),
            last.map_or_else(|| "never".to_owned(), |run| short(&run.tick)),
            last.map_or_else(String::new, |run| run.result.clone()),
            last.and_then(|run| run.took_ms).map_or_else(String::new, took),
            last.and_then(|run| run.detail.clone()).unwrap_or_default(),
        ]
    });
    out::table(["JOB", "SCHEDULE", "ZONE", "NEXT", "LAST", "RESULT", "TOOK", "DETAIL"], rows)
}

fn story(job: &Job) -> String {
    let state = if job.enabled { "the daemon runs it" } else { "the daemon does not run it" };
    let head = format!(
        "{} ({}): {:?} in {}; {state}; catch_up {}, timeout {}\n",
        job.name, job.task, job.schedule, job.timezone, job.catch_up, job.timeout
    );
    let rows = job.runs.iter().map(|run| {
        let (took, detail) = (run.took_ms.map_or_else(String::new, took), run.detail.clone().unwrap_or_default());
        [short(&run.tick), short(&run.started_at), run.node.clone(), run.result.clone(), took, detail]
    });
    format!("{head}{}", out::table(["DUE", "STARTED", "NODE", "RESULT", "TOOK", "DETAIL"], rows))
}

fn short(time: &str) -> String {
    Timestamp::parse(time).map_or_else(|| time.to_owned(), out::time)
}

fn took(ms: u64) -> String {
    if ms < 10_000 { format!("{ms}ms") } else { out::rough(Duration::from_millis(ms)) }
}

fn named(specs: Vec<Spec>, name: &str) -> Result<Spec, Misuse> {
    let known = specs.iter().map(|spec| spec.name.clone()).collect::<Vec<_>>().join(", ");
    let found = specs.into_iter().find(|spec| spec.name == name);
    found.ok_or_else(|| Misuse(format!("there is no job {name:?}; there are {known}")))
}

async fn once(args: &JobRunArgs, global: &Global) -> anyhow::Result<Exit> {
    let config = Arc::new(load(global)?);
    let spec = Arc::new(named(daemon::job_specs(&config)?, &args.name)?);
    let environment = crate::config::Environment::of_process();
    telemetry::start(global.log.as_deref().unwrap_or("warn"), environment.has_journal())?;
    let store = open_store(&config).await?;
    let clock = store_clock(&store).await?;
    let (now, tick) = (clock.now(), tick(&spec, args.now, clock.now()));
    let stop = CancellationToken::new();
    let work = async {
        let ended = daemon::run_job(config, node_name(), (&store, clock), (&spec, tick), stop.clone()).await;
        stop.cancel();
        ended
    };
    let ((), ended) = tokio::join!(lifecycle::signals(stop.clone(), async || {}), Box::pin(work));
    store.close().await;
    tell(args, tick, now, &ended?)
}

/// The tick a run is for. Where the daemon runs the job too it is the latest of the schedule, so that one of them does
/// it; else this minute, so that two crons on one database do not both. By hand it is this second.
fn tick(spec: &Spec, by_hand: bool, now: Timestamp) -> Timestamp {
    let whole = |unit: i64| Timestamp::from_ms(now.ms() - now.ms().rem_euclid(unit));
    if by_hand {
        whole(1000)
    } else if spec.enabled {
        spec.schedule.last_until(now).unwrap_or_else(|| whole(60_000))
    } else {
        whole(60_000)
    }
}

fn tell(args: &JobRunArgs, tick: Timestamp, now: Timestamp, ended: &Ended) -> anyhow::Result<Exit> {
    let (name, due) = (&args.name, out::time(tick));
    let (result, detail, exit) = match ended {
        Ended::Done(report) => ("done", report.to_string(), Exit::Done),
        Ended::Failed(why) => ("failed", why.clone(), Exit::Failed),
        Ended::TimedOut(what) => ("timed_out", what.clone(), Exit::Failed),
        Ended::GivenUp => ("given_up", "told to stop before all was done".to_owned(), Exit::Failed),
        Ended::Elsewhere(run) => {
            let taken = run.as_ref().map_or_else(
                || "another tick of it still runs".to_owned(),
                |run| format!("the tick of {due} is taken: {} on {}", result(run, now), run.node),
            );
            ("taken", format!("{taken}; nothing to do (--now runs it anyway)"), Exit::Done)
        }
    };
    if args.report.json {
        out::json(&serde_json::json!({"name": name, "tick": tick.to_string(), "result": result, "detail": detail}))?;
    } else {
        let detail = if detail.is_empty() { String::new() } else { format!(": {detail}") };
        out::line(format_args!("{name} {result}{detail}"))?;
    }
    Ok(exit)
}
