//! `firstword optin erase`: deletion on a person's request.

use std::io::{self, IsTerminal, Write};

use serde_json::json;

use super::{Exit, open, out, who};
use crate::cli::Global;
use crate::cli::optin::EraseArgs;
use crate::clock::Clock;
use crate::commands::exit::Misuse;
use crate::config::Config;
use crate::domain::signal::Subject;
use crate::store::Store;

pub(super) async fn run(args: &EraseArgs, global: &Global) -> anyhow::Result<Exit> {
    let config = open::load(global)?;
    let store = open::open_existing(&config).await?;
    let exit = carry_out(&store, &config, args).await;
    store.close().await;
    exit
}

async fn carry_out(store: &Store, config: &Config, args: &EraseArgs) -> anyhow::Result<Exit> {
    // Nothing is deleted until everybody named is understood, and the operator has said yes.
    let mut people = Vec::new();
    for text in &args.ids {
        people.push((text, who::subjects(store, config, text, args.page.as_ref()).await?));
    }
    if !args.yes && !confirmed(&people)? {
        out::note("nothing was deleted");
        return Ok(Exit::Failed);
    }
    let now = open::store_clock(store).await?.now();
    for (text, subjects) in people {
        let pages: Vec<String> = subjects.iter().map(|subject| subject.page.to_string()).collect();
        let erased = store.erase(subjects, None, now).await?;
        if args.report.json {
            out::json(&json!({"id": text, "pages": pages, "optins": erased.optins, "attempts": erased.others,
                              "raw_events": erased.raw_events, "result": "erased"}))?;
        } else {
            out::line(format_args!(
                "{}: erased: {} opt-ins, {} attempts, {} raw events; the id is remembered as a keyed hash on {} page(s)",
                out::clean(text),
                erased.optins,
                erased.others,
                erased.raw_events,
                pages.len()
            ))?;
        }
    }
    Ok(Exit::Done)
}

/// Asks, where there is somebody to ask.
fn confirmed(people: &[(&String, Vec<Subject>)]) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() {
        return Err(Misuse("erasing cannot be undone, and there is no terminal to ask; add --yes".into()).into());
    }
    for (text, subjects) in people {
        let pages: Vec<String> = subjects.iter().map(|subject| subject.page.to_string()).collect();
        out::note(format_args!("{}: everything about this person on page {}", out::clean(text), pages.join(", ")));
    }
    write!(io::stderr().lock(), "This cannot be undone. Type \"erase\" to go on: ")?;
    let mut word = String::new();
    io::stdin().read_line(&mut word)?;
    Ok(word.trim() == "erase")
}
