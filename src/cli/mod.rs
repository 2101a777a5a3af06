//! The command line, as types. What a command does stands in [`commands`](crate::commands).
//!
//! | file | holds |
//! |---|---|
//! | this one | the commands, and what all of them take |
//! | [`optin`] [`page`] | `firstword optin ..`, `firstword page ..` |
//! | [`play`] | `run`, `demo` and `sandbox` |
//! | [`watch`] | `check` and `alert` |
//! | `examples` | what stands below each `--help` |
//! | `values` | how one argument is read |

mod examples;
pub mod optin;
pub mod page;
pub mod play;
mod values;
pub mod watch;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::domain::ids::PageId;
use crate::domain::time::Timestamp;

pub use play::{DemoArgs, RunArgs, SandboxArgs};
pub use values::PageToken;

/// Delivers the first Messenger message to everyone who opted in at login, exactly once, before the window closes.
#[derive(Debug, Parser)]
#[command(name = "firstword", version, propagate_version = true, after_help = examples::ROOT, max_term_width = 110)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EVERYWHERE: &str = "Everywhere";
const CONFIG: &str = "The configuration file; else $FIRSTWORD_CONFIG, ./firstword.toml, /etc/firstword/firstword.toml";
const LOG: &str = "What to log: a level such as debug, or filters such as info,firstword::store=trace";

/// What every command takes, on either side of its name.
#[derive(Debug, Clone, Default, Args)]
pub struct Global {
    /// The configuration file
    #[arg(long, global = true, value_name = "FILE", help = CONFIG, help_heading = EVERYWHERE)]
    pub config: Option<PathBuf>,
    /// What to log: a level or filters
    #[arg(long, global = true, value_name = "LEVEL", env = "FIRSTWORD_LOG", help = LOG, help_heading = EVERYWHERE)]
    pub log: Option<String>,
}

/// A command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon
    #[command(after_help = examples::RUN)]
    Run(RunArgs),
    /// Show it all at work: the daemon, a stand-in platform, and people who opt in; needs nothing
    #[command(after_help = examples::DEMO)]
    Demo(DemoArgs),
    /// Run the stand-in platform by itself, to try a configuration without writing to anybody
    #[command(after_help = examples::SANDBOX)]
    Sandbox(SandboxArgs),
    /// Make the database, or bring its schema up to date
    #[command(after_help = examples::MIGRATE)]
    Migrate(Report),
    /// Count opt-ins by page and state; show held pages, alerts and the latest job runs
    #[command(after_help = examples::STATUS)]
    Status(StatusArgs),
    /// Check everything: configuration, database, tokens, permissions, webhooks, clocks; say what to do
    #[command(after_help = examples::DOCTOR)]
    Doctor(DoctorArgs),
    /// List jobs with their next and latest runs, or run one now, as cron or a systemd timer would
    #[command(subcommand, after_help = examples::JOB)]
    Job(JobCommand),
    /// Answer a monitoring system in one line, as Nagios plugins do; works while the daemon is down
    #[command(after_help = examples::CHECK)]
    Check(watch::ProbeArgs),
    /// List open alerts, or try whether alerts arrive
    #[command(subcommand, after_help = examples::ALERT)]
    Alert(watch::AlertCommand),
    /// Look after opt-ins: add, import, list, show, export, retry, cancel, opt out, erase
    #[command(subcommand, after_help = examples::OPTIN)]
    Optin(optin::OptinCommand),
    /// Go on with a database that lost commits: a restored backup, a standby that took over
    #[command(subcommand, after_help = examples::STORE)]
    Store(StoreCommand),
    /// Look after pages: list what holds them, hold one, let it go on
    #[command(subcommand, after_help = examples::PAGE)]
    Page(page::PageCommand),
    /// Print the address at which a test person is asked for consent again
    #[command(after_help = examples::LOGIN_URL)]
    LoginUrl(LoginUrlArgs),
    /// Print a sample configuration, or check yours
    #[command(subcommand, after_help = examples::CONFIG)]
    Config(ConfigCommand),
    /// Print a completion script for a shell
    #[command(after_help = examples::COMPLETIONS)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write those of all commands into a directory
    #[command(after_help = examples::MAN)]
    Man {
        /// The directory
        dir: Option<PathBuf>,
    },
}

/// How a command reports.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Report {
    /// Report as JSON
    #[arg(long)]
    pub json: bool,
}

/// `firstword store ..`
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Accept what was lost: whoever may have been sent to since then becomes uncertain, and sending goes on
    #[command(after_help = examples::STORE)]
    Accept(StoreAcceptArgs),
}

