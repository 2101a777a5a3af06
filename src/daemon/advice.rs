//! What is allowed about the jobs, but probably not meant.

use crate::config::{Config, Mode};
use crate::domain::ids::PageId;
use crate::domain::job::Task;
use crate::domain::span;
use crate::domain::time::Timestamp;
use crate::jobs::Spec;

/// Warnings about the jobs of a configuration.
#[must_use]
pub fn job_warnings(config: &Config, specs: &[Spec], now: Timestamp) -> Vec<String> {
    let mut warnings = off(specs);
    let batches: Vec<&Spec> = specs.iter().filter(|spec| spec.enabled && spec.task == Task::SendBatch).collect();
    if config.send.mode == Mode::Continuous {
        let told = |spec: &&Spec| format!("{}: has nothing to do, since send.mode is \"continuous\"", spec.file);
        warnings.extend(batches.iter().map(told));
    } else {
        let unserved = config.pages.iter().filter(|page| !batches.iter().any(|spec| spec.serves(&page.id)));
        let names: Vec<&str> = unserved.map(|page| page.id.as_str()).collect();
        if !names.is_empty() {
            warnings.push(format!(
                "send.mode: is \"batch\", but no job that is enabled sends for the pages {}: until `firstword job run` is \
                 called from outside, each person waits until their hard stop is {} away",
                names.join(", "),
                span::show(config.alerts.at_risk)
            ));
        }
        warnings.extend(batches.iter().filter_map(|spec| long_pause(config, spec, now)));
    }
    warnings.extend(specs.iter().flat_map(|spec| strangers(config, spec)));
    warnings
}

/// Tasks whose absence nobody would notice until it is too late.
fn off(specs: &[Spec]) -> Vec<String> {
    let needed = [
        (Task::WatchDeadlines, "nobody is told of missed deadlines, or warned before"),
        (Task::SettleUncertain, "only the daemon's own loop settles doubts, and no run of it is recorded"),
        (Task::ExpireUnanswered, "only the daemon's own loop ends what is over, and no run of it is recorded"),
    ];
    let missing = needed.iter().filter(|(task, _)| !specs.iter().any(|spec| spec.enabled && spec.task == *task));
    missing.map(|(task, what)| format!("jobs: none that is enabled does {task}: {what}")).collect()
}

fn long_pause(config: &Config, spec: &Spec, now: Timestamp) -> Option<String> {
    let usable = config.policy.window.usable();
    let (pause, from) = spec.schedule.longest_pause(now)?;
    (pause >= usable).then(|| {
        format!(
            "{}: schedule: leaves a pause of {} after {from}, longer than the {} a person can wait: whoever would miss \
             their hard stop is sent to outside the schedule",
            spec.file,
            span::show(pause),
            span::show(usable)
        )
    })
}

fn strangers(config: &Config, spec: &Spec) -> Vec<String> {
    let known = |page: &&PageId| !config.pages.iter().any(|configured| configured.id == **page);
    let told = |page: &PageId| format!("{}: pages: {page} is not in the configuration", spec.file);
    spec.pages.iter().filter(known).map(told).collect()
}
