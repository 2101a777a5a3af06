//! `firstword config`: a sample to begin with, and what a configuration means.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::exit::{self, Exit};
use super::open::{open_store, sqlite_file};
use super::run::daemon_jobs;
use super::{load, out};
use crate::cli::{CheckArgs, ConfigCommand, Global};
use crate::config::{Config, Faults, Mode, SAMPLE};
use crate::domain::span;

pub(super) async fn run(command: &ConfigCommand, global: &Global) -> anyhow::Result<Exit> {
    match command {
        ConfigCommand::Sample => {
            io::stdout().lock().write_all(SAMPLE.as_bytes())?;
            Ok(Exit::Done)
        }
        ConfigCommand::Check(args) => check(*args, global).await,
    }
}

async fn check(args: CheckArgs, global: &Global) -> anyhow::Result<Exit> {
    let read = load(global).and_then(|mut config| {
        config.warnings.extend(daemon_jobs(&config)?);
        Ok(config)
    });
    let config = match read {
        Ok(config) => config,
        Err(faults) => return refuse(&faults, args.report.json),
    };
    let database = if args.offline { Ok("not tried") } else { try_database(&config).await };
    if args.report.json {
        out::json(&summary(&config, &database))?;
    } else {
        show(&config)?;
    }
    match database {
        Ok(state) if !args.report.json => out::line(format_args!("database  {} ({state})", config.database.shown()))?,
        Ok(_) => {}
        Err(error) => return Ok(exit::tell(&error)),
    }
    Ok(Exit::Done)
}

fn refuse(faults: &Faults, as_json: bool) -> anyhow::Result<Exit> {
    if as_json {
        let faults: Vec<_> = faults
            .0
            .iter()
            .map(|fault| json!({"file": fault.file, "key": fault.key, "what": fault.what, "remedy": fault.remedy}))
            .collect();
        out::json(&json!({"ok": false, "faults": faults}))?;
    } else {
        out::note(faults);
        let count = faults.0.len();
        out::note(format_args!("{count} fault{}", if count == 1 { "" } else { "s" }));
    }
    Ok(Exit::Usage)
}

/// Opens the database, unless that would make one.
async fn try_database(config: &Config) -> anyhow::Result<&'static str> {
    let missing = sqlite_file(&config.database.url).filter(|file| !file.exists());
    let Some(missing) = missing else {
        open_store(config).await?.close().await;
        return Ok("reachable");
    };
    if missing.parent().is_some_and(std::path::Path::is_dir) {
        return Ok("will be made");
    }
    anyhow::bail!("the directory of the database {} does not exist", missing.display())
}

fn summary(config: &Config, database: &anyhow::Result<&'static str>) -> Value {
    let pages = config.pages.iter().map(|page| {
        let variants = page.template.variants().map(|variant| {
            json!({"name": variant.name(), "locale": variant.locale(), "weight": variant.weight(),
                   "preview": variant.preview()})
        });
        json!({"id": page.id, "message": page.message_file, "rate_per_second": page.rate_per_second,
               "fingerprint": page.template.fingerprint(), "variants": variants.collect::<Vec<_>>()})
    });
    json!({
        "ok": database.is_ok(),
        "file": config.file,
        "warnings": config.warnings,
        "database": {
            "url": config.database.shown(),
            "state": database.as_ref().ok(),
            "error": database.as_ref().err().map(exit::chain),
        },
        "listen": config.server.listen.to_string(),
        "graph": graph(config),
        "mode": mode(config),
        "window": span::show(config.policy.window.window),
        "hard_stop_after": span::show(config.policy.window.usable()),
        "pages": pages.collect::<Vec<_>>(),
    })
}

fn show(config: &Config) -> io::Result<()> {
    for warning in &config.warnings {
        out::line(format_args!("warning: {warning}"))?;
    }
    let file = config.file.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
    out::line(format_args!("file      {file}"))?;
    for page in &config.pages {
        let (id, rate, file) = (&page.id, page.rate_per_second, page.message_file.display());
        out::line(format_args!("page      {id}, {rate} messages a second at most, from {file}"))?;
        for variant in page.template.variants() {
            let whom = variant.locale().map(|locale| format!(" for {locale}")).unwrap_or_default();
            out::line(format_args!("  message {:?}{whom}, weight {}:", variant.name(), variant.weight()))?;
            for line in variant.preview().lines() {
                out::line(format_args!("    | {line}"))?;
            }
        }
    }
    let window = config.policy.window;
    let (whole, usable) = (span::show(window.window), span::show(window.usable()));
    out::line(format_args!("window    {whole}; the last message leaves {usable} after the opt-in"))?;
    out::line(format_args!("sending   {}, {} at once at most", mode(config), config.send.max_in_flight))?;
    out::line(format_args!("platform  {}", graph(config)))?;
    out::line(format_args!("listen    {}", config.server.listen))
}

fn graph(config: &Config) -> String {
    format!("{}/{}", config.messenger.graph_url, config.messenger.api_version)
}

fn mode(config: &Config) -> &'static str {
    match config.send.mode {
        Mode::Continuous => "continuous",
        Mode::Batch => "batch",
    }
}
