//! `firstword optin show`: the whole story of one person.

use std::io;

use serde_json::{Value, json};

use super::row::Row;
use super::{Exit, doubts, explain, open, out, who};
use crate::cli::Global;
use crate::cli::optin::ShowArgs;
use crate::clock::Clock;
use crate::domain::optin::{OptIn, State};
use crate::domain::policy::Policy;
use crate::domain::time::Timestamp;
use crate::store::report::AttemptRow;

pub(super) async fn run(args: &ShowArgs, global: &Global) -> anyhow::Result<Exit> {
    let config = open::load(global)?;
    let store = open::open_existing(&config).await?;
    let optin = who::find(&store, &args.id, args.page.as_ref()).await?;
    let attempts = store.attempts_of(optin.id).await?;
    let now = open::store_clock(&store).await?.now();
    let doubts = if optin.state == State::Uncertain { doubts::of_one(&store, &optin, now).await? } else { Vec::new() };
    let whole = Story { optin: &optin, attempts: &attempts, doubts, policy: &config.policy, now };
    if args.report.json {
        out::json(&whole.json()?)?;
    } else {
        whole.print()?;
    }
    Ok(Exit::Done)
}

struct Story<'a> {
    optin: &'a OptIn,
    attempts: &'a [AttemptRow],
    /// Why it is not sent to again.
    doubts: Vec<String>,
    policy: &'a Policy,
    now: Timestamp,
}

impl Story<'_> {
    /// What it means, first of all what happens next.
    fn meaning(&self) -> Vec<String> {
        let mut lines = vec![explain::state(self.optin, self.policy, self.now)];
        lines.extend(self.doubts.iter().cloned());
        lines.extend(self.optin.reason.and_then(explain::reason).map(str::to_owned));
        for attempt in self.attempts {
            let line = explain::attempt(attempt).map(str::to_owned);
            lines.extend(line.filter(|line| !lines.contains(line)));
        }
        lines
    }

    fn json(&self) -> anyhow::Result<Value> {
        let o = self.optin;
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
        let mut object = serde_json::to_value(Row::whole(o, self.policy.window))?;
        if let Value::Object(fields) = &mut object {
            let more = json!({
                "state_since": time(Some(o.state_since)),
                "hard_stop": time(Some(self.policy.window.hard_stop(o.opted_in_at))),
                "renewed_at": time(o.renewed_at),
                "maybe_greeted_at": time(o.maybe_greeted_at),
                "greeted_elsewhere": o.greeted_elsewhere,
                "resent_at": time(o.resent_at),
                "next_attempt_at": time(o.next_attempt_at),
                "lease_until": time(o.lease_until),
                "history": self.attempts.iter().map(attempt_json).collect::<Vec<_>>(),
                "explanation": self.meaning(),
            });
            if let Value::Object(more) = more {
                fields.extend(more);
            }
        }
        Ok(object)
    }

    fn print(&self) -> io::Result<()> {
        let o = self.optin;
        out::line(format_args!("opt-in {} of page {}: {}", o.id, o.page, o.state))?;
        for (name, value) in self.facts() {
            out::line(format_args!("  {name:<16} {}", out::clean(&value)))?;
        }
        if !self.attempts.is_empty() {
            out::line("\nattempts")?;
            let head = ["NO", "STARTED", "NODE", "OUTCOME", "TOOK", "HTTP", "CODE", "EVIDENCE", "FBTRACE", "DETAIL"];
            out::line(out::table(head, self.attempts.iter().map(attempt_cells)))?;
        }
        out::line("\nwhat it means")?;
        self.meaning().into_iter().try_for_each(|line| out::line(format_args!("  {line}")))
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let o = self.optin;
        let window = self.policy.window;
        let time = |at: Timestamp| format!("{} ({})", out::time(at), out::away(at, self.now));
        let facts = [
            ("login_id", Some(o.login.as_str().to_owned())),
            ("psid", o.psid.as_ref().map(|psid| psid.as_str().to_owned())),
            ("opted in", Some(time(o.opted_in_at))),
            ("hard stop", Some(time(window.hard_stop(o.opted_in_at)))),
            ("deadline", Some(time(window.deadline(o.opted_in_at)))),
            ("in this state", Some(format!("since {}", time(o.state_since)))),
            ("reason", o.reason.map(|reason| reason.to_string())),
            ("consent", (o.cycle > 1).then(|| format!("number {}", o.cycle))),
            ("renewed", o.renewed_at.map(time)),
            ("next attempt", o.next_attempt_at.map(time)),
            ("lease until", o.lease_until.map(time)),
            ("maybe greeted", o.maybe_greeted_at.map(time)),
            ("sent again", o.resent_at.map(|at| format!("granted {}", time(at)))),
            ("greeted by", o.greeted_elsewhere.then(|| "another app of the page".to_owned())),
            ("sent", o.sent_at.map(time)),
            ("message", o.message_id.clone()),
            ("variant", o.variant.clone()),
            ("replied", o.replied_at.map(time)),
            ("said stop", o.opted_out_at.map(time)),
            ("locale", o.locale.clone()),
            ("reference", o.reference.clone()),
        ];
        facts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

fn attempt_cells(a: &AttemptRow) -> [String; 10] {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let number = |value: Option<i64>| value.map(|value| value.to_string()).unwrap_or_default();
    let code = match (a.code, a.subcode) {
        (Some(code), Some(subcode)) => format!("{code}/{subcode}"),
        (code, _) => number(code),
    };
    let took = a.ended_at.map(|end| format!("{} ms", end.since(a.started_at).as_millis())).unwrap_or_default();
    let outcome = a.outcome.clone().unwrap_or_else(|| "under way".to_owned());
    [
        format!("{}.{}", a.cycle, a.number),
        out::time(a.started_at),
        a.node.clone(),
        outcome,
        took,
        number(a.http_status),
        code,
        text(&a.evidence),
        text(&a.fbtrace_id),
        text(&a.detail),
    ]
}

fn attempt_json(a: &AttemptRow) -> Value {
    json!({
        "attempt": a.attempt, "cycle": a.cycle, "number": a.number, "node": a.node,
        "started_at": a.started_at.to_string(), "ended_at": a.ended_at.map(|at| at.to_string()),
        "outcome": a.outcome, "http_status": a.http_status, "code": a.code, "subcode": a.subcode,
        "fbtrace_id": a.fbtrace_id, "message_id": a.message_id, "detail": a.detail, "evidence": a.evidence,
        "evidence_at": a.evidence_at.map(|at| at.to_string()), "explanation": explain::attempt(a),
    })
}
