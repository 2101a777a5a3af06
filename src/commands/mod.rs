//! The commands: each reads the configuration, does its work through the store, and says what it did.
//!
//! | file | holds |
//! |---|---|
//! | `run` `demo` `sandbox` | the daemon, the show, the stand-in platform |
//! | `migrate` `status` `optin` `page` `job` | what goes through the store |
//! | `store` | what a database that went back needs |
//! | `doctor` `check` | every check there is, with remedies; one line for a monitoring system |
//! | `alert` | what is open, and whether those who should hear do |
//! | `config` `paper` | what needs none |
//! | [`exit`] | exit codes, and how an error is told |
//! | [`open`](mod@open) | the configuration and the database, as every command opens them |
//! | [`out`] | what is printed |

mod alert;
mod check;
mod config;
pub mod demo;
mod doctor;
pub mod exit;
mod job;
mod login_url;
mod migrate;
pub mod open;
mod optin;
pub mod out;
mod page;
mod paper;
pub mod run;
pub mod sandbox;
mod status;
mod store;

pub use exit::Exit;
pub use open::{load, open_store, store_clock};
pub use optin::import::judge as judge_import;

use crate::cli::{Cli, Command};

/// Runs a command and tells of its failure, if it is one.
pub async fn run(cli: &Cli) -> Exit {
    Box::pin(dispatch(cli)).await.unwrap_or_else(|error| exit::tell(&error))
}

async fn dispatch(cli: &Cli) -> anyhow::Result<Exit> {
    let global = &cli.global;
    match &cli.command {
        Command::Run(args) => Box::pin(run::run(args, global)).await,
        Command::Demo(args) => Box::pin(demo::run(args, global)).await,
        Command::Sandbox(args) => Box::pin(sandbox::run(args, global)).await,
        Command::Migrate(report) => Box::pin(migrate::run(*report, global)).await,
        Command::Status(args) => Box::pin(status::run(args, global)).await,
        Command::Doctor(args) => Box::pin(doctor::run(*args, global)).await,
        Command::Job(command) => Box::pin(job::run(command, global)).await,
        Command::Check(args) => Box::pin(check::run(args, global)).await,
        Command::Alert(command) => Box::pin(alert::run(command, global)).await,
        Command::Optin(command) => Box::pin(optin::run(command, global)).await,
        Command::Store(command) => Box::pin(store::run(command, global)).await,
        Command::Page(command) => Box::pin(page::run(command, global)).await,
        Command::LoginUrl(args) => login_url::run(args, global),
        Command::Config(command) => Box::pin(config::run(command, global)).await,
        Command::Completions { shell } => paper::completions(*shell),
        Command::Man { dir } => paper::man(dir.as_deref()),
    }
}
