//! `firstword demo`: the whole product on a stage. A stand-in platform, people who opt in, reply, stay silent, block
//! or stop, and the real daemon between them; at the end the platform's own count is held against the store's.

mod stage;
mod summary;
mod view;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cli::{DemoArgs, Global};
use crate::clock::{Clock, SystemClock};
use crate::commands::exit::Misuse;
use crate::commands::{Exit, out};
use crate::config::Config;
use crate::daemon;
use crate::domain::ids::PageId;
use crate::sandbox::{Crowd, Mix, Sandbox};
use crate::store::Store;
use stage::Stage;
use summary::Summary;
use view::View;

/// How often the view is drawn.
const DRAW: Duration = Duration::from_millis(250);

/// Runs the demo.
///
/// # Errors
/// What kept it from starting.
pub async fn run(args: &DemoArgs, global: &Global) -> anyhow::Result<Exit> {
    if args.daemons > 1 && args.database.is_none() {
        let what = "several daemons need a database they can share: add --database postgres://user@host/name";
        return Err(Misuse(what.into()).into());
    }
    crate::telemetry::start(global.log.as_deref().unwrap_or("off"), false)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let stage = Stage::set(args, Arc::clone(&clock)).await?;
    let summary = play(args, &stage, &clock).await;
    stage.clear();
    let summary = summary?;
    if args.json {
        out::json(&summary)?;
    } else {
        summary.print()?;
    }
    Ok(if summary.is_clean() { Exit::Done } else { Exit::Failed })
}

async fn play(args: &DemoArgs, stage: &Stage, clock: &Arc<dyn Clock>) -> anyhow::Result<Summary> {
    let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
    let mut stores = Vec::new();
    for (config, listener) in stage.daemons() {
        stores.push(start(config, listener, &tracker, &stop).await?);
    }
    let store = stores.first().context("at least one daemon is needed")?.clone();
    let interrupted = tracker.spawn(ctrl_c(stop.clone()));
    let crowd = tracker.spawn(opt_in(stage.sandbox.clone(), u64::from(args.people), stage.times.opt_ins));

    let mut view = View::new(args, stage.times.deadline);
    let ends_at = clock.now().plus(stage.times.deadline);
    loop {
        let counts = store.counts().await.unwrap_or_default();
        let all_in = crowd.is_finished();
        let mine: Vec<_> = counts.into_iter().filter(|count| count.page == stage.page).collect();
        view.draw(&mine, &stage.sandbox.report(), clock.now(), stage.policy());
        let over = all_in && mine.iter().all(|count| count.state.is_final());
        if over || clock.now() >= ends_at || stop.is_cancelled() {
            break;
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(DRAW) => {}
        }
    }
    view.finish();
    stop.cancel();
    drop(interrupted);
    tracker.close();
    tracker.wait().await;
    summarise(stage, args).await
}

/// Starts one daemon and waits until it does its work.
async fn start(
    config: Arc<Config>,
    listener: (String, tokio::net::TcpListener),
    tracker: &TaskTracker,
    stop: &CancellationToken,
) -> anyhow::Result<Store> {
    let (ready, is_ready) = oneshot::channel();
    let (node, public) = listener;
    let listeners = daemon::Listeners { public, admin: None };
    let daemon = tracker.spawn(daemon::run(config, node, listeners, stop.clone(), move |house| {
        _ = ready.send(house.store);
    }));
    match is_ready.await {
        Ok(store) => Ok(store),
        Err(_) => match daemon.await {
            Ok(Err(error)) => Err(error.context("a daemon did not start")),
            _ => Err(anyhow::anyhow!("a daemon did not start")),
        },
    }
}

async fn opt_in(sandbox: Sandbox, people: u64, over: Duration) {
    sandbox.crowd(Crowd { people, over, mix: Mix::default() }).await;
}

async fn ctrl_c(stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        _ = tokio::signal::ctrl_c() => stop.cancel(),
    }
}

async fn summarise(stage: &Stage, args: &DemoArgs) -> anyhow::Result<Summary> {
    // The daemons closed their stores; what they left behind is read afresh, as after a crash.
    let store = Store::open(&stage.database).await.context("the database cannot be read at the end")?;
    let page: &PageId = &stage.page;
    let mut rows = Vec::new();
    loop {
        let after = rows.last().map_or(crate::domain::ids::OptInId(0), |row: &crate::domain::optin::OptIn| row.id);
        let mut more = store.list(after, None, Some(page), 1000).await?;
        if more.is_empty() {
            break;
        }
        rows.append(&mut more);
    }
    store.close().await;
    Ok(Summary::of(args.people, stage.seed, rows, &stage.sandbox.people(), stage.sandbox.report()))
}
