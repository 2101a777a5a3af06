//! The configuration: `firstword.toml`, the environment over it, and credentials, read into typed values.
//!
//! What is wrong is reported all at once, each fault with file, key and remedy, and never with a secret's value.
//!
//! | file | holds |
//! |---|---|
//! | [`source`] [`section`] | what is given, by whom |
//! | [`values`] [`secret`] [`web`] [`given`] | reading one key: by type, from the places of a secret, as an address |
//! | [`stranger`] [`near`] | what nobody asked for, and what it was meant to be |
//! | `database` `server` `messenger` `pages` `send` `policy` `alerts` `site` `jobs` | one section each: keys, ranges, defaults |
//! | [`relations`] | what must hold between sections |
//! | [`environment`] [`find`](mod@find) | variables, and where the file is looked for |
//! | `sample.toml` | every key with its default |

use std::fs;
use std::path::{Path, PathBuf};

use crate::domain::policy::Policy;
use crate::domain::window::Window;

mod alerts;
mod database;
mod environment;
mod fault;
mod find;
mod given;
mod jobs;
mod messenger;
mod near;
mod pages;
mod policy;
mod relations;
mod secret;
mod section;
mod send;
mod server;
mod site;
mod source;
mod stranger;
mod syntax;
mod values;
mod web;

#[cfg(test)]
mod tests;

pub use alerts::{Alerts, Format};
pub use database::{Database, Failover};
pub use environment::Environment;
pub use fault::{Fault, Faults};
pub use find::find;
pub use jobs::Jobs;
pub use messenger::{Login, Messenger};
pub use pages::Page;
pub use policy::{Later, Transient};
pub use send::{Mode, Send};
pub use server::Server;
pub use site::{Site, SiteWebhook};

use source::Source;

/// Every key with its default and what it means, as `firstword config sample` prints it.
pub const SAMPLE: &str = include_str!("sample.toml");

/// Everything the operator decided, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it was read from, as an absolute path.
    pub file: Option<PathBuf>,
    /// Where opt-ins are kept.
    pub database: Database,
    /// What we listen on.
    pub server: Server,
    /// How we reach the platform, and how it proves itself to us.
    pub messenger: Messenger,
    /// The app people log in with, where it is known.
    pub login: Option<Login>,
    /// The pages we send for: at least one, each id once.
    pub pages: Vec<Page>,
    /// How the sending loop runs.
    pub send: Send,
    /// The choices the state machine asks for, the window and the retries among them.
    pub policy: Policy,
    /// The choices of the `[policy]` section that the domain's policy does not carry.
    pub later: Later,
    /// What a person writes to be left alone: trimmed, none empty, otherwise as given.
    pub stop_words: Vec<String>,
    /// When and whom to alert.
    pub alerts: Alerts,
    /// What the site is told.
    pub site: Site,
    /// Where job files are.
    pub jobs: Jobs,
    /// What works, but probably not as meant.
    pub warnings: Vec<String>,
}

/// Reads and checks the configuration.
///
/// # Errors
/// Lists everything that is wrong with it.
pub fn load(path: &Path, environment: &Environment) -> Result<Config, Faults> {
    let shown = path.display().to_string();
    let text = fs::read_to_string(path).map_err(|error| {
        Fault::new(&shown, "", format!("cannot be read: {error}"), "check the path and the file's permissions")
    })?;
    read_text(&text, path, environment)
}

/// Reads and checks the text of a configuration, as if it stood in the file at `path`.
///
/// # Errors
/// Lists everything that is wrong with it.
pub fn read_text(text: &str, path: &Path, environment: &Environment) -> Result<Config, Faults> {
    let shown = path.display().to_string();
    let table = syntax::parse(&shown, text)?;
    let file = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut source = Source::new(shown, &file, environment);
    let config = read(&mut source, &table, file);
    relations::check(&mut source, &config);
    source.finish(config)
}

/// Reads every section; what is wrong stays in the source, and stands in for itself by a default.
fn read(source: &mut Source, table: &toml::Table, file: PathBuf) -> Config {
    let database = source.section(table, "database", database::read);
    let server = source.section(table, "server", server::read);
    let (messenger, request_timeout) = source.section(table, "messenger", messenger::read);
    let login = source.section(table, "login", messenger::login);
    let pages = pages::read(source, table);
    let (send, start_within) = source.section(table, "send", send::read);
    let (mut policy, later, stop_words) = source.section(table, "policy", policy::read);
    policy.window = Window { start_within, request_timeout, ..policy.window };
    policy.retry = source.section(table, "retry", policy::retry);
    let alerts = source.section(table, "alerts", alerts::read);
    let site = source.section(table, "site", site::read);
    let jobs = source.section(table, "jobs", jobs::read);
    source.strangers(table);
    let (file, warnings) = (Some(file), Vec::new());
    Config {
        file,
        database,
        server,
        messenger,
        login,
        pages,
        send,
        policy,
        later,
        stop_words,
        alerts,
        site,
        jobs,
        warnings,
    }
}
