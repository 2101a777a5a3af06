//! What measures mean: the rank, the line for people and machines.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::watch::{Limit, Measure};
use crate::commands::out::rough;
use crate::domain::span;

/// How bad it is; the worst is the greatest, but what is critical outranks what is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Ok,
    Warning,
    Unknown,
    Critical,
}

impl Rank {
    /// The exit code of a Nagios plugin.
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// What the words need to know.
pub(super) struct Words {
    pub(super) interval: Duration,
    pub(super) at_risk: Duration,
}

/// One measure, its limits, and what it means.
#[derive(Debug)]
struct Measured {
    measure: Measure,
    value: Option<u64>,
    warning: Option<u64>,
    critical: Option<u64>,
    rank: Rank,
    text: String,
}

/// What a check found.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) rank: Rank,
    /// What went wrong before anything could be measured.
    failure: Option<String>,
    measured: Vec<Measured>,
}

/// The limits where the caller gives none: warning and critical.
const fn default_limits(measure: Measure) -> (Option<u64>, Option<u64>) {
    match measure {
        Measure::Missed => (None, Some(0)),
        Measure::AtRisk | Measure::Uncertain | Measure::Alerts => (Some(0), None),
        Measure::NextDeadline => (None, Some(15 * 60)),
        Measure::Heartbeat => (None, Some(60)),
    }
}

impl Verdict {
    pub(super) const fn failed(rank: Rank, what: String) -> Self {
        Self { rank, failure: Some(what), measured: Vec::new() }
    }

    pub(super) fn of(
        values: &[(Measure, Option<u64>)],
        warnings: &[Limit],
        criticals: &[Limit],
        words: &Words,
    ) -> Self {
        let given = |limits: &[Limit], measure, default| {
            limits.iter().rfind(|limit| limit.measure == measure).map_or(default, |limit| limit.value)
        };
        let measured: Vec<Measured> = values
            .iter()
            .map(|(measure, value)| {
                let (warning, critical) = default_limits(*measure);
                let (warning, critical) = (given(warnings, *measure, warning), given(criticals, *measure, critical));
                let rank = if beyond(*measure, *value, critical) {
                    Rank::Critical
                } else if beyond(*measure, *value, warning) {
                    Rank::Warning
                } else {
                    Rank::Ok
                };
                let text = text(*measure, *value, words);
                Measured { measure: *measure, value: *value, warning, critical, rank, text }
            })
            .collect();
        let rank = measured.iter().map(|one| one.rank).max().unwrap_or(Rank::Ok);
        Self { rank, failure: None, measured }
    }

    /// One line, and performance data behind a bar.
    pub(super) fn line(&self) -> String {
        let said = |rank| self.measured.iter().filter(move |one| one.rank == rank).map(|one| one.text.clone());
        let mut what: Vec<String> = self.failure.clone().into_iter().chain(said(Rank::Critical)).collect();
        what.extend(said(Rank::Warning));
        if what.is_empty() {
            what.extend(said(Rank::Ok));
        }
        let mut line = format!("FIRSTWORD {} - {}", self.rank.word(), what.join(", ").replace('|', "/"));
        let data: Vec<String> = self.measured.iter().filter_map(Measured::data).collect();
        if !data.is_empty() {
            // Writing into a String cannot fail.
            _ = write!(line, " | {}", data.join(" "));
        }
        line
    }

    pub(super) fn as_json(&self) -> Value {
        let measured = self.measured.iter().map(|one| {
            let value = json!({
                "value": one.value, "warning": one.warning, "critical": one.critical,
                "status": one.rank.word().to_lowercase(), "text": one.text,
            });
            (one.measure.as_str().to_owned(), value)
        });
        json!({
            "status": self.rank.word().to_lowercase(), "code": self.rank.code(), "failure": self.failure,
            "measures": measured.collect::<serde_json::Map<_, _>>(),
        })
    }
}

impl Measured {
    /// `label=value;warn;crit;min`, with ranges as the plugin guidelines write them: `900:` is bad below 900.
    fn data(&self) -> Option<String> {
        let value = self.value?;
        let unit = if self.measure.is_time() { "s" } else { "" };
        let range = |limit: Option<u64>| match limit {
            None => String::new(),
            Some(limit) if self.measure == Measure::NextDeadline => format!("{limit}:"),
            Some(limit) => limit.to_string(),
        };
        Some(format!("{}={value}{unit};{};{};0", self.measure.as_str(), range(self.warning), range(self.critical)))
    }
}

