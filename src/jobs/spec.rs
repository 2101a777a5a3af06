//! Job files: which task, when, in which zone.

use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, TimeZone, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use serde::Deserialize;

use crate::domain::job::Task;
use crate::domain::span;
use crate::domain::time::Timestamp;

/// The job files that are part of the program.
const SHIPPED: &[(&str, &str)] = &[
    ("jobs/expire-unanswered.toml", include_str!("../../jobs/expire-unanswered.toml")),
    ("jobs/watch-deadlines.toml", include_str!("../../jobs/watch-deadlines.toml")),
];

/// What to do about ticks nobody ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatchUp {
    /// Nothing: the next one will do.
    Skip,
    /// Run the latest.
    Latest,
    /// Run them all.
    All,
}

/// One job.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Its name: one job, one name, one history.
    pub name: String,
    /// What it does.
    pub task: Task,
    /// Whether it runs at all.
    pub enabled: bool,
    /// What to do about ticks nobody ran.
    pub catch_up: CatchUp,
    /// How long a run may take.
    pub timeout: Duration,
    schedule: Cron,
    timezone: Tz,
}

/// A job file as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    task: String,
    schedule: String,
    #[serde(default = "utc")]
    timezone: String,
    #[serde(default = "yes")]
    enabled: bool,
    #[serde(default = "latest")]
    catch_up: String,
    #[serde(default = "five_minutes")]
    timeout: String,
}

fn utc() -> String {
    "UTC".into()
}

fn yes() -> bool {
    true
}

fn latest() -> String {
    "latest".into()
}

fn five_minutes() -> String {
    "5m".into()
}

impl Spec {
    /// The next tick after a moment.
    #[must_use]
    pub fn next_after(&self, moment: Timestamp) -> Option<Timestamp> {
        let local = self.local(moment)?;
        self.schedule.find_next_occurrence(&local, false).ok().map(from_local)
    }

    /// The latest tick at or before a moment.
    #[must_use]
    pub fn last_until(&self, moment: Timestamp) -> Option<Timestamp> {
        let local = self.local(moment)?;
        self.schedule.find_previous_occurrence(&local, true).ok().map(from_local)
    }

    fn local(&self, moment: Timestamp) -> Option<DateTime<Tz>> {
        // Cron knows whole seconds.
        Some(
            self.timezone
                .from_utc_datetime(&DateTime::<Utc>::from_timestamp(moment.ms().div_euclid(1000), 0)?.naive_utc()),
        )
    }
}

fn from_local(at: DateTime<Tz>) -> Timestamp {
    Timestamp::from_ms(at.timestamp_millis())
}

/// The jobs that are part of the program.
///
/// # Errors
/// Never, as a test checks; the type is [`parse`]'s.
pub fn shipped() -> Result<Vec<Spec>, Vec<String>> {
    parse(SHIPPED.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())))
}

/// Reads job files, given as name and text.
///
/// # Errors
/// Everything that is wrong with any of them, each with file, key and remedy.
pub fn parse(files: impl IntoIterator<Item = (String, String)>) -> Result<Vec<Spec>, Vec<String>> {
    let (mut specs, mut faults): (Vec<Spec>, Vec<String>) = (Vec::new(), Vec::new());
    for (file, text) in files {
        match toml::from_str::<File>(&text) {
            Ok(written) => match check(&file, written, &mut faults) {
                Some(spec) if specs.iter().any(|other| other.name == spec.name) => {
                    faults.push(format!(
                        "{file}: name: {:?} is used by another job file; give each job its own",
                        spec.name
                    ));
                }
                Some(spec) => specs.push(spec),
                None => {}
            },
            Err(error) => faults.push(format!("{file}: {}", error.to_string().trim_end())),
        }
    }
    if faults.is_empty() { Ok(specs) } else { Err(faults) }
}

fn check(file: &str, written: File, faults: &mut Vec<String>) -> Option<Spec> {
    let mut fault = |key: &str, what: String| faults.push(format!("{file}: {key}: {what}"));
    let task = written.task.parse().map_err(|what| fault("task", what)).ok();
    let schedule = parser().parse(&written.schedule);
    let schedule = schedule.map_err(|error| fault("schedule", not_cron(&written.schedule, &error))).ok();
    let timezone = Tz::from_str(&written.timezone);
    let zone =
        |_| fault("timezone", format!("{:?} is no time zone; write one as in \"Europe/Berlin\"", written.timezone));
    let timezone = timezone.map_err(zone).ok();
    let catch_up = match written.catch_up.as_str() {
        "skip" => Some(CatchUp::Skip),
        "latest" => Some(CatchUp::Latest),
        "all" => Some(CatchUp::All),
        other => {
            fault("catch_up", format!("{other:?} is none of skip, latest, all"));
            None
        }
    };
    let timeout = span::parse(&written.timeout).map_err(|what| fault("timeout", what)).ok();
    if written.name.trim().is_empty() {
        fault("name", "is empty; name the job".into());
    }
    Some(Spec {
        name: written.name,
        task: task?,
        enabled: written.enabled,
        catch_up: catch_up?,
        timeout: timeout?,
        schedule: schedule?,
        timezone: timezone?,
    })
}

fn parser() -> CronParser {
    CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build()
}

fn not_cron(text: &str, error: &croner::errors::CronError) -> String {
    format!(
        "{text:?} is no cron line ({error}); write five or six fields, as in \"*/5 * * * *\" for every five minutes"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(schedule: &str, timezone: &str) -> Spec {
        let text = format!("name = \"x\"\ntask = \"purge\"\nschedule = \"{schedule}\"\ntimezone = \"{timezone}\"");
        parse([("x.toml".to_owned(), text)]).unwrap().remove(0)
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn the_shipped_files_are_good() {
        let specs = shipped().unwrap();
        assert!(specs.iter().any(|spec| spec.task == Task::ExpireUnanswered && spec.enabled));
        assert!(specs.iter().any(|spec| spec.task == Task::WatchDeadlines && spec.enabled));
    }

    #[test]
    fn ticks_follow_the_zone_through_a_change_of_the_clocks() {
        let evening = spec("0 18 * * *", "Europe/Dublin");
        assert_eq!(evening.next_after(at("2027-03-27T12:00:00Z")), Some(at("2027-03-27T18:00:00Z")));
        assert_eq!(evening.next_after(at("2027-03-28T12:00:00Z")), Some(at("2027-03-28T17:00:00Z")));
        assert_eq!(evening.last_until(at("2027-03-28T17:00:00.500Z")), Some(at("2027-03-28T17:00:00Z")));
    }

    #[test]
    fn six_fields_count_seconds() {
        let often = spec("*/10 * * * * *", "UTC");
        assert_eq!(often.next_after(at("2027-01-01T00:00:05Z")), Some(at("2027-01-01T00:00:10Z")));
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let text = "name = \"\"\ntask = \"sned\"\nschedule = \"every day\"\ntimezone = \"Mars\"\ncatch_up = \"maybe\"\ntimeout = \"5\"";
        let unknown = "name = \"y\"\ntask = \"purge\"\nschedule = \"* * * * *\"\ncolour = 1";
        let faults = parse([("a.toml".into(), text.to_owned()), ("b.toml".into(), unknown.to_owned())]).unwrap_err();
        for key in ["task", "schedule", "timezone", "catch_up", "timeout", "name"] {
            assert!(faults.iter().any(|fault| fault.starts_with(&format!("a.toml: {key}: "))), "{key}: {faults:?}");
        }
        assert!(faults.iter().any(|fault| fault.starts_with("b.toml") && fault.contains("colour")), "{faults:?}");
    }
}
