//! `firstword page ..`: what holds pages, and an operator's own hold.

use serde::Serialize;
use serde_json::json;

use super::{Exit, open, out};
use crate::cli::Global;
use crate::cli::page::{HoldArgs, PageCommand, PageListArgs, ResumeArgs};
use crate::clock::Clock;
use crate::commands::exit::Misuse;
use crate::config::Config;
use crate::domain::hold::{Owner, PageOrder};
use crate::domain::ids::PageId;
use crate::domain::signal::Signal;
use crate::domain::time::Timestamp;
use crate::domain::window::Window;
use crate::roster;
use crate::store::Store;
use crate::store::holds::Hold;
use crate::store::report::{Count, PageRow};

pub(super) async fn run(command: &PageCommand, global: &Global) -> anyhow::Result<Exit> {
    let config = open::load(global)?;
    let store = open::open_existing(&config).await?;
    let now = open::store_clock(&store).await?.now();
    let exit = match command {
        PageCommand::List(args) => list(*args, &config, &store, now).await,
        PageCommand::Hold(args) => hold(args, &config, &store, now).await,
        PageCommand::Resume(args) => resume(args, &store, now).await,
    };
    store.close().await;
    exit
}

/// A page as it is listed.
#[derive(Debug, Serialize)]
struct Listed {
    page_id: PageId,
    held: bool,
    holds: Vec<Held>,
    /// Until when the platform asked to wait.
    paused_until: Option<String>,
    /// How much of its allowance the page has used, by the platform's latest word.
    used_percent: u32,
    /// Since when this node's token or message is refused while others have a newer one.
    refused_here: Option<String>,
    waiting: u64,
    earliest_hard_stop: Option<String>,
    #[serde(skip)]
    stop: Option<Timestamp>,
}

/// One of its holds.
#[derive(Debug, Clone, Serialize)]
struct Held {
    owner: &'static str,
    reason: String,
    since: String,
    /// When it ends; for the breaker's, when somebody is tried next.
    until: Option<String>,
    #[serde(skip)]
    end: Option<Timestamp>,
}

impl Held {
    fn new(owner: &'static str, reason: String, since: Timestamp, end: Option<Timestamp>) -> Self {
        Self { owner, reason, since: since.to_string(), until: end.map(|end| end.to_string()), end }
    }
}

async fn list(args: PageListArgs, config: &Config, store: &Store, now: Timestamp) -> anyhow::Result<Exit> {
    let (rows, holds, counts) = (store.pages().await?, store.holds().await?, store.counts().await?);
    let mut pages = Vec::new();
    for row in rows {
        let mut page = listed(&row, &holds, &counts, config.policy.window, now);
        // The breaker's hold is probed sooner where somebody's hard stop is near.
        if let (Some(next), Some(held)) = (store.held(&row.page, now).await?, page.holds.first_mut())
            && held.owner == "breaker"
        {
            *held = Held { until: Some(next.probe_at.to_string()), end: Some(next.probe_at), ..held.clone() };
        }
        if let Some(here) = config.pages.iter().find(|page| page.id == row.page) {
            let refused = store.refused(&row.page, &roster::credential(here, config.messenger.app_secret())).await?;
            page.refused_here = refused.map(|(since, what)| format!("{what} since {since}"));
        }
        pages.push(page);
    }
    pages.retain(|page| page.held || !args.held);
    if args.report.json {
        for page in &pages {
            out::json(page)?;
        }
    } else {
        let head = ["PAGE", "HELD", "WAITING", "EARLIEST HARD STOP", "WHY"];
        out::line(out::table(head, pages.iter().map(|page| cells(page, now))))?;
    }
    Ok(Exit::Done)
}

fn listed(row: &PageRow, holds: &[Hold], counts: &[Count], window: Window, now: Timestamp) -> Listed {
    let breaker = row.held_since.map(|since| {
        let reason = row.held_for.clone().unwrap_or_default();
        Held::new("breaker", reason, since, row.held_until)
    });
    let owned = holds
        .iter()
        .filter(|hold| hold.page == row.page && hold.holds(now))
        .map(|hold| Held::new(hold.owner.as_str(), hold.reason.clone(), hold.since, hold.until));
    let mine = counts.iter().filter(|count| count.page == row.page && count.state.is_waiting());
    let stop = mine.clone().map(|count| window.hard_stop(count.earliest)).min();
    Listed {
        page_id: row.page.clone(),
        held: row.is_held(now),
        holds: breaker.into_iter().chain(owned).collect(),
        paused_until: (row.paused_until > now).then(|| row.paused_until.to_string()),
        used_percent: row.used.percent(now),
        refused_here: None,
        waiting: mine.map(|count| count.count).sum(),
        earliest_hard_stop: stop.map(|stop| stop.to_string()),
        stop,
    }
}

