//! One job file, key by key. Each that is wrong is told; none hides another.

use std::time::Duration;

use toml::{Table, Value};

use super::file::Fault;
use super::schedule::Schedule;
use super::spec::{CatchUp, Spec};
use crate::domain::ids::PageId;
use crate::domain::job::Task;
use crate::domain::span;

/// What a job file may say.
const KEYS: [&str; 8] = ["name", "task", "schedule", "timezone", "enabled", "catch_up", "timeout", "pages"];
/// The longest a run may take. A tick that runs keeps the next one waiting.
const LONGEST: Duration = Duration::from_hours(24);

/// Reads one file.
pub(super) struct Reader<'f> {
    pub(super) file: String,
    pub(super) table: Table,
    pub(super) faults: &'f mut Vec<Fault>,
}

impl Reader<'_> {
    pub(super) fn fault(&mut self, key: &str, what: impl Into<String>, remedy: impl Into<String>) {
        let (what, remedy) = (what.into(), remedy.into());
        self.faults.push(Fault { file: self.file.clone(), key: key.to_owned(), what, remedy });
    }

    /// The job, unless something is wrong with it: then all of it has been told.
    pub(super) fn spec(mut self) -> Option<Spec> {
        let strangers = self.table.keys().filter(|key| !KEYS.contains(&key.as_str())).cloned().collect::<Vec<_>>();
        for key in &strangers {
            self.fault(key, "is not known", format!("remove it; known are {}", KEYS.join(", ")));
        }
        let name = self.name();
        let task = self.task();
        let schedule = self.schedule();
        let enabled = self.switch("enabled", true);
        let catch_up = self.catch_up();
        let timeout = self.timeout();
        let pages = self.pages(task);
        let known = strangers.is_empty();
        let spec = Spec {
            name: name?,
            file: self.file,
            task: task?,
            schedule: schedule?,
            enabled: enabled?,
            catch_up: catch_up?,
            timeout: timeout?,
            pages: pages?,
        };
        known.then_some(spec)
    }

    fn text(&mut self, key: &str, default: Option<&str>, example: &str) -> Option<String> {
        match (self.table.get(key), default) {
            (Some(Value::String(text)), _) => return Some(text.clone()),
            (Some(other), _) => {
                let what = format!("is {}, not a text", other.type_str());
                self.fault(key, what, format!("write it in quotes, as in {example:?}"));
            }
            (None, Some(default)) => return Some(default.to_owned()),
            (None, None) => self.fault(key, "is missing", format!("set it, as in {key} = {example:?}")),
        }
        None
    }

    fn name(&mut self) -> Option<String> {
        let name = self.text("name", None, "send-batch")?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if (1..=64).contains(&name.len()) && name.chars().all(plain) {
            return Some(name);
        }
        self.fault("name", format!("{name:?} is no name"), "use up to 64 letters, digits, -, _ and .");
        None
    }

    fn task(&mut self) -> Option<Task> {
        let task = self.text("task", None, "send-batch")?;
        let parsed = task.parse().ok();
        if parsed.is_none() {
            let known = Task::ALL.iter().map(|task| task.as_str()).collect::<Vec<_>>().join(", ");
            self.fault("task", format!("{task:?} is no task"), format!("name one of {known}"));
        }
        parsed
    }

    fn schedule(&mut self) -> Option<Schedule> {
        let name = self.text("timezone", Some("UTC"), "Europe/Berlin");
        let zone = name.and_then(|name| {
            let zone = Schedule::zone(&name);
            if zone.is_none() {
                self.fault(
                    "timezone",
                    format!("{name:?} is no time zone"),
                    "write one as in \"Europe/Berlin\" or \"UTC\"",
                );
            }
            zone
        });
        let cron = self.text("schedule", None, "0 9-18 * * *")?;
        // A bad zone must not hide a bad line.
        match Schedule::new(&cron, zone.unwrap_or(chrono_tz::UTC)) {
            Ok(schedule) => zone.map(|_| schedule),
            Err(error) => {
                let remedy =
                    "write five or six fields, as in \"*/5 * * * *\" for every five minutes; six count seconds";
                self.fault("schedule", format!("{cron:?} is no cron line ({error})"), remedy);
                None
            }
        }
    }

    fn switch(&mut self, key: &str, default: bool) -> Option<bool> {
        match self.table.get(key) {
            None => Some(default),
            Some(Value::Boolean(switch)) => Some(*switch),
            Some(other) => {
                let what = format!("is {}, not true or false", other.type_str());
                self.fault(key, what, "write true or false, without quotes");
                None
            }
        }
    }

    fn catch_up(&mut self) -> Option<CatchUp> {
        let word = self.text("catch_up", Some("latest"), "latest")?;
        match word.as_str() {
            "skip" => Some(CatchUp::Skip),
            "latest" => Some(CatchUp::Latest),
            "all" => Some(CatchUp::All),
            other => {
                self.fault("catch_up", format!("is {other:?}"), "write \"skip\", \"latest\" or \"all\"");
                None
            }
        }
    }

    fn timeout(&mut self) -> Option<Duration> {
        let text = self.text("timeout", Some("5m"), "5m")?;
        match span::parse(&text) {
            Ok(span) if (Duration::from_secs(1)..=LONGEST).contains(&span) => Some(span),
            Ok(_) => {
                self.fault("timeout", format!("is {text}"), "choose from 1s to 24h");
                None
            }
            Err(what) => {
                self.fault("timeout", what, "choose from 1s to 24h");
                None
            }
        }
    }

    fn pages(&mut self, task: Option<Task>) -> Option<Vec<PageId>> {
        let remedy = "list page ids in quotes, as in [\"1234567890\"], or leave the key out for all pages";
        let pages = match self.table.get("pages") {
            None => return Some(Vec::new()),
            Some(Value::Array(pages)) => {
                let read = |page: &Value| page.as_str().and_then(|page| PageId::new(page).ok());
                pages.iter().map(read).collect::<Option<Vec<_>>>()
            }
            Some(_) => None,
        };
        if task.is_some_and(|task| task != Task::SendBatch) {
            self.fault("pages", "is for send-batch only", "remove it");
            return None;
        }
        let pages = pages.filter(|pages| !pages.is_empty());
        if pages.is_none() {
            self.fault("pages", "is no list of page ids", remedy);
        }
        pages
    }
}
