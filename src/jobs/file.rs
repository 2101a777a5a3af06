//! Job files, read so that everything wrong with all of them is told at once.

use std::fmt;
use std::time::Duration;

use toml::{Table, Value};

use super::schedule::Schedule;
use super::spec::{CatchUp, Spec};
use crate::domain::ids::PageId;
use crate::domain::job::Task;
use crate::domain::span;

/// The job files that are part of the program.
const SHIPPED: &[(&str, &str)] = &[
    ("jobs/check-pages.toml", include_str!("../../jobs/check-pages.toml")),
    ("jobs/daily-report.toml", include_str!("../../jobs/daily-report.toml")),
    ("jobs/expire-unanswered.toml", include_str!("../../jobs/expire-unanswered.toml")),
    ("jobs/purge.toml", include_str!("../../jobs/purge.toml")),
    ("jobs/send-batch.toml", include_str!("../../jobs/send-batch.toml")),
    ("jobs/settle-uncertain.toml", include_str!("../../jobs/settle-uncertain.toml")),
    ("jobs/watch-deadlines.toml", include_str!("../../jobs/watch-deadlines.toml")),
];
/// What a job file may say.
const KEYS: [&str; 8] = ["name", "task", "schedule", "timezone", "enabled", "catch_up", "timeout", "pages"];
/// The longest a run may take. A tick that runs keeps the next one waiting.
const LONGEST: Duration = Duration::from_hours(24);

/// One thing that is wrong with a job file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub file: String,
    /// The key; empty where it is the whole file.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let between = if self.key.is_empty() { "" } else { ": " };
        write!(f, "{}: {}{between}{}; {}", self.file, self.key, self.what, self.remedy)
    }
}

/// The jobs that are part of the program.
///
/// # Errors
/// Never, as a test checks; the type is [`parse`]'s.
pub fn shipped() -> Result<Vec<Spec>, Vec<Fault>> {
    parse(SHIPPED.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())))
}

/// Reads job files, given as name and text.
///
/// # Errors
/// Everything that is wrong with any of them.
pub fn parse(files: impl IntoIterator<Item = (String, String)>) -> Result<Vec<Spec>, Vec<Fault>> {
    let (mut specs, mut faults): (Vec<Spec>, Vec<Fault>) = (Vec::new(), Vec::new());
    for (file, text) in files {
        let mut reader = Reader { file, table: Table::new(), faults: &mut faults };
        match text.parse::<Table>() {
            Ok(table) => reader.table = table,
            Err(error) => {
                let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
                let line = before.matches('\n').count() + 1;
                let what = format!("is no TOML: line {line}: {}", error.message());
                reader.fault("", what, "write KEY = VALUE, texts in quotes");
                continue;
            }
        }
        let Some(spec) = reader.spec() else { continue };
        match specs.iter().find(|other| other.name == spec.name) {
            Some(other) => {
                let what = format!("{:?} is the name of {} too", spec.name, other.file);
                faults.push(Fault { file: spec.file, key: "name".into(), what, remedy: "give each its own".into() });
            }
            None => specs.push(spec),
        }
    }
    if faults.is_empty() { Ok(specs) } else { Err(faults) }
}

/// Reads one file.
struct Reader<'f> {
    file: String,
    table: Table,
    faults: &'f mut Vec<Fault>,
}

impl Reader<'_> {
    fn fault(&mut self, key: &str, what: impl Into<String>, remedy: impl Into<String>) {
        let (what, remedy) = (what.into(), remedy.into());
        self.faults.push(Fault { file: self.file.clone(), key: key.to_owned(), what, remedy });
    }

    /// The job, unless something is wrong with it: then all of it has been told.
    fn spec(mut self) -> Option<Spec> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    #[test]
    fn there_is_a_file_for_each_task_and_all_are_good() {
        let specs = shipped().unwrap();
        for task in Task::ALL {
            let spec = specs.iter().find(|spec| spec.task == *task).unwrap();
            assert_eq!((spec.name.as_str(), spec.enabled), (task.as_str(), *task != Task::SendBatch));
            assert_eq!(spec.file, format!("jobs/{task}.toml"));
            assert!(spec.schedule.next_after(Timestamp::EARLIEST).is_some());
        }
        assert_eq!(specs.len(), Task::ALL.len());
        let files = std::fs::read_dir(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs")).unwrap();
        assert_eq!(files.count(), specs.len(), "every file of jobs/ is part of the program");
    }

    #[test]
    fn all_faults_of_all_files_are_told_at_once() {
        let a = "name = \"\"\ntask = \"sned\"\nschedule = \"every day\"\ntimezone = \"Mars\"\ncatch_up = \"maybe\"\n\
                 timeout = \"5\"\nenabled = \"yes\"\ncolour = 1\npages = [1]";
        let files = [
            ("a.toml", a),
            ("b.toml", "name = \"y\"\ntask = \"purge\"\nschedule = 5\ntimeout = \"2d\"\npages = [\"1\"]"),
            ("c.toml", "name = \"z\"\n=\n"),
            ("d.toml", ""),
        ];
        let faults = parse(files.map(|(file, text)| (file.to_owned(), text.to_owned()))).unwrap_err();
        let told = |file: &str| {
            let keys = faults.iter().filter(|fault| fault.file == file).map(|fault| fault.key.as_str());
            keys.collect::<Vec<_>>()
        };
        let all = ["colour", "name", "task", "timezone", "schedule", "enabled", "catch_up", "timeout", "pages"];
        assert_eq!(told("a.toml"), all);
        assert_eq!(told("b.toml"), ["schedule", "timeout", "pages"]);
        assert_eq!(told("c.toml"), [""]);
        assert_eq!(told("d.toml"), ["name", "task", "schedule"]);
        assert!(faults.iter().all(|fault| !fault.what.is_empty() && !fault.remedy.is_empty()));
        assert!(faults.iter().any(|fault| fault.to_string().starts_with("c.toml: is no TOML: line 2")), "{faults:?}");
    }

    #[test]
    fn two_files_cannot_share_a_name() {
        let text = "name = \"x\"\ntask = \"purge\"\nschedule = \"* * * * *\"";
        let faults = parse(["a.toml", "b.toml"].map(|file| (file.to_owned(), text.to_owned()))).unwrap_err();
        assert_eq!(faults.len(), 1);
        assert!(faults[0].to_string().contains("b.toml: name: \"x\" is the name of a.toml too"), "{faults:?}");
    }

    #[test]
    fn defaults_and_pages() {
        let text = "name = \"x\"\ntask = \"send-batch\"\nschedule = \"* * * * *\"\npages = [\"1\", \"2\"]";
        let spec = parse([("a.toml".to_owned(), text.to_owned())]).unwrap().remove(0);
        assert_eq!((spec.enabled, spec.catch_up, spec.timeout), (true, CatchUp::Latest, Duration::from_mins(5)));
        assert_eq!(spec.schedule.zone_name(), "UTC");
        let page = |id| PageId::new(id).unwrap();
        assert!(spec.serves(&page("2")) && !spec.serves(&page("3")));
    }
}
