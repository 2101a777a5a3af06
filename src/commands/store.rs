//! `firstword store`: the database as a whole.

use std::collections::BTreeMap;

use serde_json::json;

use super::exit::Misuse;
use super::open::open_existing;
use super::{Exit, load, out, store_clock};
use crate::cli::{Global, StoreAcceptArgs, StoreCommand};
use crate::clock::Clock;
use crate::store::Store;

pub(super) async fn run(command: &StoreCommand, global: &Global) -> anyhow::Result<Exit> {
    match command {
        StoreCommand::Accept(args) => accept(args, global).await,
    }
}

/// An operator knows that the database lost commits, and since when.
async fn accept(args: &StoreAcceptArgs, global: &Global) -> anyhow::Result<Exit> {
    let config = load(global)?;
    let store = open_existing(&config).await?;
    let now = store_clock(&store).await?.now();
    let since = args.lost_since;
    if since > now {
        return Err(Misuse(format!("--lost-since {since} lies ahead; nothing can be lost since then")).into());
    }
    let lost = store.lost(since, now).await?;
    let count: u64 = lost.iter().map(|one| one.count).sum();
    if !args.dry_run && args.confirm != Some(count) {
        let how = "nothing is changed; look with --dry-run, then repeat with";
        return Err(Misuse(format!("{count} opt-ins would become uncertain; {how} --confirm {count}")).into());
    }
    let marked = if args.dry_run { count } else { store.accept_lost(since, now).await? };
    let held = store.standing().await?.rewound_at;
    tell(args, &lost, marked, &store).await?;
    store.close().await;
    Ok(if !args.dry_run && held.is_some() { Exit::Failed } else { Exit::Done })
}

async fn tell(
    args: &StoreAcceptArgs,
    lost: &[crate::store::lineage::Lost],
    marked: u64,
    store: &Store,
) -> anyhow::Result<()> {
    let mut pages: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for one in lost {
        *pages.entry(one.page.as_str()).or_default().entry(one.state.as_str()).or_default() += one.count;
    }
    let rewound_at = store.standing().await?.rewound_at.map(|at| at.to_string());
    if args.report.json {
        return out::json(&json!({
            "lost_since": args.lost_since.to_string(), "dry_run": args.dry_run, "uncertain": marked, "pages": pages,
            "held_since": rewound_at,
        }));
    }
    let rows = lost.iter().map(|one| [one.page.to_string(), one.state.to_string(), one.count.to_string()]);
    out::line(out::table(["PAGE", "STATE", "OPT-INS"], rows))?;
    let what = if args.dry_run { "would become uncertain" } else { "are uncertain; everybody else is sent to" };
    Ok(out::line(format_args!("{marked} opt-ins {what}"))?)
}
