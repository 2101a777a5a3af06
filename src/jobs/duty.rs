//! A node on duty: looks which ticks are due, and runs them side by side, those of one job one after the other.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::due::{LOOK_BACK, due};
use super::runner::{Ended, Runner};
use super::spec::Spec;
use crate::domain::time::Timestamp;
use crate::store;

/// How often a job's history is looked at when no tick is near: another node may have left one behind.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// A node's part in the jobs. Dropped, it drops what it runs, as a crash would.
#[derive(Debug)]
pub struct Duty {
    runner: Runner,
    stop: CancellationToken,
    /// Since when each job is known, of those that were met.
    since: HashMap<String, Timestamp>,
    /// When each job is worth a look.
    look_at: HashMap<String, Timestamp>,
    /// The jobs of which a tick runs here.
    busy: HashSet<String>,
    runs: JoinSet<String>,
}

impl Duty {
    /// A node that stops beginning ticks, and tells those that run to end, when `stop` is cancelled.
    #[must_use]
    pub fn new(runner: Runner, stop: CancellationToken) -> Self {
        Self {
            runner,
            stop,
            since: HashMap::new(),
            look_at: HashMap::new(),
            busy: HashSet::new(),
            runs: JoinSet::new(),
        }
    }

    /// Looks at every job once, and begins what is due.
    pub async fn round(&mut self) {
        self.reap();
        let now = self.runner.clock.now();
        for spec in self.runner.specs.clone() {
            let early = self.look_at.get(&spec.name).is_some_and(|at| now < *at);
            if !spec.enabled || early || self.busy.contains(&spec.name) {
                continue;
            }
            match self.look(&spec, now).await {
                Ok(ticks) if ticks.is_empty() => {
                    let next = spec.schedule.next_after(now).unwrap_or(Timestamp::LATEST);
                    self.look_at.insert(spec.name.clone(), next.min(now.plus(LOOK_AGAIN)));
                }
                Ok(ticks) => self.begin(spec, ticks),
                Err(error) => tracing::debug!(job = spec.name, error = error.chain(), "cannot look for due ticks"),
            }
        }
    }

    /// Waits until nothing runs here any more.
    pub async fn idle(&mut self) {
        while let Some(ended) = self.runs.join_next().await {
            self.ended(ended);
        }
    }

    async fn look(&mut self, spec: &Spec, now: Timestamp) -> store::Result<Vec<Timestamp>> {
        let since = if let Some(since) = self.since.get(&spec.name) {
            *since
        } else {
            let since = self.runner.store.meet_job(spec.name.clone(), now).await?;
            self.since.insert(spec.name.clone(), since);
            since
        };
        let history = self.runner.store.job_history(&spec.name, since, now.minus(LOOK_BACK), now).await?;
        Ok(due(spec, &history, now))
    }

    fn begin(&mut self, spec: Arc<Spec>, ticks: Vec<Timestamp>) {
        self.busy.insert(spec.name.clone());
        let (runner, stop) = (self.runner.clone(), self.stop.clone());
        self.runs.spawn(async move {
            for tick in ticks {
                match runner.run_tick(&spec, tick, &stop).await {
                    Ok(Ended::GivenUp) => break,
                    Ok(_) => {}
                    Err(error) => {
                        tracing::warn!(job = spec.name, %tick, error = error.chain(), "a job could not be run");
                        break;
                    }
                }
            }
            spec.name.clone()
        });
    }

    fn reap(&mut self) {
        while let Some(ended) = self.runs.try_join_next() {
            self.ended(ended);
        }
    }

    fn ended(&mut self, ended: Result<String, tokio::task::JoinError>) {
        match ended {
            Ok(name) => _ = self.busy.remove(&name),
            Err(error) => {
                // Whose it was is not known; its tick will be found left behind.
                tracing::error!(%error, "a job panicked");
                self.busy.clear();
            }
        }
    }
}
