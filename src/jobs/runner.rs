//! The runner: what is due is taken as a row, run with a time-out, and its end written down.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::bell::Bell;
use super::spec::{CatchUp, Spec};
use crate::clock::Clock;
use crate::domain::job::{self, TaskReport};
use crate::domain::time::Timestamp;
use crate::store::{self, Store};

/// How far back missed ticks are looked for.
const LOOK_BACK: Duration = Duration::from_hours(7 * 24);
/// The most ticks of one job that are caught up at once.
const MOST_TICKS: usize = 100;
/// How much longer than its time-out a tick's lease runs.
const GRACE: Duration = Duration::from_secs(30);

/// A run under way.
pub type Running = Pin<Box<dyn Future<Output = store::Result<TaskReport>> + Send>>;
/// What a task does.
pub type Task = Arc<dyn Fn() -> Running + Send + Sync>;
/// What each task does, as the wiring knows it.
pub type Tasks = BTreeMap<job::Task, Task>;

/// Runs jobs.
#[derive(Clone)]
pub struct Runner {
    /// The store.
    pub store: Store,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// This node's name.
    pub node: String,
    /// The jobs.
    pub specs: Arc<Vec<Spec>>,
    /// What they do.
    pub tasks: Arc<Tasks>,
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner").field("node", &self.node).field("specs", &self.specs).finish_non_exhaustive()
    }
}

/// Runs jobs as they come due, until told to stop; runs under way are awaited.
pub async fn run(runner: Runner, stop: CancellationToken) {
    let mut bell = match Bell::hang().await {
        Ok(bell) => bell,
        Err(error) => {
            tracing::error!(%error, "jobs cannot run: the scheduler did not start");
            return;
        }
    };
    let tracker = TaskTracker::new();
    let started = runner.clock.now();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            () = bell.rung() => {}
        }
        for spec in runner.specs.iter().filter(|spec| spec.enabled) {
            match runner.due(spec, started).await {
                Ok(ticks) if !ticks.is_empty() => {
                    let (runner, spec) = (runner.clone(), spec.clone());
                    tracker.spawn(async move { runner.run_all(&spec, ticks).await });
                }
                Ok(_) => {}
                Err(error) => tracing::debug!(job = spec.name, error = error.chain(), "cannot look for due ticks"),
            }
        }
    }
    bell.take_down().await;
    tracker.close();
    tracker.wait().await;
}

impl Runner {
    /// The ticks of a job that are due and that nobody took, oldest first. A job without a history begins now: its
    /// past ticks were never promised.
    async fn due(&self, spec: &Spec, started: Timestamp) -> store::Result<Vec<Timestamp>> {
        let now = self.clock.now();
        let Some(latest) = spec.last_until(now) else { return Ok(Vec::new()) };
        let last = self.store.last_tick(&spec.name).await?;
        let since = match (last, spec.catch_up) {
            (None, _) | (Some(_), CatchUp::Skip) => last.unwrap_or(started).max(started),
            (Some(last), _) => last.max(now.minus(LOOK_BACK)),
        };
        if latest <= since {
            return Ok(Vec::new());
        }
        if spec.catch_up != CatchUp::All {
            return Ok(vec![latest]);
        }
        let next = std::iter::successors(spec.next_after(since), |tick| spec.next_after(*tick));
        Ok(next.take_while(|tick| *tick <= now).take(MOST_TICKS).collect())
    }

    async fn run_all(&self, spec: &Spec, ticks: Vec<Timestamp>) {
        for tick in ticks {
            if let Err(error) = self.run_tick(spec, tick).await {
                tracing::warn!(job = spec.name, %tick, error = error.chain(), "a job could not be run");
                return;
            }
        }
    }

    /// Runs one tick, unless somebody else does or did.
    async fn run_tick(&self, spec: &Spec, tick: Timestamp) -> store::Result<()> {
        let lease = spec.timeout + GRACE;
        let taken = self.store.take_tick(spec.name.clone(), tick, self.node.clone(), lease, self.clock.now()).await?;
        let Some(taken) = taken else { return Ok(()) };
        let began = self.clock.boot();
        let (result, detail) = match self.tasks.get(&spec.task) {
            None => ("failed", "this version cannot do this task yet".to_owned()),
            Some(task) => match tokio::time::timeout(spec.timeout, task()).await {
                Ok(Ok(report)) => {
                    if !report.is_quiet() {
                        tracing::info!(job = spec.name, %report, "job done");
                    }
                    ("done", report.to_string())
                }
                Ok(Err(error)) => ("failed", error.chain()),
                Err(_) => ("timed_out", format!("not done within {}", crate::domain::span::show(spec.timeout))),
            },
        };
        if result != "done" {
            tracing::error!(job = spec.name, %tick, result, detail, "job failed");
        }
        let took = self.clock.boot().saturating_sub(began);
        tracing::debug!(job = spec.name, %tick, result, ?took, "job ended");
        self.store.end_tick(taken, result, detail, self.clock.now()).await.map(drop)
    }
}
