//! What happened to everyone, by the store and by the platform; and whether the two agree.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::commands::out;
use crate::domain::optin::{OptIn, State};
use crate::sandbox::{PersonReport, Report};

/// How many disagreements are named.
const NAMED: usize = 20;

/// The demo's result.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    people: u32,
    seed: u64,
    /// Opt-ins by state.
    states: BTreeMap<&'static str, Tally>,
    /// People the platform knows and the store does not.
    forgotten: u64,
    /// Disagreements between store and platform, the first of them in words.
    disagreements: u64,
    examples: Vec<String>,
    sends_by_node: BTreeMap<String, u64>,
    platform: Report,
}

/// A state's people.
#[derive(Debug, Default, Serialize)]
struct Tally {
    opt_ins: u64,
    /// Of these, how many had a message delivered, by the platform's count.
    delivered: u64,
    /// Of these, how many had more than one.
    twice: u64,
}

impl Summary {
    pub(super) fn of(people: u32, seed: u64, rows: Vec<OptIn>, known: &[PersonReport], platform: Report) -> Self {
        let mut by_login: HashMap<&str, &PersonReport> = known.iter().map(|p| (p.login_id.as_str(), p)).collect();
        let mut summary = Self {
            people,
            seed,
            states: BTreeMap::new(),
            forgotten: 0,
            disagreements: 0,
            examples: Vec::new(),
            sends_by_node: platform.per_node.clone(),
            platform,
        };
        for row in rows {
            let person = by_login.remove(row.login.as_str());
            summary.count(&row, person);
        }
        summary.forgotten = u64::try_from(by_login.len()).unwrap_or(u64::MAX);
        summary
    }

    fn count(&mut self, row: &OptIn, person: Option<&PersonReport>) {
        let delivered = person.map_or(0, |person| person.delivered);
        let tally = self.states.entry(row.state.as_str()).or_default();
        tally.opt_ins += 1;
        tally.delivered += u64::from(delivered > 0);
        tally.twice += u64::from(delivered > 1);
        if let Some(what) = disagreement(row, person) {
            self.disagreements += 1;
            if self.examples.len() < NAMED {
                self.examples.push(format!("opt-in {}: {what}", row.id));
            }
        }
    }

    /// Whether nobody was forgotten, written to twice, late or after a stop, and both counts agree.
    pub(super) fn is_clean(&self) -> bool {
        self.platform.violations.total() == 0 && self.forgotten == 0 && self.disagreements == 0
    }

    pub(super) fn print(&self) -> anyhow::Result<()> {
        let rows = self.states.iter().map(|(state, tally)| {
            [(*state).to_owned(), tally.opt_ins.to_string(), tally.delivered.to_string(), tally.twice.to_string()]
        });
        out::line(out::table(["state", "opt-ins", "delivered (platform)", "twice"], rows))?;
        let report = &self.platform;
        for (node, sends) in &self.sends_by_node {
            out::line(format!("{node}: {sends} requests"))?;
        }
        out::line(format!(
            "platform: {} people, {} requests, {} messages accepted, {} people reached, {} replied, {} said stop",
            report.people, report.requests, report.accepted, report.delivered, report.replied, report.opted_out
        ))?;
        out::line(format!(
            "faults dealt out: {} refused for a while, {} delivered but the answer lost, {} people unreachable",
            report.faults.before, report.faults.after, report.faults.unavailable
        ))?;
        let broken = report.violations;
        out::line(format!(
            "violations: {} second messages, {} late, {} after stop; {} forgotten, {} disagreements",
            broken.second, broken.late, broken.after_stop, self.forgotten, self.disagreements
        ))?;
        for example in &self.examples {
            out::line(example)?;
        }
        let verdict = if self.is_clean() { "clean: everyone is where the platform says they are" } else { "NOT CLEAN" };
        out::line(format!("{verdict} (seed {})", self.seed))?;
        Ok(())
    }
}

/// Why a row and the platform's word about the same person do not fit together.
fn disagreement(row: &OptIn, person: Option<&PersonReport>) -> Option<String> {
    let Some(person) = person else { return Some("the platform does not know this person".to_owned()) };
    let (reached, state) = (person.delivered > 0, row.state);
    let fits = match state {
        State::Sent => reached,
        State::Answered => reached && person.replied,
        // An uncertain attempt ends here too when nobody answers: that is what uncertain means.
        State::Expired => reached || row.sent_at.is_none(),
        State::Uncertain | State::Sending | State::OptedOut => true,
        State::New
        | State::Pending
        | State::Retrying
        | State::Missed
        | State::Unavailable
        | State::Cancelled
        | State::Refused => !reached,
    };
    let times = person.delivered;
    (!fits).then(|| {
        format!(
            "is {state}, but the platform delivered {times} and {}",
            if person.replied { "has a reply" } else { "has no reply" }
        )
    })
}
