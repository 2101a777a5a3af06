//! Which jobs there are, and what each task does.

use std::sync::Arc;

use anyhow::Context;

use crate::config::Config;
use crate::domain::job::Task;
use crate::jobs::{self, Tasks};
use crate::upkeep::Upkeep;
use crate::watch::Watch;
use crate::watch::pages::PageWatch;

/// The jobs of a configuration: those of its directory, or the program's own.
///
/// # Errors
/// Everything that is wrong with the files.
pub fn job_specs(config: &Config) -> anyhow::Result<Vec<jobs::Spec>> {
    let specs = match &config.jobs.dir {
        None => jobs::shipped(),
        Some(dir) => {
            let mut files = Vec::new();
            let entries = std::fs::read_dir(dir).with_context(|| format!("{} cannot be read", dir.display()))?;
            for path in entries
                .filter_map(|entry| Some(entry.ok()?.path()))
                .filter(|path| path.extension().is_some_and(|e| e == "toml"))
            {
                let text =
                    std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
                files.push((path.display().to_string(), text));
            }
            files.sort();
            jobs::parse(files)
        }
    };
    specs.map_err(|faults| anyhow::anyhow!("the job files are faulty:\n{}", faults.join("\n")))
}

/// What each task does.
pub(super) fn tasks(upkeep: &Upkeep, watch: &Watch, pages: &PageWatch) -> Tasks {
    let mut tasks = Tasks::new();
    for task in Task::ALL {
        let (upkeep, watch, pages) = (upkeep.clone(), watch.clone(), pages.clone());
        let run: jobs::Task = match task {
            Task::ExpireUnanswered => Arc::new(move || {
                let upkeep = upkeep.clone();
                Box::pin(async move { upkeep.expire_unanswered(upkeep.clock.now()).await })
            }),
            Task::Purge => Arc::new(move || {
                let upkeep = upkeep.clone();
                Box::pin(async move { upkeep.purge_task(upkeep.clock.now()).await })
            }),
            Task::WatchDeadlines => Arc::new(move || {
                let watch = watch.clone();
                Box::pin(async move { watch.deadlines().await })
            }),
            Task::CheckPages => Arc::new(move || {
                let pages = pages.clone();
                Box::pin(async move { pages.check().await })
            }),
            // Not built yet: the runner says so, and `config check` too.
            Task::SendBatch | Task::SettleUncertain | Task::DailyReport => continue,
        };
        tasks.insert(*task, run);
    }
    tasks
}
