//! `firstword status`: how it is going, once or again and again.

mod show;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use serde::Serialize;

use super::open::open_existing;
use super::{Exit, load, out, store_clock};
use crate::cli::{Global, StatusArgs};
use crate::clock::Clock;
use crate::config::{self, Config, Mode};
use crate::domain::alert::Kind;
use crate::domain::budget::Budget;
use crate::domain::forecast::Forecast;
use crate::domain::hold::Owner;
use crate::domain::time::Timestamp;
use crate::domain::window::Window;
use crate::store::Store;
use crate::store::report::{Count, PageRow};
use crate::watch::foresight::Foresight;

/// How many job runs are shown.
const RUNS: i64 = 10;

pub(super) async fn run(args: &StatusArgs, global: &Global) -> anyhow::Result<Exit> {
    let config = load(global)?;
    let store = open_existing(&config).await?;
    let clock = store_clock(&store).await?;
    let Some(every) = args.watch else {
        let status = Status::of(&config, &store, clock.now()).await?;
        print(&status, args.report.json)?;
        return Ok(Exit::Done);
    };
    loop {
        let status = Status::of(&config, &store, clock.now()).await?;
        if !args.report.json && io::stdout().is_terminal() {
            // Home, and nothing below.
            io::stdout().lock().write_all(b"\x1b[H\x1b[J")?;
        }
        print(&status, args.report.json)?;
        tokio::select! {
            stopped = tokio::signal::ctrl_c() => return stopped.map(|()| Exit::Done).map_err(Into::into),
            () = tokio::time::sleep(every) => {}
        }
    }
}

fn print(status: &Status, as_json: bool) -> anyhow::Result<()> {
    if as_json { out::json(status) } else { Ok(out::line(show::page(status))?) }
}

/// What is shown. Times are RFC 3339 in JSON.
#[derive(Debug, Serialize)]
struct Status {
    #[serde(serialize_with = "written")]
    now: Timestamp,
    database: String,
    total: u64,
    /// The earliest hard stop of those who still wait.
    #[serde(serialize_with = "maybe_written")]
    next_hard_stop: Option<Timestamp>,
    pages: Vec<Page>,
    alerts: Vec<Alert>,
    runs: Vec<Run>,
}

#[derive(Debug, Serialize)]
struct Page {
    id: String,
    /// Whether this configuration sends for it.
    configured: bool,
    states: BTreeMap<&'static str, u64>,
    total: u64,
    #[serde(serialize_with = "maybe_written")]
    next_hard_stop: Option<Timestamp>,
    held_for: Option<String>,
    #[serde(serialize_with = "maybe_written")]
    held_since: Option<Timestamp>,
    #[serde(serialize_with = "maybe_written")]
    held_until: Option<Timestamp>,
    /// The holds that only their owner lifts.
    holds: Vec<Owned>,
    #[serde(serialize_with = "maybe_written")]
    paused_until: Option<Timestamp>,
    /// What happens if nothing changes.
    forecast: Ahead,
    /// Whom each variant reached since it was first sent.
    variants: Vec<Variant>,
}

/// What happens to a page's people at the present rate.
#[derive(Debug, Clone, Copy, Default, Serialize)]
struct Ahead {
    waiting: u64,
    will_miss: u64,
    #[serde(serialize_with = "maybe_written")]
    first_miss: Option<Timestamp>,
    per_second: f64,
}

