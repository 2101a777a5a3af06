//! `firstword optin opt-out`: a person said stop by another way, whether they have an opt-in here yet or not.
//!
//! Under a `login_id` that nobody has, the stop makes the row which a later opt-in meets; under a PSID it waits for the
//! opt-in that turns out to be theirs.

use serde_json::json;

use super::{Exit, open, order, out, who};
use crate::cli::optin::Chosen;
use crate::cli::{Global, Report};
use crate::clock::Clock;
use crate::commands::exit::Misuse;
use crate::config::Config;
use crate::domain::optin::{OptIn, Reason};
use crate::domain::policy::Policy;
use crate::domain::signal::{Command, Links, Receipt, Sign, Signal, Subject, Whom};
use crate::domain::span;
use crate::domain::time::Timestamp;
use crate::store::Store;

pub(super) async fn run(chosen: &Chosen, global: &Global) -> anyhow::Result<Exit> {
    let config = open::load(global)?;
    let store = open::open_existing(&config).await?;
    let exit = carry_out(&store, &config, chosen).await;
    store.close().await;
    exit
}

async fn carry_out(store: &Store, config: &Config, chosen: &Chosen) -> anyhow::Result<Exit> {
    // Nothing is done until everybody named is understood.
    let (mut known, mut strangers) = (Vec::new(), Vec::new());
    for text in &chosen.ids {
        match who::known(store, text, chosen.page.as_ref()).await? {
            Some(optin) => known.push(optin),
            None => look(store, config, text, chosen, &mut known, &mut strangers).await?,
        }
    }
    let now = open::store_clock(store).await?.now();
    let exit = order::give(store, Command::OptOut, &known, chosen.report, config.policy.window, now).await?;
    record(store, &config.policy, &strangers, chosen.report, now).await?;
    Ok(exit)
}

/// Everywhere that somebody may opt in by an id which no opt-in goes by; derived from it, it may be known after all.
async fn look<'t>(
    store: &Store,
    config: &Config,
    text: &'t str,
    chosen: &Chosen,
    known: &mut Vec<OptIn>,
    strangers: &mut Vec<(&'t str, Subject)>,
) -> anyhow::Result<()> {
    let subjects = who::subjects(store, config, text, chosen.page.as_ref()).await?;
    if subjects.is_empty() {
        return Err(Misuse(format!("no opt-in is known as {text:?}, nor any page; add --page")).into());
    }
    for subject in subjects {
        let row = match &subject.whom {
            Whom::Login(login) => store.optins_of_login(login, Some(&subject.page)).await?.pop(),
            Whom::Psid(_) => None,
        };
        match row {
            Some(row) => known.push(row),
            None => strangers.push((text, subject)),
        }
    }
    Ok(())
}

/// Keeps the stops of people who have no opt-in yet, and says what that means for them.
async fn record(
    store: &Store,
    policy: &Policy,
    strangers: &[(&str, Subject)],
    report: Report,
    now: Timestamp,
) -> anyhow::Result<()> {
    let signals = strangers.iter().map(|(_, subject)| stop(subject, now)).collect();
    let receipts = store.apply(signals, now).await?;
    for ((text, subject), receipt) in strangers.iter().zip(receipts) {
        let row = match receipt {
            Receipt::Applied(id) => store.optin(id).await?,
            // Under a PSID there is nobody to apply it to yet.
            _ => None,
        };
        let erased = receipt == Receipt::Erased;
        if report.json {
            out::json(&json!({"id": row.as_ref().map(|row| row.id), "page_id": subject.page,
                              "result": if erased { "erased" } else { "recorded" }, "was": null,
                              "state": row.as_ref().map(|row| row.state), "error": null}))?;
        } else {
            let told = if erased { ERASED.to_owned() } else { meaning(row.as_ref(), policy) };
            out::line(format_args!("{} on page {}: {told}", out::clean(text), subject.page))?;
        }
    }
    Ok(())
}

const ERASED: &str = "this person's data was erased; nothing is stored, and they are never written to";

/// What the stop of a stranger will do: by the row it made, or under a PSID.
fn meaning(row: Option<&OptIn>, policy: &Policy) -> String {
    match row {
        Some(row) => format!(
            "nobody here has that login_id; if they opt in they will not be greeted, unless they consent anew {} after \
             this or later; the stop is opt-in {}",
            span::show(policy.reopen_after),
            row.id
        ),
        None => "nobody here is known by that PSID; nothing is sent to them from when an opt-in turns out to be theirs"
            .to_owned(),
    }
}

/// The stop of somebody who is known by this id alone.
fn stop(subject: &Subject, at: Timestamp) -> Signal {
    let links = match &subject.whom {
        Whom::Login(login) => Links { logins: vec![login.clone()], ..Links::default() },
        Whom::Psid(psid) => Links { psid: Some(psid.clone()), ..Links::default() },
    };
    Signal::Person { page: subject.page.clone(), sign: Sign::OptOut(Reason::Operator), links, at }
}
