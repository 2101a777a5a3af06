//! How alerts and the site's news leave the house.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use super::ground::Ground;
use super::vigil::note_beats;
use crate::alerts;
use crate::alerts::heartbeat::{Heartbeat, Well};
use crate::alerts::{Courier, Format, Hearers, Hearing, Sink, Way};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::lifecycle::Supervisor;
use crate::post::Post;
use crate::pulse::Pulse;
use crate::store::Store;

/// How long the delivery loop may be silent before the heartbeat stops.
const LONGEST_SILENCE: Duration = Duration::from_secs(15);
/// How long the database may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where a configuration says that notices go; the log first.
///
/// # Errors
/// Where no HTTP client can be built.
pub fn sinks(config: &Config) -> anyhow::Result<Vec<Sink>> {
    let (alerts, site) = (&config.alerts, &config.site);
    let post = Post::new().context("the HTTP client cannot be built")?;
    let mut ways = vec![Way::Log];
    if let Some(url) = &alerts.webhook_url {
        let format = match alerts.webhook_format {
            config::Format::Json => Format::Json,
            config::Format::Slack => Format::Slack,
        };
        ways.push(Way::Webhook(post.clone(), url.clone(), format));
    }
    if let Some(command) = &alerts.command {
        ways.push(Way::Command(command.clone().into(), alerts.command_timeout));
    }
    if let Some(webhook) = &site.webhook {
        ways.push(Way::Site(post, webhook.url.clone(), webhook.secret.clone(), site.give_up_after));
    }
    Ok(ways.into_iter().map(Sink).collect())
}

/// Who hears, as a configuration says.
///
/// # Errors
/// Where no HTTP client can be built.
pub(super) fn hearers(config: &Config) -> anyhow::Result<Arc<Hearers>> {
    Ok(Arc::new(Hearers { sinks: sinks(config)?, heartbeat: config.alerts.heartbeat_url.clone() }))
}

impl Ground {
    /// Starts whatever tells others how it goes.
    pub(super) fn tell_others(&self, store: &Store, hearing: Hearing, tasks: &mut Supervisor) -> anyhow::Result<()> {
        store.tell_site(self.config.site.told());
        let heartbeat = self.heartbeat(store, hearing.clone())?;
        tasks.spawn("alerts", alerts::run(self.courier(store, hearing), self.stop.clone()));
        tasks.spawn("heartbeat", alerts::heartbeat::run(heartbeat, self.stop.clone()));
        let (clock, pulse) = (self.shared_clock(), Arc::clone(&self.pulse));
        tasks.spawn("beats", note_beats(store.clone(), clock, pulse, self.node.clone(), self.stop.clone()));
        Ok(())
    }

    pub(super) fn courier(&self, store: &Store, hearing: Hearing) -> Courier {
        let alerts = &self.config.alerts;
        Courier {
            store: store.clone(),
            clock: self.shared_clock(),
            hearing,
            repeat: alerts.repeat,
            calm_after: alerts.calm_after,
            metrics: Arc::clone(&self.metrics),
        }
    }

    fn heartbeat(&self, store: &Store, hearing: Hearing) -> anyhow::Result<Heartbeat> {
        let post = Post::new().context("the HTTP client cannot be built")?;
        let well = well(store.clone(), self.shared_clock(), Arc::clone(&self.pulse));
        Ok(Heartbeat { post, hearing, every: self.config.alerts.heartbeat_every, well })
    }
}

/// All is well while the delivery loop beats and the database answers.
fn well(store: Store, clock: Arc<dyn Clock>, pulse: Arc<Pulse>) -> Well {
    Arc::new(move || {
        let (store, silence) = (store.clone(), pulse.silence(clock.boot()));
        Box::pin(async move {
            if silence > LONGEST_SILENCE {
                return Some("the delivery loop is silent".to_owned());
            }
            match tokio::time::timeout(PATIENCE, store.time()).await {
                Ok(Ok(_)) => None,
                _ => Some("the database does not answer".to_owned()),
            }
        })
    })
}
