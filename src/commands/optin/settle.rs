//! `firstword optin settle`: an operator knows how attempts ended that we do not.

use serde_json::json;

use super::order::carry_out;
use super::{Exit, open, out};
use crate::cli::Global;
use crate::cli::optin::{Chosen, SettleArgs};
use crate::clock::Clock;
use crate::commands::exit::Misuse;
use crate::domain::ids::OptInId;
use crate::domain::signal::{Command, Receipt, Signal};
use crate::domain::time::Timestamp;
use crate::store::Store;

/// How many are settled in one transaction.
const BATCH: i64 = 500;

pub(super) async fn run(args: &SettleArgs, global: &Global) -> anyhow::Result<Exit> {
    if args.ids.is_empty() && args.before.is_none() {
        return Err(Misuse("name opt-ins, or give --before TIME for all that were in doubt by then".into()).into());
    }
    let config = open::load(global)?;
    let store = open::open_existing(&config).await?;
    let now = open::store_clock(&store).await?.now();
    if let Some(before) = args.before.filter(|before| *before > now) {
        return Err(
            Misuse(format!("--before {before} lies ahead; nobody can know yet what will be sent by then")).into()
        );
    }
    // A doubt that arises this very moment was not looked at.
    let command = Command::Settle { delivered: args.sent, before: args.before.unwrap_or(now) };
    let exit = if args.ids.is_empty() {
        settle_all(&store, command, args, now).await?
    } else {
        let chosen = Chosen { ids: args.ids.clone(), page: args.page.clone(), report: args.report };
        carry_out(&store, command, &chosen, config.policy.window, now).await?
    };
    store.close().await;
    Ok(exit)
}

/// Everybody who was in doubt by then. Whoever changes meanwhile is left as they are.
async fn settle_all(store: &Store, command: Command, args: &SettleArgs, now: Timestamp) -> anyhow::Result<Exit> {
    let before = args.before.unwrap_or(now);
    let (mut after, mut settled) = (OptInId(0), 0_usize);
    loop {
        let ids = store.in_doubt(args.page.as_ref(), before, after, BATCH).await?;
        let Some(last) = ids.last() else { break };
        after = *last;
        let signals = ids.iter().map(|optin| Signal::Command { optin: *optin, command }).collect();
        let receipts = store.apply(signals, now).await?;
        settled += receipts.iter().filter(|receipt| matches!(receipt, Receipt::Applied(_))).count();
    }
    if args.report.json {
        out::json(&json!({"settled": settled, "page_id": args.page, "before": before, "sent": args.sent}))?;
    } else {
        let how = if args.sent { "sent" } else { "not sent" };
        out::line(format_args!("{settled} opt-ins settled as {how}"))?;
    }
    Ok(Exit::Done)
}
