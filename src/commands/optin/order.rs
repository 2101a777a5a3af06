//! `firstword optin retry`, `cancel`, and `settle` by name; `opt-out` of whoever has an opt-in.

use serde_json::json;

use super::{Exit, open, out, who};
use crate::cli::optin::Chosen;
use crate::cli::{Global, Report};
use crate::clock::Clock;
use crate::domain::optin::{OptIn, State};
use crate::domain::signal::{Command, Receipt, Signal};
use crate::domain::time::Timestamp;
use crate::domain::window::Window;
use crate::store::Store;

pub(super) async fn run(command: Command, chosen: &Chosen, global: &Global) -> anyhow::Result<Exit> {
    let config = open::load(global)?;
    let store = open::open_existing(&config).await?;
    let now = open::store_clock(&store).await?.now();
    let exit = carry_out(&store, command, chosen, config.policy.window, now).await?;
    store.close().await;
    Ok(exit)
}

/// Gives the command to everybody chosen, and says what became of it.
pub(super) async fn carry_out(
    store: &Store,
    command: Command,
    chosen: &Chosen,
    window: Window,
    now: Timestamp,
) -> anyhow::Result<Exit> {
    // Nothing is done until everybody named is found.
    let mut found = Vec::new();
    for text in &chosen.ids {
        found.push(who::find(store, text, chosen.page.as_ref()).await?);
    }
    give(store, command, &found, chosen.report, window, now).await
}

/// Gives the command to these opt-ins, and says what became of it.
pub(super) async fn give(
    store: &Store,
    command: Command,
    before: &[OptIn],
    report: Report,
    window: Window,
    now: Timestamp,
) -> anyhow::Result<Exit> {
    let signals = before.iter().map(|optin| Signal::Command { optin: optin.id, command }).collect();
    let receipts = store.apply(signals, now).await?;
    let mut refused = 0;
    for (was, receipt) in before.iter().zip(receipts) {
        let applied = matches!(receipt, Receipt::Applied(_));
        let is = store.optin(was.id).await?;
        let state = is.as_ref().map_or(was.state, |is| is.state);
        let why = (!applied).then(|| why_not(command, was, window, now));
        refused += usize::from(!applied);
        if report.json {
            out::json(&json!({"id": was.id, "page_id": was.page, "result": word(applied), "was": was.state,
                              "state": state, "error": why}))?;
        } else if let Some(why) = why {
            out::note(format_args!("{}: refused: {why}", was.id));
        } else {
            out::line(format_args!("{}: {} -> {}{}", was.id, was.state, state, meaning(command, is.as_ref())))?;
        }
    }
    Ok(match refused {
        0 => Exit::Done,
        refused if refused == before.len() => Exit::Failed,
        _ => Exit::Partly,
    })
}

fn word(applied: bool) -> &'static str {
    if applied { "applied" } else { "refused" }
}

/// What the new state does not say by itself.
fn meaning(command: Command, is: Option<&OptIn>) -> &'static str {
    let Some(is) = is else { return "" };
    match (command, is.state) {
        (Command::OptOut, State::OptedOut) | (Command::Retry | Command::Settle { .. }, _) => "",
        (_, State::Sending) => " (its request may be on its way; nothing follows it)",
        (Command::OptOut, _) => " (the stop is recorded; nothing is sent any more)",
        (Command::Cancel, _) => "",
    }
}

fn why_not(command: Command, o: &OptIn, window: Window, now: Timestamp) -> String {
    let state = o.state;
    match command {
        Command::Cancel => format!("it is {state}; only an opt-in that still waits can be cancelled"),
        Command::OptOut => format!("it is {state}"),
        Command::Settle { .. } if state != State::Uncertain => {
            format!("it is {state}; only what is uncertain can be settled")
        }
        Command::Settle { .. } => format!("it is uncertain only since {}; look again and repeat", o.state_since),
        Command::Retry if !matches!(state, State::Missed | State::Unavailable | State::Cancelled) => {
            format!("it is {state}; only what is missed, unavailable or cancelled can be retried")
        }
        Command::Retry if o.maybe_greeted_at.is_some() || o.greeted_elsewhere => {
            "a message may have reached this person already, and there is only one".to_owned()
        }
        Command::Retry if o.opted_out_at.is_some() => "this person said stop".to_owned(),
        Command::Retry => {
            let stop = window.hard_stop(o.opted_in_at);
            format!("its window is over: the last message could leave {}", out::away(stop, now))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{LoginId, PageId};

    #[test]
    fn refusals_say_why() {
        let at = Timestamp::parse("2026-06-01T12:00:00Z").unwrap();
        let mut o = OptIn::unborn(PageId::new("1").unwrap(), LoginId::new("a").unwrap(), at, at);
        let now = at.plus(std::time::Duration::from_hours(25));
        let told = |o: &OptIn| why_not(Command::Retry, o, Window::default(), now);
        assert!(told(&o).contains("it is new"), "{}", told(&o));
        o.state = State::Missed;
        assert!(told(&o).contains("1h 5m ago"), "{}", told(&o));
        o.opted_out_at = Some(at);
        assert!(told(&o).contains("stop"));
        o.maybe_greeted_at = Some(at);
        assert!(told(&o).contains("only one"));
    }
}
