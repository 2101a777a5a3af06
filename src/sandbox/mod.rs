//! A stand-in for the Messenger platform, and the judge of what was delivered.
//!
//! It plays the Send API, the signed webhooks and the people behind them, so that the demo, our tests and anybody's
//! own tests can run without the platform and without writing to a real person.
//!
//! Two things make its word worth something. It *delivers* what must not be sent - a second message, one after the
//! window, one after a stop - and counts it as a violation, where a sandbox that refused would hide it (`strict` does
//! refuse, for those who want to see the answers). And it shares nothing with the daemon but the clock: its JSON
//! shapes and its signatures are its own, pinned to captures, so that a mistake in the daemon's cannot agree with
//! itself.
//!
//! A send is judged when its last byte was read; from then on it is delivered or not, whatever becomes of the answer.
//! A message counts as sent after a stop when it was complete more than 2 s after the callback acknowledged the stop,
//! because an attempt already claimed may let its bytes go for that long.
//!
//! Where to start reading: `routes` (what can be asked), `sends` (how a send goes through), `judge` (the verdict),
//! `life` (what people do then).

mod behaviour;
mod crowd;
mod desk;
mod dice;
mod events;
mod graph;
mod judge;
mod letter;
mod life;
mod listing;
mod lost;
mod options;
mod pace;
mod people;
mod platform;
mod postman;
mod reads;
mod report;
mod routes;
mod sends;
mod sign;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::listing::Listing;
use self::platform::Platform;
use crate::domain::time::Timestamp;

pub use self::behaviour::{Behaviour, Crowd, Kind, Mix};
pub use self::options::{Faults, Options, Page};
pub use self::report::{FaultCounts, PersonReport, Report, Violations, WebhookCounts};

/// A running sandbox. Clones are handles on the same one; it runs until its token is cancelled.
#[derive(Clone)]
pub struct Sandbox {
    platform: Arc<Platform>,
    addr: SocketAddr,
}

impl Sandbox {
    /// Starts listening. Tasks run on `tracker` and end soon after `stop` is cancelled.
    ///
    /// # Errors
    /// `InvalidInput` for options that make no sense; otherwise what came of listening.
    pub async fn start(options: Options, tracker: &TaskTracker, stop: CancellationToken) -> io::Result<Self> {
        let listener = TcpListener::bind(options.listen).await?;
        let addr = listener.local_addr()?;
        let platform = Arc::new(Platform::new(options, tracker.clone(), stop.clone())?);
        let listener = listener.tap_io(|connection| {
            if let Err(error) = connection.set_nodelay(true) {
                tracing::trace!(%error, "a connection keeps its delay");
            }
        });
        let router = routes::router(Arc::clone(&platform));
        tracker.spawn(async move {
            let serving = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
            if let Err(error) = serving.await {
                tracing::error!(%error, "the sandbox stopped listening");
            }
        });
        Ok(Self { platform, addr })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its base URL without a slash at the end, as in `http://127.0.0.1:4100`: what `graph_url` is set to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// What was counted so far.
    #[must_use]
    pub fn report(&self) -> Report {
        self.platform.snapshot()
    }

    /// Everybody. With very many people, `GET /sandbox/people` needs less memory.
    #[must_use]
    pub fn people(&self) -> Vec<PersonReport> {
        Listing::new(Arc::clone(&self.platform)).flatten().collect()
    }

    /// One person, if known.
    #[must_use]
    pub fn person(&self, page: &str, login_id: &str) -> Option<PersonReport> {
        let book = self.platform.desks.get(self.platform.desk_named(page)?)?.book();
        let place = usize::try_from(book.find(login_id)?).ok()?;
        book.reports(place, 1).pop()
    }

    /// Puts other faults in force, from the next send on.
    ///
    /// # Errors
    /// Names a probability outside 0..=1; the old faults then stay.
    pub fn set_faults(&self, faults: Faults) -> Result<(), String> {
        faults.check()?;
        self.platform.set_faults(faults);
        Ok(())
    }

    /// Notes an opt-in at a time of your choice without sending its webhook. Says whether the page is known.
    #[must_use = "false means that nobody was registered"]
    pub fn register(&self, page: &str, login_id: &str, behaviour: Behaviour, opted_in_at: Timestamp) -> bool {
        let desk = self.platform.desk_named(page);
        desk.and_then(|desk| self.platform.register(desk, login_id, behaviour, opted_in_at)).is_some()
    }

    /// Lets somebody opt in now and sends the webhook until it is acknowledged, refused with 4xx, or the sandbox
    /// stops. Says whether it was acknowledged; false also for an unknown page or without a callback.
    pub async fn opt_in(&self, page: &str, login_id: &str, behaviour: Behaviour) -> bool {
        let at = self.platform.clock.now();
        let desk = self.platform.desk_named(page);
        match desk.and_then(|desk| self.platform.register(desk, login_id, behaviour, at)) {
            Some(someone) => self.platform.announce(someone, at).await,
            None => false,
        }
    }

    /// Lets a crowd opt in, spread evenly over its time and over the pages, behaviours drawn with the seed. Returns
    /// when every opt-in webhook was acknowledged or given up, or when the sandbox stops.
    pub async fn crowd(&self, crowd: Crowd) {
        self.platform.let_in(&crowd).await;
    }
}
