//! One tick: taken as a row, kept while it runs, and its end written down.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::spec::Spec;
use crate::again::{Failure, Patience, again};
use crate::clock::Clock;
use crate::domain::alert::{Alert, Kind};
use crate::domain::job::{self, TaskReport};
use crate::domain::span;
use crate::domain::time::Timestamp;
use crate::store::ticks::{Run, Tick};
use crate::store::{self, Store};

/// How long a tick belongs to its node without being renewed: how long others wait when the node dies.
pub const LEASE: Duration = Duration::from_mins(1);
/// How often it is renewed.
const RENEW: Duration = Duration::from_secs(15);
/// How long a task that was told to end may take to do so: what it has sent is awaited.
const GRACE: Duration = Duration::from_mins(1);
/// How patiently an end is written down: past the lease somebody else may have the tick.
const INSISTENT: Patience =
    Patience { first: Duration::from_millis(100), longest: Duration::from_secs(5), at_most: Some(LEASE) };

/// What a task is called with.
#[derive(Debug, Clone)]
pub struct Call {
    /// The job.
    pub spec: Arc<Spec>,
    /// The tick it is called for.
    pub tick: Timestamp,
    /// Cancelled when its time is over, or the process is told to stop: nothing new is begun then.
    pub end: CancellationToken,
}

/// A run under way.
pub type Running = Pin<Box<dyn Future<Output = store::Result<TaskReport>> + Send>>;
/// What a task does.
pub type Task = Arc<dyn Fn(Call) -> Running + Send + Sync>;
/// What each task does, as the wiring knows it.
pub type Tasks = BTreeMap<job::Task, Task>;

/// How a tick came to its end here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// All of it was done.
    Done(TaskReport),
    /// It could not be done, for this reason.
    Failed(String),
    /// Its time was over before all was done.
    TimedOut(String),
    /// Somebody else has it or had it, or another tick of the job still runs.
    Elsewhere(Option<Run>),
    /// We were told to stop, or were thought dead: the tick is somebody else's now.
    GivenUp,
}

/// Runs ticks.
#[derive(Clone)]
pub struct Runner {
    /// The store.
    pub store: Store,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// This node's name.
    pub node: String,
    /// The jobs.
    pub specs: Vec<Arc<Spec>>,
    /// What they do.
    pub tasks: Arc<Tasks>,
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner").field("node", &self.node).field("specs", &self.specs).finish_non_exhaustive()
    }
}

/// What came of waiting for a task.
enum Waited {
    Finished(store::Result<TaskReport>),
    /// It did not end though it was told to.
    Stuck,
    /// The tick is no longer ours.
    Lost,
}

impl Runner {
    /// Runs one tick, unless somebody else does or did.
    ///
    /// # Errors
    /// Where the store cannot be asked for the tick.
    pub async fn run_tick(&self, spec: &Arc<Spec>, tick: Timestamp, stop: &CancellationToken) -> store::Result<Ended> {
        let taken = self.store.take_tick(spec.name.clone(), tick, self.node.clone(), LEASE, self.clock.now()).await?;
        let Some(taken) = taken else { return Ok(Ended::Elsewhere(self.store.run_of(&spec.name, tick).await?)) };
        let began = self.clock.boot();
        let ended = self.attend(spec, tick, taken, stop).await;
        let took = self.clock.boot().saturating_sub(began);
        let (result, detail) = match &ended {
            Ended::Done(report) => {
                if !report.is_quiet() {
                    tracing::info!(job = spec.name, %report, ?took, "job done");
                }
                ("done", report.to_string())
            }
            Ended::Failed(why) => ("failed", why.clone()),
            Ended::TimedOut(what) => ("timed_out", what.clone()),
            Ended::Elsewhere(_) | Ended::GivenUp => return Ok(ended),
        };
        if result != "done" {
            tracing::error!(job = spec.name, %tick, result, detail, ?took, "job failed");
        }
        self.alert(&spec.name, result, &detail).await;
        self.write_down(&spec.name, taken, result, detail).await;
        Ok(ended)
    }

