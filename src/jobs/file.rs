//! Job files, read so that everything wrong with all of them is told at once.

use std::fmt;

use toml::Table;

use super::reader::Reader;
use super::spec::Spec;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::PageId;
    use crate::domain::job::Task;
    use crate::domain::time::Timestamp;
    use crate::jobs::CatchUp;
    use std::time::Duration;

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
