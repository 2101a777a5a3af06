//! `firstword optin add`.

use std::time::Duration;

use serde_json::{Value, json};

use super::row::Row;
use super::{Exit, open, out};
use crate::cli::Global;
use crate::cli::optin::AddArgs;
use crate::clock::Clock;
use crate::commands::exit::Misuse;
use crate::config::Config;
use crate::domain::ids::PageId;
use crate::domain::optin::{OptIn, State};
use crate::domain::signal::{NewOptIn, Receipt, Signal, Source};
use crate::domain::time::Timestamp;

/// How far ahead of ours the clock of whoever noted an opt-in may be.
pub(super) const AHEAD: Duration = Duration::from_mins(5);

pub(super) async fn run(args: &AddArgs, global: &Global) -> anyhow::Result<Exit> {
    let config = open::load(global)?;
    let page = page(args, &config)?;
    let store = open::open_store(&config).await?;
    let now = open::store_clock(&store).await?.now();
    if args.opted_in_at.is_some_and(|at| at > now.plus(AHEAD)) {
        return Err(Misuse("--opted-in-at lies in the future".to_owned()).into());
    }
    let signal = Signal::OptIn(NewOptIn {
        page,
        login: args.login_id.clone(),
        at: args.opted_in_at,
        locale: args.locale.clone(),
        reference: args.reference.clone(),
        source: Source::Operator,
    });
    let receipts = store.apply(vec![signal], now).await?;
    let Some((word, id)) = receipts.first().and_then(|receipt| named(*receipt)) else {
        out::note("refused: this person's data was erased at their request; nothing was stored");
        return Ok(Exit::Partly);
    };
    let Some(optin) = store.optin(id).await? else { anyhow::bail!("opt-in {id} was purged meanwhile") };
    say(&optin, word, args.report.json, &config, now)?;
    store.close().await;
    Ok(Exit::Done)
}

fn page(args: &AddArgs, config: &Config) -> Result<PageId, Misuse> {
    match (&args.page, config.pages.as_slice()) {
        (Some(page), _) => Ok(page.clone()),
        (None, [page]) => Ok(page.id.clone()),
        (None, pages) => {
            let ids: Vec<_> = pages.iter().map(|page| page.id.as_str()).collect();
            Err(Misuse(format!("several pages are configured; add --page with one of {}", ids.join(", "))))
        }
    }
}

fn named(receipt: Receipt) -> Option<(&'static str, crate::domain::ids::OptInId)> {
    match receipt {
        Receipt::Created(id) => Some(("created", id)),
        Receipt::Duplicate(id) | Receipt::Refused(id) | Receipt::Applied(id) => Some(("duplicate", id)),
        Receipt::Renewed(id) => Some(("renewed", id)),
        Receipt::Reopened(id) => Some(("reopened", id)),
        Receipt::Unknown | Receipt::Erased | Receipt::Kept => None,
    }
}

fn say(optin: &OptIn, word: &str, as_json: bool, config: &Config, now: Timestamp) -> anyhow::Result<()> {
    let window = config.policy.window;
    if as_json {
        let mut object = serde_json::to_value(Row::whole(optin, window))?;
        if let Value::Object(fields) = &mut object {
            fields.insert("result".to_owned(), json!(word));
        }
        return out::json(&object);
    }
    let stop = window.hard_stop(optin.opted_in_at);
    let next = match optin.state {
        State::Pending => format!("; the message must leave by {} ({})", out::time(stop), out::away(stop, now)),
        State::New => format!("; page {} is not configured here, so nothing is sent yet", optin.page),
        State::Missed => "; it came too late to be sent".to_owned(),
        _ => String::new(),
    };
    Ok(out::line(format_args!("{word} {}: {}{next}", optin.id, optin.state))?)
}
