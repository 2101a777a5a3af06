//! `firstword sandbox`: the stand-in platform, for everybody's own tests.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use secrecy::ExposeSecret;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::exit::Misuse;
use super::{Exit, out};
use crate::cli::{Global, SandboxArgs};
use crate::clock::SystemClock;
use crate::sandbox::{Crowd, Faults, Mix, Options, Page, Report, Sandbox};
use crate::{lifecycle, telemetry};

/// The page that exists where none is named.
const PAGE: (&str, &str) = ("1000", "sandbox-token");

/// Runs the sandbox until a signal ends it; then reports.
///
/// # Errors
/// What kept it from starting.
pub async fn run(args: &SandboxArgs, global: &Global) -> anyhow::Result<Exit> {
    telemetry::start(global.log.as_deref().unwrap_or("warn"), false)?;
    let faults = faults(args)?;
    let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
    let sandbox = Sandbox::start(options(args, faults), &tracker, stop.clone())
        .await
        .with_context(|| format!("the sandbox cannot start on {}", args.listen))?;
    greet(args, &sandbox);
    if args.people > 0 {
        let crowd = Crowd { people: u64::from(args.people), over: args.over, mix: Mix::default() };
        let sandbox = sandbox.clone();
        tracker.spawn(async move { sandbox.crowd(crowd).await });
    }
    lifecycle::signals(stop, async || ()).await;
    tracker.close();
    _ = tokio::time::timeout(Duration::from_secs(5), tracker.wait()).await;
    let report = sandbox.report();
    if args.json {
        out::json(&report)?;
    } else {
        tell(&report)?;
    }
    Ok(if report.violations.total() == 0 { Exit::Done } else { Exit::Failed })
}

/// The plan's faults, with what the command line says over them.
fn faults(args: &SandboxArgs) -> anyhow::Result<Faults> {
    let mut faults = args.plan.as_deref().map(plan).transpose()?.unwrap_or_default();
    if let Some(share) = args.faults {
        faults = Faults { before: share * 0.5, after: share * 0.3, unavailable: share * 0.2, ..faults };
    }
    faults.latency = args.latency.unwrap_or(faults.latency);
    faults.rate_limit = args.rate_limit.or(faults.rate_limit);
    faults.check().map_err(Misuse)?;
    Ok(faults)
}

fn plan(file: &Path) -> anyhow::Result<Faults> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    toml::from_str(&text).map_err(|error| Misuse(format!("{}: {error}", file.display())).into())
}

fn options(args: &SandboxArgs, faults: Faults) -> Options {
    let mut pages: Vec<Page> = args
        .pages
        .iter()
        .map(|page| Page { id: page.id.to_string(), token: page.token.expose_secret().to_owned() })
        .collect();
    if pages.is_empty() {
        pages.push(Page { id: PAGE.0.into(), token: PAGE.1.into() });
    }
    Options {
        listen: args.listen,
        pages,
        app_secret: args.app_secret.as_ref().map(|secret| secret.expose_secret().to_owned()),
        callback: args.callback.clone(),
        window: args.window,
        strict: args.strict,
        echoes: args.echoes,
        open: args.open,
        faults,
        seed: args.seed.unwrap_or_else(|| fastrand::u64(..)),
        ..Options::new(Arc::new(SystemClock::new()))
    }
}

fn greet(args: &SandboxArgs, sandbox: &Sandbox) {
    out::note(format!("the sandbox platform listens on {0}; set messenger.graph_url = \"{0}\"", sandbox.url()));
    if args.pages.is_empty() {
        out::note(format!("page {} with the token {}", PAGE.0, PAGE.1));
    }
    out::note(format!(
        "GET {0}/sandbox/report counts what was sent; POST {0}/sandbox/people makes somebody opt in",
        sandbox.url()
    ));
}

fn tell(report: &Report) -> anyhow::Result<()> {
    out::line(format!(
        "{} requests, {} accepted, {} people reached; violations: {} second, {} late, {} after stop",
        report.requests,
        report.accepted,
        report.delivered,
        report.violations.second,
        report.violations.late,
        report.violations.after_stop
    ))?;
    Ok(())
}
