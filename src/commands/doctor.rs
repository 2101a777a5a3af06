//! `firstword doctor`: everything that can be checked, line by line, with what to do about it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use super::open::open_existing;
use super::run::daemon_jobs;
use super::{Exit, exit, load, out, store_clock};
use crate::cli::{DoctorArgs, Global};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::domain::checkup::{Expected, judge, silence};
use crate::domain::explain::platform_error;
use crate::domain::finding::{Finding, Kind, Severity, worst};
use crate::domain::time::Timestamp;
use crate::messenger::{Messenger, Settings};
use crate::store::Store;

const TESTING: &str = "while the app is in development, reset_messenger_state=1 in the login call shows the consent again \
                       and its opt-in comes again, for people with a role in the app; \"Page ID is not valid\" at the \
                       login means that the tester has none";

pub(super) async fn run(args: DoctorArgs, global: &Global) -> anyhow::Result<Exit> {
    let read = load(global).and_then(|mut config| {
        config.warnings.extend(daemon_jobs(&config)?);
        Ok(config)
    });
    let findings = match read {
        Ok(config) => examine(&config, args.offline).await?,
        Err(faults) => {
            let fault = |fault: crate::config::Fault| {
                let what = format!("{}: {} {}", fault.file, fault.key, fault.what);
                Finding::problem(Kind::Config, what, fault.remedy)
            };
            faults.0.into_iter().map(fault).collect()
        }
    };
    let severity = worst(&findings);
    if args.report.json {
        out::json(&serde_json::json!({"ok": severity != Severity::Problem, "findings": findings}))?;
    } else {
        findings.iter().try_for_each(|finding| out::line(shown(finding)))?;
    }
    Ok(if severity == Severity::Problem { Exit::Failed } else { Exit::Done })
}

fn shown(finding: &Finding) -> String {
    let page = finding.page.as_ref().map_or_else(String::new, |page| format!("page {page}: "));
    let what = out::clean(&finding.what);
    let remedy = if finding.remedy.is_empty() { String::new() } else { format!("\n         -> {}", finding.remedy) };
    format!("{:8} {:16} {page}{what}{remedy}", finding.severity, finding.kind)
}

async fn examine(config: &Config, offline: bool) -> anyhow::Result<Vec<Finding>> {
    let mut findings = configuration(config);
    let store = match open_existing(config).await {
        Ok(store) => Some(store),
        Err(error) => {
            let remedy = "see database.url; `firstword migrate` makes a database that is not there";
            findings.push(Finding::problem(Kind::Database, exit::chain(&error), remedy));
            None
        }
    };
    let mut clock = SystemClock::new();
    if let Some(store) = &store {
        clock = store_clock(store).await?;
        findings.extend(stored(config, store, clock.now()).await?);
    }
    if !offline {
        findings.extend(asked(config, Arc::new(clock)).await?);
    }
    findings.push(Finding::ok(Kind::Testing, TESTING));
    if let Some(store) = store {
        store.close().await;
    }
    Ok(findings)
}

fn configuration(config: &Config) -> Vec<Finding> {
    let file = config.file.as_deref();
    let mut findings = vec![Finding::ok(Kind::Config, format!("{} is read", file.unwrap_or("?".as_ref()).display()))];
    // Lints of messages name the message's file, so that they are told from the rest.
    let lint =
        |warning: &str| config.pages.iter().any(|page| warning.starts_with(&*page.message_file.to_string_lossy()));
    findings.extend(config.warnings.iter().map(|warning| {
        let kind = if lint(warning) { Kind::Template } else { Kind::Config };
        Finding::warning(kind, warning, "change it, unless it is meant")
    }));
    if let Some((path, mode)) = file.and_then(|path| Some((path, fs::metadata(path).ok()?.permissions().mode())))
        && mode & 0o004 != 0
    {
        let what = format!("{} may be read by everybody on this machine", path.display());
        findings.push(Finding::warning(Kind::Secrets, what, "chmod o-r, unless every secret is kept in another file"));
    }
    findings
}

async fn stored(config: &Config, store: &Store, now: Timestamp) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    if let Some(engine) = store.engine().await? {
        let name = if store.is_shared() { "PostgreSQL" } else { "SQLite" };
        let what = format!("{name} {}, {}, schema {}", engine.version, engine.writes, engine.schema);
        findings.push(Finding::ok(Kind::Database, what));
    }
    for row in store.pages().await?.iter().filter(|row| config.pages.iter().any(|page| page.id == row.page)) {
        let hold = match &row.held_for {
            Some(reason) if row.held_since.is_some() => {
                Finding::problem(Kind::Hold, format!("is held: {reason}"), "mend what the reason names")
            }
            _ if row.paused_until > now => {
                Finding::ok(Kind::Hold, format!("waits until {}", out::time(row.paused_until)))
            }
            _ => Finding::ok(Kind::Hold, "may send"),
        };
        findings.push(hold.of(&row.page));
        if let Some(failure) = store.latest_failure(&row.page).await? {
            let detail = failure.detail.as_deref().unwrap_or(&failure.outcome);
            let remedy = platform_error(failure.code, failure.subcode, detail);
            let what = format!("the latest request failed {}: {detail}", out::away(failure.at, now));
            let remedy = remedy.unwrap_or("`firstword optin list` and `optin show` tell more");
            findings.push(Finding::warning(Kind::Sends, what, remedy).of(&row.page));
        }
    }
    findings.push(silence(&store.heard().await?, config.alerts.webhook_silence, now));
    Ok(findings)
}

async fn asked(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<Vec<Finding>> {
    let messenger = &config.messenger;
    let expected = Expected {
        app_id: messenger.app_id.clone(),
        api_version: messenger.api_version.clone(),
        safety_margin: config.policy.window.safety_margin,
    };
    let settings = Settings {
        graph_url: messenger.graph_url.clone(),
        api_version: messenger.api_version.clone(),
        request_timeout: config.policy.window.request_timeout,
        doubt_transient: false,
        node: "doctor".to_owned(),
    };
    let client = Messenger::new(settings, Arc::clone(&clock))?;
    let mut findings = Vec::new();
    for page in &config.pages {
        let sender = client.sender(&page.id, &page.access_token, messenger.app_secret());
        let sender = sender.map_err(anyhow::Error::msg)?;
        let look = client.look(&sender, expected.app_id.as_deref()).await;
        findings.extend(judge(&page.id, &look, &expected, clock.now()));
    }
    Ok(findings)
}
