//! `firstword check` and `firstword alert ..`.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::{Report, examples, values};
use crate::domain::span;

/// `firstword check`.
#[derive(Debug, Clone, Args)]
pub struct ProbeArgs {
    /// Above which values to warn; WHAT=off never does
    #[arg(long, short, value_name = "WHAT=LIMIT", value_delimiter = ',', value_parser = limit)]
    pub warning: Vec<Limit>,
    /// Above which values it is critical
    #[arg(long, short, value_name = "WHAT=LIMIT", value_delimiter = ',', value_parser = limit)]
    pub critical: Vec<Limit>,
    /// In how much time missed deadlines are counted
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = values::span)]
    pub interval: Duration,
    /// How long the database may take
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = values::span)]
    pub timeout: Duration,
    /// How it reports.
    #[command(flatten)]
    pub report: Report,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Deadlines missed in the last interval.
    Missed,
    /// Opt-ins at risk, by `alerts.at_risk`.
    AtRisk,
    /// Attempts of unknown end, held longer than `policy.settle_after`.
    Uncertain,
    /// Open alerts.
    Alerts,
    /// Time to the next hard stop; below is bad.
    NextDeadline,
    /// Time since a delivery loop last went round.
    Heartbeat,
}

impl Measure {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 6] =
        [Self::Missed, Self::AtRisk, Self::Uncertain, Self::Alerts, Self::NextDeadline, Self::Heartbeat];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missed => "missed",
            Self::AtRisk => "at_risk",
            Self::Uncertain => "uncertain",
            Self::Alerts => "alerts",
            Self::NextDeadline => "next_deadline",
            Self::Heartbeat => "heartbeat",
        }
    }

    /// Whether it is a time in seconds, and not a number of people or things.
    #[must_use]
    pub const fn is_time(self) -> bool {
        matches!(self, Self::NextDeadline | Self::Heartbeat)
    }
}

/// A limit of a measure: `None` switches it off. Times are in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Of what.
    pub measure: Measure,
    /// The last value that is still fine.
    pub value: Option<u64>,
}

fn limit(text: &str) -> Result<Limit, String> {
    let known = || Measure::ALL.map(Measure::as_str).join(", ");
    let (name, value) = text.split_once('=').ok_or_else(|| format!("write WHAT=LIMIT; WHAT is one of {}", known()))?;
    let measure = Measure::ALL.into_iter().find(|measure| measure.as_str() == name);
    let measure = measure.ok_or_else(|| format!("{name:?} is none of {}", known()))?;
    let value = match value {
        "off" => None,
        value if measure.is_time() => Some(span::parse(value)?.as_secs()),
        value => Some(value.parse().map_err(|_| format!("{value:?} is no number; write {name}=0, or {name}=off"))?),
    };
    Ok(Limit { measure, value })
}

/// `firstword alert ..`.
#[derive(Debug, Subcommand)]
pub enum AlertCommand {
    /// List open alerts, what is told of them, and what does not arrive
    #[command(after_help = examples::ALERT_LIST)]
    List(Report),
    /// Try every place alerts go to, with an alert that says it is a test
    #[command(after_help = examples::ALERT_TEST)]
    Test(Report),
    /// Tell every place alerts go to that a unit failed; needs no database
    #[command(after_help = examples::ALERT_UNIT)]
    Unit {
        /// The unit's name
        #[arg(value_name = "UNIT")]
        name: String,
        /// How it reports.
        #[command(flatten)]
        report: Report,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read() {
        let of = |text| limit(text).map(|limit| (limit.measure, limit.value));
        assert_eq!(of("missed=0"), Ok((Measure::Missed, Some(0))));
        assert_eq!(of("next_deadline=15m"), Ok((Measure::NextDeadline, Some(900))));
        assert_eq!(of("heartbeat=off"), Ok((Measure::Heartbeat, None)));
        for (text, said) in
            [("missed", "WHAT=LIMIT"), ("mist=1", "at_risk"), ("missed=1h", "missed=off"), ("heartbeat=5", "unit")]
        {
            let refusal = of(text);
            assert!(refusal.as_ref().is_err_and(|what| what.contains(said)), "{text}: {refusal:?}");
        }
    }
}
