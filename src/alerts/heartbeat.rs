//! The dead-man's switch: an address that is called while all is well. Whoever keeps it alerts when the calls stop: the
//! one thing a daemon cannot do for itself.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use super::Hearing;
use crate::again::{Failure, Patience, again};
use crate::post::Post;

/// Whether all is well: `None`, or what is not.
pub type Well = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Option<String>> + Send>> + Send + Sync>;

/// Everything the heartbeat works with.
#[derive(Clone)]
pub struct Heartbeat {
    /// The client.
    pub post: Post,
    /// The address; without one nobody is called.
    pub hearing: Hearing,
    /// How often.
    pub every: Duration,
    /// Whether all is well.
    pub well: Well,
}

impl std::fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Heartbeat").field("every", &self.every).finish_non_exhaustive()
    }
}

/// Calls while all is well, until told to stop.
pub async fn run(heartbeat: Heartbeat, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let hearers = Arc::clone(&heartbeat.hearing.borrow());
        if let Some(url) = &hearers.heartbeat {
            match (heartbeat.well)().await {
                None => heartbeat.beat(url, &stop).await,
                Some(what) => tracing::warn!(what, "no heartbeat: not all is well"),
            }
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(heartbeat.every) => {}
        }
    }
}

impl Heartbeat {
    /// Calls, and again if need be, for half the time to the next call.
    async fn beat(&self, url: &SecretString, stop: &CancellationToken) {
        let patience =
            Patience { first: Duration::from_secs(1), longest: Duration::from_secs(10), at_most: Some(self.every / 2) };
        let call = || async { self.post.call(url).await.map_err(Failure::Passing) };
        let called = again(patience, stop, call, |_, _| ()).await;
        if let Some(Err(why)) = called {
            tracing::warn!(why, "the heartbeat's address cannot be called");
        }
    }
}
