//! `firstword run`, `demo` and `sandbox`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use secrecy::SecretString;

use super::{PageToken, values};

/// `firstword run`.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct RunArgs {}

/// `firstword demo`.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// How long it lasts
    #[arg(long, default_value = "60s", value_name = "TIME", value_parser = values::span)]
    pub duration: Duration,
    /// How many people opt in
    #[arg(long, default_value_t = 200, value_name = "N")]
    pub people: u32,
    /// The seed of every draw; else a new one, which is shown
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// The share of requests that go wrong, from 0 to 1
    #[arg(long, default_value_t = 0.2, value_name = "SHARE", value_parser = values::chance)]
    pub faults: f64,
    /// How many daemons share the work; more than one needs PostgreSQL
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=16))]
    pub daemons: u16,
    /// A PostgreSQL database to use; else a temporary SQLite file
    #[arg(long, value_name = "URL", value_parser = values::secret)]
    pub database: Option<SecretString>,
    /// Let the platform send echoes and receipts
    #[arg(long)]
    pub echoes: bool,
    /// Report as JSON
    #[arg(long)]
    pub json: bool,
    /// Print lines instead of redrawing
    #[arg(long)]
    pub plain: bool,
}

/// `firstword sandbox`.
#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct SandboxArgs {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:8090", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// Where webhooks go; without it none are sent
    #[arg(
        long,
        value_name = "URL",
        help = "Where webhooks go, such as http://127.0.0.1:8080/webhook; else none are sent"
    )]
    pub callback: Option<String>,
    /// Signs webhooks, and is asked of every call
    #[arg(long, value_name = "SECRET", env = "FIRSTWORD_SANDBOX_APP_SECRET", hide_env_values = true, value_parser = values::secret)]
    pub app_secret: Option<SecretString>,
    /// A page and the token that may send for it; may be repeated
    #[arg(long = "page", value_name = "ID=TOKEN", value_parser = values::page_token)]
    pub pages: Vec<PageToken>,
    /// A TOML file with faults
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// How many people opt in
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub people: u32,
    /// In how much time they do
    #[arg(long, default_value = "1m", value_name = "TIME", value_parser = values::span)]
    pub over: Duration,
    /// How long after an opt-in a message is in time
    #[arg(long, default_value = "24h", value_name = "TIME", value_parser = values::span)]
    pub window: Duration,
    /// The share of requests that go wrong, from 0 to 1
    #[arg(long, value_name = "SHARE", value_parser = values::chance)]
    pub faults: Option<f64>,
    /// Added to every answer
    #[arg(long, value_name = "TIME", value_parser = values::span)]
    pub latency: Option<Duration>,
    /// Calls of a page in any second; what is above is told to slow down
    #[arg(long, value_name = "N")]
    pub rate_limit: Option<u32>,
    /// The seed of every draw
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Refuse a second, late or unwanted message instead of delivering and counting it
    #[arg(long)]
    pub strict: bool,
    /// Send echoes and receipts
    #[arg(long)]
    pub echoes: bool,
    /// Anybody may be written to, also people who never opted in here
    #[arg(long)]
    pub open: bool,
    /// Report as JSON
    #[arg(long)]
    pub json: bool,
}