/// Whether a value is beyond its limit. A loop that never beat is; a deadline that nobody has is not.
fn beyond(measure: Measure, value: Option<u64>, limit: Option<u64>) -> bool {
    match (measure, value, limit) {
        (_, _, None) | (Measure::NextDeadline, None, _) => false,
        (Measure::NextDeadline, Some(value), Some(limit)) => value < limit,
        (_, None, Some(_)) => true,
        (_, Some(value), Some(limit)) => value > limit,
    }
}

fn text(measure: Measure, value: Option<u64>, words: &Words) -> String {
    let time = || rough(Duration::from_secs(value.unwrap_or_default()));
    let count = value.unwrap_or_default();
    match measure {
        Measure::Missed => format!("{count} missed in the last {}", span::show(words.interval)),
        Measure::AtRisk => format!("{count} at risk within {}", span::show(words.at_risk)),
        Measure::Uncertain => format!("{count} held as uncertain"),
        Measure::Alerts => format!("{count} open alerts"),
        Measure::NextDeadline if value.is_none() => "nobody waits".to_owned(),
        Measure::NextDeadline => format!("next hard stop in {}", time()),
        Measure::Heartbeat if value.is_none() => "no daemon ever ran on this database".to_owned(),
        Measure::Heartbeat => format!("last beat {} ago", time()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: Words = Words { interval: Duration::from_hours(1), at_risk: Duration::from_hours(2) };

    fn of(values: [Option<u64>; 6], warnings: &[Limit], criticals: &[Limit]) -> Verdict {
        let values: Vec<_> = Measure::ALL.into_iter().zip(values).collect();
        Verdict::of(&values, warnings, criticals, &WORDS)
    }

    #[test]
    fn all_is_well() {
        let fine = of([Some(0), Some(0), Some(0), Some(0), None, Some(4)], &[], &[]);
        assert_eq!(fine.rank.code(), 0);
        insta::assert_snapshot!(fine.line(), @"FIRSTWORD OK - 0 missed in the last 1h, 0 at risk within 2h, 0 held as uncertain, 0 open alerts, nobody waits, last beat 4s ago | missed=0;;0;0 at_risk=0;0;;0 uncertain=0;0;;0 alerts=0;0;;0 heartbeat=4s;;60;0");
    }

    #[test]
    fn the_worst_comes_first() {
        let bad = of([Some(3), Some(7), Some(0), Some(2), Some(600), Some(61)], &[], &[]);
        assert_eq!(bad.rank.code(), 2);
        insta::assert_snapshot!(bad.line(), @"FIRSTWORD CRITICAL - 3 missed in the last 1h, next hard stop in 10m 0s, last beat 1m 1s ago, 7 at risk within 2h, 2 open alerts | missed=3;;0;0 at_risk=7;0;;0 uncertain=0;0;;0 alerts=2;0;;0 next_deadline=600s;;900:;0 heartbeat=61s;;60;0");
        let never = of([Some(0), Some(0), Some(0), Some(0), Some(9000), None], &[], &[]);
        assert_eq!((never.rank, never.line().contains("no daemon ever ran")), (Rank::Critical, true));
        assert_eq!(never.as_json()["measures"]["heartbeat"]["status"], "critical");
    }

    #[test]
    fn limits_may_be_moved_and_switched_off() {
        let limit = |measure, value| Limit { measure, value };
        let values = [Some(3), Some(7), Some(0), Some(0), Some(600), None];
        let criticals =
            [limit(Measure::Missed, Some(3)), limit(Measure::NextDeadline, None), limit(Measure::Heartbeat, None)];
        assert_eq!(of(values, &[], &criticals).rank, Rank::Warning);
        assert_eq!(of(values, &[limit(Measure::AtRisk, Some(7))], &criticals).rank, Rank::Ok);
        assert_eq!(of(values, &[limit(Measure::NextDeadline, Some(601))], &criticals).rank, Rank::Warning);
        assert!(Rank::Critical > Rank::Unknown && Rank::Unknown > Rank::Warning);
    }
}
