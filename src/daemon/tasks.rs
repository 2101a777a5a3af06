//! Which jobs there are, and what each task does.

use std::future::Future;
use std::sync::Arc;

use crate::config::{Config, Fault, Faults};
use crate::deliver::{Keeper, Ticks};
use crate::domain::job::{Task, TaskReport};
use crate::jobs::{self, Call, Spec, Tasks};
use crate::store::Result;
use crate::upkeep::Upkeep;
use crate::watch::Watch;
use crate::watch::pages::PageWatch;

/// How many ticks ahead a page's batches are planned for.
const PLANNED: usize = 48;

/// The jobs of a configuration: those of its directory, or the program's own.
///
/// # Errors
/// Everything that is wrong with the files.
pub fn job_specs(config: &Config) -> std::result::Result<Vec<Spec>, Faults> {
    let specs = match &config.jobs.dir {
        None => jobs::shipped(),
        Some(dir) => {
            let unreadable = |path: &std::path::Path, error: std::io::Error| Fault {
                file: path.display().to_string(),
                key: String::new(),
                what: format!("cannot be read: {error}"),
                remedy: "check jobs.dir and its permissions".to_owned(),
            };
            let mut files = Vec::new();
            let entries = std::fs::read_dir(dir).map_err(|error| unreadable(dir, error))?;
            let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
            for path in paths.filter(|path| path.extension().is_some_and(|extension| extension == "toml")) {
                let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, error))?;
                files.push((path.display().to_string(), text));
            }
            files.sort();
            jobs::parse(files)
        }
    };
    let told = |fault: jobs::Fault| Fault { file: fault.file, key: fault.key, what: fault.what, remedy: fault.remedy };
    specs.map_err(|faults| Faults(faults.into_iter().map(told).collect()))
}

/// When batches of a page will be sent, as far as this configuration's daemon runs them.
pub(super) fn ticks(specs: &[Arc<Spec>]) -> Ticks {
    let batches: Vec<_> = specs.iter().filter(|spec| spec.enabled && spec.task == Task::SendBatch).cloned().collect();
    Arc::new(move |page, now| {
        let serving = batches.iter().filter(|spec| spec.serves(page));
        let spans = serving
            .flat_map(|spec| spec.schedule.ticks_after(now).take(PLANNED).map(|tick| (tick, tick.plus(spec.timeout))));
        let mut spans: Vec<_> = spans.collect();
        spans.sort_unstable();
        spans
    })
}

/// Whoever does the work.
pub(super) struct Workers {
    pub(super) upkeep: Upkeep,
    pub(super) watch: Watch,
    pub(super) pages: PageWatch,
    pub(super) batches: Keeper,
}

/// What each task does.
pub(super) fn tasks(workers: &Workers) -> Tasks {
    let Workers { upkeep, watch, pages, batches } = workers;
    let mut tasks = Tasks::new();
    for task in Task::ALL {
        let run =
            match task {
                Task::SendBatch => by(batches, |batches, call| async move {
                    batches.send(&call.spec.pages, call.spec.timeout, call.end).await
                }),
                Task::WatchDeadlines => by(watch, |watch, _| async move { watch.deadlines().await }),
                Task::ExpireUnanswered => {
                    by(upkeep, |upkeep, _| async move { upkeep.expire_unanswered(upkeep.clock.now()).await })
                }
                Task::Purge => by(upkeep, |upkeep, _| async move { upkeep.purge_task(upkeep.clock.now()).await }),
                Task::CheckPages => by(pages, |pages, _| async move { pages.check().await }),
                Task::SettleUncertain => {
                    by(upkeep, |upkeep, _| async move { upkeep.settle_uncertain(upkeep.clock.now()).await })
                }
                Task::DailyReport => by(watch, |watch, _| async move { watch.daily_report().await }),
            };
        tasks.insert(*task, run);
    }
    tasks
}

/// A task done by a worker.
fn by<W, F>(worker: &W, run: impl Fn(W, Call) -> F + Send + Sync + 'static) -> jobs::Task
where
    W: Clone + Send + Sync + 'static,
    F: Future<Output = Result<TaskReport>> + Send + 'static,
{
    let worker = worker.clone();
    Arc::new(move |call| Box::pin(run(worker.clone(), call)))
}