/// `firstword store accept`.
#[derive(Debug, Clone, Args)]
pub struct StoreAcceptArgs {
    /// The moment of the backup, or of the last commit the standby has; rather too early than too late
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    pub lost_since: Timestamp,
    /// Only count
    #[arg(long)]
    pub dry_run: bool,
    /// How many opt-ins will be uncertain, as --dry-run counts them
    #[arg(long, value_name = "N", conflicts_with = "dry_run")]
    pub confirm: Option<u64>,
    /// How it reports.
    #[command(flatten)]
    pub report: Report,
}

/// `firstword status`.
#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    /// Show it again and again, until interrupted
    #[arg(long, value_name = "INTERVAL", num_args = 0..=1, default_missing_value = "2s", value_parser = values::interval)]
    pub watch: Option<Duration>,
    /// How it reports.
    #[command(flatten)]
    pub report: Report,
}

/// `firstword doctor`.
#[derive(Debug, Clone, Copy, Args)]
pub struct DoctorArgs {
    /// Do not ask the platform
    #[arg(long)]
    pub offline: bool,
    /// How it reports.
    #[command(flatten)]
    pub report: Report,
}

/// `firstword job ..`.
#[derive(Debug, Subcommand)]
pub enum JobCommand {
    /// List the jobs: when each is due next, how its latest run ended
    #[command(after_help = examples::JOB_LIST)]
    List(JobListArgs),
    /// Run one tick of a job here, with or without a daemon; the exit code tells its end
    #[command(after_help = examples::JOB_RUN)]
    Run(JobRunArgs),
}

/// `firstword job list`.
#[derive(Debug, Clone, Args)]
pub struct JobListArgs {
    /// Only this job, with its latest runs
    pub name: Option<String>,
    /// How it reports.
    #[command(flatten)]
    pub report: Report,
}

/// `firstword job run`.
#[derive(Debug, Clone, Args)]
pub struct JobRunArgs {
    /// The job's name
    pub name: String,
    /// Run it though its latest tick was run already
    #[arg(long)]
    pub now: bool,
    /// How it reports.
    #[command(flatten)]
    pub report: Report,
}

/// `firstword login-url`.
#[derive(Debug, Clone, Args)]
pub struct LoginUrlArgs {
    /// The page; needed where several are configured
    #[arg(long, value_name = "ID", value_parser = values::page)]
    pub page: Option<PageId>,
    /// Where the browser goes afterwards: one of the app's valid OAuth redirect URIs
    #[arg(long, value_name = "URL", default_value = "https://www.facebook.com/connect/login_success.html")]
    pub redirect_uri: String,
    /// How it reports.
    #[command(flatten)]
    pub report: Report,
}

/// `firstword config ..`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print every key with its default and what it means
    #[command(after_help = examples::CONFIG_SAMPLE)]
    Sample,
    /// Check the configuration, report all faults at once, and show what it means
    #[command(after_help = examples::CONFIG_CHECK)]
    Check(CheckArgs),
}

/// `firstword config check`.
#[derive(Debug, Clone, Copy, Args)]
pub struct CheckArgs {
    /// Do not try the database; otherwise it is opened, which brings its schema up to date
    #[arg(long)]
    pub offline: bool,
    /// How it reports.
    #[command(flatten)]
    pub report: Report,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_definition_holds() {
        Cli::command().debug_assert();
    }

    #[test]
    fn config_stands_on_either_side() {
        for line in ["firstword --config a.toml status", "firstword status --config a.toml"] {
            assert_eq!(parse(line).unwrap().global.config, Some(PathBuf::from("a.toml")));
        }
    }

    #[test]
    fn every_command_shows_examples() {
        fn look(command: &clap::Command) {
            assert!(command.get_after_help().is_some(), "{} has no examples", command.get_name());
            command.get_subcommands().for_each(look);
        }
        Cli::command().get_subcommands().for_each(look);
    }

    #[test]
    fn values_are_refused_with_a_remedy() {
        let told = |line| parse(line).unwrap_err().to_string();
        assert!(told("firstword optin list --state sned").contains("sending"));
        assert!(told("firstword demo --faults 2").contains("0 to 1"));
        assert!(told("firstword status --watch 3x").contains("90s"));
        assert!(told("firstword optin add --page 1 --login-id 2 --opted-in-at never").contains("RFC 3339"));
        assert!(told("firstword sandbox --page 12").contains("ID=TOKEN"));
    }

    #[test]
    fn secrets_are_not_shown() {
        let cli = parse("firstword sandbox --app-secret hunter2 --page 1=hunter3").unwrap();
        let shown = format!("{cli:?}");
        assert!(!shown.contains("hunter"), "{shown}");
    }
}
