//! The bell: tells this process, and through the database the others, that there is something to do or to stop.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;

use super::desk::News;
use crate::domain::ids::AttemptId;

/// The channel nodes talk on.
const CHANNEL: &str = "firstword";
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
pub(super) async fn listen(pool: PgPool, work: Arc<Work>, stop: CancellationToken) {
    let carried_on = async {
        let mut pause = Duration::from_millis(100);
        loop {
            let ended = hear(&pool, &work, &mut pause).await;
            tracing::debug!(error = %ended, "listening was cut; polling carries on");
            // Whatever was said meanwhile was not heard.
            work.ring();
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(10));
        }
    };
    // Ends by being dropped: there is nothing to finish.
    stop.run_until_cancelled(carried_on).await;
}

async fn hear(pool: &PgPool, work: &Work, pause: &mut Duration) -> sqlx::Error {
    let mut listener = match PgListener::connect_with(pool).await {
        Ok(listener) => listener,
        Err(error) => return error,
    };
    if let Err(error) = listener.listen(CHANNEL).await {
        return error;
    }
    *pause = Duration::from_millis(100);
    loop {
        // Not `recv`: it connects again by itself and does not tell that anything was missed.
        match listener.try_recv().await {
            Ok(Some(notification)) => work.heard(notification.payload()),
            Ok(None) => return sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into()),
            Err(error) => return error,
        }
    }
}
