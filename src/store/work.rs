//! The bell: tells this process, and through the database the others, that there is something to do or to stop.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::{Notify, broadcast};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::desk::News;
use crate::domain::ids::AttemptId;

/// The channel nodes talk on.
const CHANNEL: &str = "firstword";
/// How long nothing is heard before the connection is asked whether it lives, and how long that may take.
const SILENCE: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(5);
/// The pauses before listening again.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How many attempts one notification names; its payload may be 8,000 bytes.
const STOPS_PER_MESSAGE: usize = 300;

/// Rings when a commit made work, and names the attempts that must not leave any more.
#[derive(Debug)]
pub struct Work {
    bell: Notify,
    stops: broadcast::Sender<AttemptId>,
}

impl Work {
    pub(super) fn new() -> Self {
        Self { bell: Notify::new(), stops: broadcast::channel(4096).0 }
    }

    /// Waits for the next commit that made work. One that came while nobody waited counts.
    pub async fn rung(&self) {
        self.bell.notified().await;
    }

    /// Rings by hand.
    pub fn ring(&self) {
        self.bell.notify_one();
    }

    /// From here on, every attempt that must not leave.
    #[must_use]
    pub fn stops(&self) -> broadcast::Receiver<AttemptId> {
        self.stops.subscribe()
    }

    pub(super) fn announce(&self, news: News) {
        for stop in news.stops {
            // Nobody listening means nothing in flight.
            _ = self.stops.send(stop);
        }
        for (optin, page, reason) in news.misses {
            tracing::error!(%page, %optin, %reason, "deadline missed");
        }
        if news.work {
            self.ring();
        }
    }

    fn heard(&self, message: &str) {
        match message.strip_prefix("stop ") {
            Some(stops) => {
                for stop in stops.split(' ').filter_map(|number| number.parse().ok()) {
                    _ = self.stops.send(AttemptId(stop));
                }
            }
            None => self.ring(),
        }
    }
}

/// What other nodes are told.
pub(super) fn messages(news: &News) -> Vec<String> {
    let stops = news.stops.chunks(STOPS_PER_MESSAGE).map(|chunk| {
        let numbers = chunk.iter().map(ToString::to_string).collect::<Vec<_>>();
        format!("stop {}", numbers.join(" "))
    });
    stops.chain(news.work.then(|| "work".to_owned())).collect()
}

/// Listens to the other nodes until told to stop. A lost connection costs latency only: polling is the truth.
pub(super) async fn listen(options: PgConnectOptions, work: Arc<Work>, stop: CancellationToken) {
    let carried_on = async {
        let mut pause = FIRST_PAUSE;
        loop {
            let ended = hear(&options, &work, &mut pause).await;
            tracing::debug!(error = %ended, "listening was cut; polling carries on");
            // Whatever was said meanwhile was not heard.
            work.ring();
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    };
    // Ends by being dropped: there is nothing to finish.
    stop.run_until_cancelled(Box::pin(carried_on)).await;
}

async fn hear(options: &PgConnectOptions, work: &Work, pause: &mut Duration) -> sqlx::Error {
    // A connection of its own: one whose other end is gone may never be given back, and must not be missed elsewhere.
    let own = PgPoolOptions::new().max_connections(1).acquire_timeout(ANSWER).connect_lazy_with(options.clone());
    let listening = async {
        let mut listener = PgListener::connect_with(&own).await?;
        // Not to connect again by itself: that would not tell that anything was missed.
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        Ok(listener)
    };
    let mut listener = match in_time(listening).await {
        Ok(listener) => listener,
        Err(error) => return error,
    };
    *pause = FIRST_PAUSE;
    loop {
        match timeout(SILENCE, listener.try_recv()).await {
            Ok(Ok(Some(notification))) => work.heard(notification.payload()),
            Ok(Ok(None)) => return sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into()),
            Ok(Err(error)) => return error,
            // Nobody has said anything, or nobody can be heard any more: a connection may be dead and not know it.
            Err(_) => {
                if let Err(error) = in_time(sqlx::query("SELECT 1").execute(&mut listener)).await {
                    return error;
                }
            }
        }
    }
}

async fn in_time<T>(answer: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    timeout(ANSWER, answer).await.unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())))
}