#[derive(Debug, Serialize)]
struct Variant {
    name: String,
    sent: u64,
    answered: u64,
    /// From 0 to 1.
    answer_rate: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Owned {
    owner: Owner,
    reason: String,
    #[serde(serialize_with = "written")]
    since: Timestamp,
    #[serde(serialize_with = "maybe_written")]
    until: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
struct Alert {
    kind: Kind,
    cause: String,
    detail: String,
    #[serde(serialize_with = "written")]
    first_at: Timestamp,
    #[serde(serialize_with = "written")]
    last_at: Timestamp,
    times: i64,
}

#[derive(Debug, Serialize)]
struct Run {
    name: String,
    #[serde(serialize_with = "written")]
    tick: Timestamp,
    node: String,
    #[serde(serialize_with = "written")]
    started_at: Timestamp,
    #[serde(serialize_with = "maybe_written")]
    ended_at: Option<Timestamp>,
    result: Option<String>,
    detail: Option<String>,
}

impl Status {
    async fn of(config: &Config, store: &Store, now: Timestamp) -> anyhow::Result<Self> {
        let (counts, rows) = (store.counts().await?, store.pages().await?);
        let configured: BTreeSet<&str> = config.pages.iter().map(|page| page.id.as_str()).collect();
        let mut names: BTreeSet<&str> = configured.clone();
        names.extend(counts.iter().map(|count| count.page.as_str()));
        names.extend(rows.iter().map(|row| row.page.as_str()));
        let window = config.policy.window;
        let page = |name| Page::of(name, configured.contains(name), &counts, &rows, window, now);
        let mut pages: Vec<Page> = names.into_iter().map(page).collect();
        look_ahead(&mut pages, config, store, now).await?;
        tell_variants(&mut pages, store).await?;
        tell_holds(&mut pages, store, now).await?;
        let alerts = store.open_alerts().await?.into_iter().map(|alert| Alert {
            kind: alert.kind,
            cause: alert.cause,
            detail: alert.detail,
            first_at: alert.first_at,
            last_at: alert.last_at,
            times: alert.times,
        });
        let runs = store.runs(RUNS).await?.into_iter().map(|run| Run {
            name: run.name,
            tick: run.tick,
            node: run.node,
            started_at: run.started_at,
            ended_at: run.ended_at,
            result: run.result,
            detail: run.detail,
        });
        Ok(Self {
            now,
            database: config.database.shown(),
            total: pages.iter().map(|page| page.total).sum(),
            next_hard_stop: pages.iter().filter_map(|page| page.next_hard_stop).min(),
            pages,
            alerts: alerts.collect(),
            runs: runs.collect(),
        })
    }
}

async fn look_ahead(pages: &mut [Page], config: &Config, store: &Store, now: Timestamp) -> anyhow::Result<()> {
    let budget = |page: &config::Page| (page.id.clone(), Budget::per_second(page.rate_per_second));
    let budgets: Vec<_> = config.pages.iter().map(budget).collect();
    let foresight = Foresight::new(store.clone(), Arc::new(move || budgets.clone()), config.send.mode == Mode::Batch);
    for ahead in foresight.look(now).await?.iter() {
        if let Some(page) = pages.iter_mut().find(|page| page.id == ahead.page.as_str()) {
            let Forecast { waiting, will_miss, first_miss, .. } = ahead.forecast;
            page.forecast = Ahead { waiting, will_miss, first_miss, per_second: ahead.per_second };
        }
    }
    Ok(())
}

async fn tell_variants(pages: &mut [Page], store: &Store) -> anyhow::Result<()> {
    for tally in store.tallies(Timestamp::EARLIEST).await? {
        let (Some(name), Some(page)) = (&tally.variant, pages.iter_mut().find(|page| page.id == tally.page.as_str()))
        else {
            continue;
        };
        let answer_rate = tally.answer_rate();
        page.variants.push(Variant { name: name.clone(), sent: tally.sent, answered: tally.answered, answer_rate });
    }
    Ok(())
}

/// The holds that have an owner, each with its page.
async fn tell_holds(pages: &mut [Page], store: &Store, now: Timestamp) -> anyhow::Result<()> {
    for hold in store.holds().await? {
        if let Some(page) = pages.iter_mut().find(|page| page.id == hold.page.as_str() && hold.holds(now)) {
            page.holds.push(Owned { owner: hold.owner, reason: hold.reason, since: hold.since, until: hold.until });
        }
    }
    Ok(())
}

impl Page {
    fn of(name: &str, configured: bool, counts: &[Count], rows: &[PageRow], window: Window, now: Timestamp) -> Self {
        let mine: Vec<&Count> = counts.iter().filter(|count| count.page.as_str() == name).collect();
        let waiting = mine.iter().filter(|count| count.state.is_waiting());
        let row = rows.iter().find(|row| row.page.as_str() == name);
        let held = row.filter(|row| row.held_since.is_some());
        Self {
            id: name.to_owned(),
            configured,
            states: mine.iter().map(|count| (count.state.as_str(), count.count)).collect(),
            total: mine.iter().map(|count| count.count).sum(),
            next_hard_stop: waiting.map(|count| window.hard_stop(count.earliest)).min(),
            held_for: held.and_then(|row| row.held_for.clone()),
            held_since: held.and_then(|row| row.held_since),
            held_until: held.and_then(|row| row.held_until),
            holds: Vec::new(),
            paused_until: row.map(|row| row.paused_until).filter(|until| *until > now),
            forecast: Ahead::default(),
            variants: Vec::new(),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape serde asks for")]
fn written<S: serde::Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(at)
}

#[expect(clippy::ref_option, reason = "the shape serde asks for")]
fn maybe_written<S: serde::Serializer>(at: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => to.collect_str(at),
        None => to.serialize_none(),
    }
}