fn cells(page: &Listed, now: Timestamp) -> [String; 5] {
    let why = page.holds.iter().map(|held| {
        let end = match (held.owner, held.end) {
            ("breaker", Some(next)) => format!(", next try {}", out::away(next, now)),
            (_, Some(end)) => format!(", ends {}", out::away(end, now)),
            (_, None) => String::new(),
        };
        format!("{}: {} since {}{end}", held.owner, held.reason, held.since)
    });
    let mut why: Vec<String> = why.collect();
    why.extend(page.paused_until.as_ref().map(|until| format!("the platform asked to wait until {until}")));
    why.extend(
        page.refused_here.as_ref().map(|what| format!("this node's token or message is old: refused for {what}")),
    );
    if page.used_percent >= crate::domain::budget::SLOWER_FROM {
        why.push(format!("{} % of its allowance used", page.used_percent));
    }
    let stop =
        page.stop.map_or_else(|| "-".to_owned(), |stop| format!("{} ({})", out::time(stop), out::away(stop, now)));
    let held = if page.held { "yes" } else { "no" };
    [page.page_id.to_string(), held.to_owned(), page.waiting.to_string(), stop, why.join("; ")]
}

async fn hold(args: &HoldArgs, config: &Config, store: &Store, now: Timestamp) -> anyhow::Result<Exit> {
    known(&args.page, config, store).await?;
    let until = args.until.or_else(|| args.span.map(|span| now.plus(span)));
    if let Some(past) = until.filter(|until| *until <= now) {
        return Err(Misuse(format!("--until {past} is over already")).into());
    }
    let order = PageOrder::Hold { owner: Owner::Operator, reason: args.reason.clone(), until };
    store.apply(vec![Signal::Page { page: args.page.clone(), order }], now).await?;
    let (waiting, stop) = waiting(&args.page, config, store).await?;
    if args.report.json {
        let until = until.map(|until| until.to_string());
        let stop = stop.map(|stop| stop.to_string());
        let page = &args.page;
        out::json(
            &json!({"page_id": page, "held": true, "until": until, "waiting": waiting, "earliest_hard_stop": stop}),
        )?;
    } else {
        let end = until.map_or_else(|| "until `firstword page resume`".to_owned(), |until| format!("until {until}"));
        let stop =
            stop.map_or_else(String::new, |stop| format!("; their earliest hard stop is {}", out::away(stop, now)));
        out::line(format_args!("page {} is held {end}; {waiting} opt-ins wait{stop}", args.page))?;
    }
    Ok(Exit::Done)
}

async fn resume(args: &ResumeArgs, store: &Store, now: Timestamp) -> anyhow::Result<Exit> {
    if !store.pages().await?.iter().any(|row| row.page == args.page) {
        return Err(Misuse(format!("there is no page {}; firstword page list shows them", args.page)).into());
    }
    let mut orders = vec![PageOrder::Resume];
    if args.policy {
        orders.push(PageOrder::Release { owner: Owner::Policy });
    }
    let signals = orders.into_iter().map(|order| Signal::Page { page: args.page.clone(), order });
    store.apply(signals.collect(), now).await?;
    let rows = store.pages().await?;
    let row = rows.iter().find(|row| row.page == args.page);
    // A hold that began since is another one: a node met its old token's refusal once more before it read the new one.
    let again = row.is_some_and(|row| row.held_since.is_some_and(|since| since > now) && row.stopped_until <= now);
    let held = row.is_some_and(|row| row.is_held(now)) && !again;
    let left: Vec<String> = if held { reasons(&args.page, row, &store.holds().await?) } else { Vec::new() };
    if args.report.json {
        out::json(&json!({"page_id": args.page, "held": held, "holds": left}))?;
    } else if held {
        out::line(format_args!("page {} is still held: {}", args.page, left.join("; ")))?;
        out::note(
            "a policy hold ends by the platform's word, or by --policy; a store that went back by `store accept`",
        );
    } else {
        out::line(format_args!("page {} goes on; daemons read tokens and messages again within seconds", args.page))?;
    }
    Ok(if held { Exit::Partly } else { Exit::Done })
}

/// What still holds a page.
fn reasons(page: &PageId, row: Option<&PageRow>, holds: &[Hold]) -> Vec<String> {
    let owned = holds.iter().filter(|hold| hold.page == *page).map(|hold| format!("{}: {}", hold.owner, hold.reason));
    let other = row.filter(|row| row.held_since.is_some()).and_then(|row| row.held_for.clone());
    owned.chain(other).collect()
}

/// How many wait for a page, and the earliest of their hard stops.
async fn waiting(page: &PageId, config: &Config, store: &Store) -> anyhow::Result<(u64, Option<Timestamp>)> {
    let counts = store.counts().await?;
    let mine = counts.iter().filter(|count| count.page == *page && count.state.is_waiting());
    let stop = mine.clone().map(|count| config.policy.window.hard_stop(count.earliest)).min();
    Ok((mine.map(|count| count.count).sum(), stop))
}

/// A page nobody knows is a slip of the pen.
async fn known(page: &PageId, config: &Config, store: &Store) -> anyhow::Result<()> {
    let known =
        config.pages.iter().any(|one| one.id == *page) || store.pages().await?.iter().any(|row| row.page == *page);
    if known { Ok(()) } else { Err(Misuse(format!("there is no page {page}; firstword page list shows them")).into()) }
}