    /// Runs the task, and keeps its tick meanwhile.
    async fn attend(&self, spec: &Arc<Spec>, tick: Timestamp, taken: Tick, stop: &CancellationToken) -> Ended {
        let Some(task) = self.tasks.get(&spec.task) else {
            return Ended::Failed("this version cannot do this task".to_owned());
        };
        let end = stop.child_token();
        let work = task(Call { spec: Arc::clone(spec), tick, end: end.clone() });
        let limit = span::show(spec.timeout);
        let waited = self.wait(work, spec.timeout, taken, &end).await;
        match waited {
            Waited::Finished(Ok(report)) if !report.cut_short => Ended::Done(report),
            Waited::Finished(Err(error)) => Ended::Failed(error.chain()),
            Waited::Finished(Ok(_)) | Waited::Stuck if stop.is_cancelled() => {
                // Whoever comes next need not wait for the lease to end.
                if let Err(error) = self.store.renew_tick(taken, Duration::ZERO, self.clock.now()).await {
                    tracing::debug!(job = spec.name, error = error.chain(), "a tick was not given back");
                }
                Ended::GivenUp
            }
            Waited::Finished(Ok(report)) => Ended::TimedOut(format!("not done within {limit}: {report}")),
            Waited::Stuck => Ended::TimedOut(format!("not done within {limit}, and did not end when told to")),
            Waited::Lost => {
                tracing::error!(job = spec.name, %tick, "a tick could not be kept; another node may have it now");
                Ended::GivenUp
            }
        }
    }

    /// Waits for a task, renewing its tick's lease, and tells it to end when its time is over.
    async fn wait(&self, mut work: Running, timeout: Duration, taken: Tick, end: &CancellationToken) -> Waited {
        let over = tokio::time::sleep(timeout);
        tokio::pin!(over);
        let mut renewed = self.clock.boot();
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Waited::Finished(done),
                () = &mut over, if !end.is_cancelled() => end.cancel(),
                () = end.cancelled() => {
                    return match tokio::time::timeout(GRACE.min(LEASE / 2), work).await {
                        Ok(done) => Waited::Finished(done),
                        Err(_) => Waited::Stuck,
                    };
                }
                () = tokio::time::sleep(RENEW) => match self.store.renew_tick(taken, LEASE, self.clock.now()).await {
                    Ok(true) => renewed = self.clock.boot(),
                    Ok(false) => return Waited::Lost,
                    Err(error) => {
                        tracing::debug!(error = error.chain(), "a tick was not renewed yet");
                        if self.clock.boot().saturating_sub(renewed) >= LEASE {
                            return Waited::Lost;
                        }
                    }
                },
            }
        }
    }

    /// Raises the alert of a failing job, or ends it.
    async fn alert(&self, name: &str, result: &str, detail: &str) {
        let now = self.clock.now();
        let told = if result == "done" {
            self.store.resolve(Kind::JobFailing, name.to_owned(), now).await.map(drop)
        } else {
            self.store.raise(Alert::new(Kind::JobFailing, name, format!("{result}: {detail}")), now).await
        };
        if let Err(error) = told {
            tracing::debug!(job = name, error = error.chain(), "an alert was not written");
        }
    }

    async fn write_down(&self, name: &str, taken: Tick, result: &'static str, detail: String) {
        let never = CancellationToken::new();
        let write = || async {
            self.store.end_tick(taken, result, detail.clone(), self.clock.now()).await.map_err(|error| match error {
                store::Error::Unavailable(_) | store::Error::Conflict => Failure::Passing(error),
                error => Failure::Final(error),
            })
        };
        match again(INSISTENT, &never, write, |_, _| {}).await {
            Some(Ok(true)) | None => {}
            Some(Ok(false)) => tracing::error!(job = name, "a job ended when its tick was another's already"),
            Some(Err(error)) => tracing::error!(job = name, error = error.chain(), "a job's end was not written down"),
        }
    }
}
