//! The stage: a sandbox platform, a configuration for each daemon, a directory that goes away with the demo.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cli::DemoArgs;
use crate::clock::Clock;
use crate::config::{self, Config, Environment};
use crate::domain::ids::PageId;
use crate::domain::policy::Policy;
use crate::domain::span;
use crate::sandbox::{Faults, Options, Page, Sandbox};

const APP_SECRET: &str = "demo-app-secret";
const TOKEN: &str = "demo-page-token";
const MESSAGE: &str = include_str!("../../../messages/welcome.json");

/// The demo's days in seconds: everything that takes a day in life is scaled to the duration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// From the first opt-in to the last.
    pub(super) opt_ins: Duration,
    /// The platform's window.
    pub(super) window: Duration,
    /// How long an unanswered login_id is kept.
    pub(super) answer_window: Duration,
    /// When the demo ends at the latest.
    pub(super) deadline: Duration,
}

impl Times {
    fn scaled(duration: Duration) -> Self {
        Self {
            opt_ins: duration.mul_f64(0.3),
            window: duration.mul_f64(0.35).max(Duration::from_secs(6)),
            answer_window: duration.mul_f64(0.2).max(Duration::from_secs(4)),
            deadline: duration.max(Duration::from_secs(15)),
        }
    }
}

/// A node's name and its listener.
pub(super) type Named = (String, TcpListener);

/// Everything that stands before the daemons do.
pub(super) struct Stage {
    pub(super) sandbox: Sandbox,
    pub(super) page: PageId,
    pub(super) database: String,
    pub(super) times: Times,
    /// Plays the same faults again.
    pub(super) seed: u64,
    configs: Vec<Arc<Config>>,
    listeners: std::sync::Mutex<Vec<Named>>,
    dir: PathBuf,
    platform: (TaskTracker, CancellationToken),
}

impl Stage {
    pub(super) async fn set(args: &DemoArgs, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let run = format!("{:08x}", fastrand::u32(..));
        let dir = std::env::temp_dir().join(format!("firstword-demo-{run}"));
        std::fs::create_dir_all(&dir).with_context(|| format!("{} cannot be made", dir.display()))?;
        let times = Times::scaled(args.duration);
        let seed = args.seed.unwrap_or_else(|| fastrand::u64(..));
        let page = PageId::new(&format!("demo-{run}"))?;
        let mut listeners = Vec::new();
        for number in 1..=args.daemons.max(1) {
            listeners.push((format!("demo-{number}"), TcpListener::bind(("127.0.0.1", 0)).await?));
        }
        let callback = listeners.first().map(|(_, listener)| listener.local_addr()).transpose()?;
        let platform = (TaskTracker::new(), CancellationToken::new());
        let options = Options {
            pages: vec![Page { id: page.to_string(), token: TOKEN.to_owned() }],
            app_secret: Some(APP_SECRET.to_owned()),
            callback: callback.map(|addr| format!("http://{addr}/webhook")),
            window: times.window,
            echoes: args.echoes,
            faults: faults(args.faults),
            seed,
            ..Options::new(clock)
        };
        let sandbox =
            Sandbox::start(options, &platform.0, platform.1.clone()).await.context("the sandbox did not start")?;
        let database = match &args.database {
            Some(url) => url.expose_secret().to_owned(),
            None => format!("sqlite://{}", dir.join("demo.db").display()),
        };
        let mut stage = Self {
            sandbox,
            page,
            database,
            times,
            seed,
            configs: Vec::new(),
            listeners: std::sync::Mutex::new(listeners),
            dir,
            platform,
        };
        let config = Arc::new(stage.config()?);
        stage.configs = std::iter::repeat_n(config, usize::from(args.daemons.max(1))).collect();
        Ok(stage)
    }

    /// A configuration and a listener for each daemon; once.
    pub(super) fn daemons(&self) -> Vec<(Arc<Config>, Named)> {
        let mut listeners = self.listeners.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.configs.iter().cloned().zip(listeners.drain(..)).collect()
    }

    /// The policy the daemons run under.
    pub(super) fn policy(&self) -> Policy {
        self.configs.first().map_or_else(Policy::default, |config| config.policy)
    }

    /// Takes the stage down.
    pub(super) fn clear(&self) {
        self.platform.1.cancel();
        if let Err(error) = std::fs::remove_dir_all(&self.dir) {
            tracing::debug!(%error, "the demo's directory stays");
        }
    }

    /// The same file an operator would write, read the same way.
    fn config(&self) -> anyhow::Result<Config> {
        std::fs::write(self.dir.join("welcome.json"), MESSAGE)?;
        let file = self.dir.join("firstword.toml");
        std::fs::write(&file, self.text())?;
        Ok(config::load(&file, &Environment::default())?)
    }

    fn text(&self) -> String {
        let Times { window, answer_window, .. } = self.times;
        let (window, answer_window) = (whole_ms(window), whole_ms(answer_window));
        let (url, database, page) = (self.sandbox.url(), &self.database, &self.page);
        format!(
            r#"
[database]
url = "{database}"
[messenger]
graph_url = "{url}"
app_secret = "{APP_SECRET}"
verify_token = "demo"
request_timeout = "1s"
[[pages]]
id = "{page}"
access_token = "{TOKEN}"
message = "welcome.json"
rate_per_second = 200
[send]
poll_interval = "200ms"
start_within = "500ms"
[policy]
window = "{window}"
safety_margin = "1s"
answer_window = "{answer_window}"
settle_after = "1s"
[retry]
initial_interval = "300ms"
max_interval = "2s"
[alerts]
at_risk = "1s"
"#
        )
    }
}

fn whole_ms(span: Duration) -> String {
    span::show(Duration::from_millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
}

/// A rate of faults, shared out: most are answered clearly, some are lost after delivery, some are people.
fn faults(rate: f64) -> Faults {
    Faults {
        before: rate * 0.5,
        after: rate * 0.3,
        unavailable: rate * 0.2,
        hang: Duration::from_secs(3),
        latency: Duration::from_millis(20),
        jitter: Duration::from_millis(40),
        ..Faults::default()
    }
}
