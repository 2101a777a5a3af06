//! The status as people read it.

use std::fmt::Write;

use super::{Ahead, Page, Status};
use crate::commands::out::{away, clean, table, time};
use crate::domain::optin::State;
use crate::domain::time::Timestamp;

/// The whole page of text.
pub(super) fn page(status: &Status) -> String {
    let mut text = format!("{}  {}\n", time(status.now), status.database);
    let stop = status.next_hard_stop.map_or_else(
        || "nobody waits".to_owned(),
        |stop| format!("next hard stop {} ({})", away(stop, status.now), time(stop)),
    );
    // Writing into a String cannot fail.
    _ = writeln!(text, "{} opt-ins; {stop}\n\n{}", status.total, counts(&status.pages));
    for page in &status.pages {
        text.extend(troubles(page, status.now).into_iter().map(|trouble| format!("\npage {}: {trouble}", page.id)));
    }
    let variants = variants(&status.pages);
    if !variants.is_empty() {
        _ = write!(text, "\n\nvariants\n{}", table(["PAGE", "VARIANT", "SENT", "ANSWERED", "RATE"], variants));
    }
    if !status.alerts.is_empty() {
        _ = write!(text, "\n\nopen alerts\n{}", alerts(status));
    }
    if !status.runs.is_empty() {
        _ = write!(text, "\n\nlatest job runs\n{}", runs(status));
    }
    text
}

/// A row for each page and state somebody is in.
fn counts(pages: &[Page]) -> String {
    let rows = pages.iter().flat_map(|page| {
        let states = State::ALL.iter().filter_map(|state| Some((state.as_str(), *page.states.get(state.as_str())?)));
        let mut rows: Vec<_> =
            states.map(|(state, count)| [page.id.clone(), state.to_owned(), count.to_string()]).collect();
        if rows.is_empty() {
            rows.push([page.id.clone(), "-".to_owned(), "0".to_owned()]);
        }
        rows
    });
    table(["PAGE", "STATE", "OPT-INS"], rows)
}

fn troubles(page: &Page, now: Timestamp) -> Vec<String> {
    let mut troubles = Vec::new();
    if !page.configured && page.total > 0 {
        troubles.push("not in this configuration; nothing is sent for it".to_owned());
    }
    if let Some(since) = page.held_since {
        let reason = clean(page.held_for.as_deref().unwrap_or("no reason given"));
        let until = page.held_until.map_or_else(String::new, |until| format!(", next look {}", away(until, now)));
        troubles.push(format!("held for {reason} since {}{until}", time(since)));
    }
    for hold in &page.holds {
        let (owner, reason) = (hold.owner.as_str(), clean(&hold.reason));
        let until = hold.until.map_or_else(String::new, |until| format!(", ends {}", away(until, now)));
        troubles.push(format!("held by {owner}: {reason} since {}{until}", time(hold.since)));
    }
    if let Some(count) = page.states.get(State::Uncertain.as_str()).filter(|count| **count > 0) {
        troubles.push(format!("{count} in doubt; `firstword optin doubts` tells why they are not sent again"));
    }
    if let Some(until) = page.paused_until {
        troubles.push(format!("the platform asked to wait; goes on {}", away(until, now)));
    }
    if page.forecast.will_miss > 0 {
        let Ahead { waiting, will_miss, first_miss, per_second } = page.forecast;
        let first = first_miss.map_or_else(String::new, |at| format!(", the first {}", away(at, now)));
        troubles.push(format!(
            "{will_miss} of {waiting} will miss their hard stop at the present rate of {per_second:.1} a second{first}"
        ));
    }
    troubles
}

/// What the variants of the messages brought, where there are several.
fn variants(pages: &[Page]) -> Vec<[String; 5]> {
    let several = pages.iter().filter(|page| page.variants.len() > 1);
    let rows = several.flat_map(|page| {
        page.variants.iter().map(|variant| {
            let rate = variant.answer_rate.map_or_else(|| "-".to_owned(), |rate| format!("{:.1}%", rate * 100.0));
            let (sent, answered) = (variant.sent.to_string(), variant.answered.to_string());
            [page.id.clone(), variant.name.clone(), sent, answered, rate]
        })
    });
    rows.collect()
}

fn alerts(status: &Status) -> String {
    let rows = status.alerts.iter().map(|alert| {
        [
            alert.kind.to_string(),
            alert.cause.clone(),
            time(alert.first_at),
            time(alert.last_at),
            alert.times.to_string(),
            alert.detail.clone(),
        ]
    });
    table(["ALERT", "CAUSE", "FIRST", "LAST", "TIMES", "DETAIL"], rows)
}

fn runs(status: &Status) -> String {
    let rows = status.runs.iter().map(|run| {
        let result = run.result.clone().unwrap_or_else(|| "running".to_owned());
        [run.name.clone(), time(run.tick), run.node.clone(), result, run.detail.clone().unwrap_or_default()]
    });
    table(["JOB", "DUE", "NODE", "RESULT", "DETAIL"], rows)
}
