//! What changes while the daemon runs: who is sent for and with what, what requests are checked with, who hears. Every
//! secret is in it but the database's, whose connections stand.

use std::sync::Arc;

use tokio::sync::watch;

use super::alarms::hearers;
use super::ground::intake_settings;
use crate::alerts::Hearers;
use crate::config::Config;
use crate::intake;
use crate::roster::Roster;
use crate::store::Store;

/// What a reload changes.
#[derive(Debug)]
pub struct Reloadable {
    /// The pages, with their tokens and messages, and the app's secret.
    pub roster: Arc<Roster>,
    /// What the site is told of.
    pub store: Store,
    pub(super) settings: watch::Sender<Arc<intake::Settings>>,
    pub(super) hearers: watch::Sender<Arc<Hearers>>,
}

impl Reloadable {
    /// Takes over a configuration, as far as it goes without a restart: all of it or nothing.
    ///
    /// # Errors
    /// Says what of it cannot be used.
    pub fn load(&self, config: &Config) -> Result<(), String> {
        let hearers = hearers(config).map_err(|error| format!("{error:#}"))?;
        self.roster.load(config)?;
        self.settings.send_replace(intake_settings(config));
        self.hearers.send_replace(hearers);
        self.store.tell_site(config.site.told());
        Ok(())
    }
}
