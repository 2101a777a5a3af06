//! How the database and its connections to the world are doing: for checks, never in the way of a send.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Store;
use super::engine::{Columns, FromColumns};
use super::error::Result;
use super::sql;
use crate::domain::checkup::Heard;
use crate::domain::ids::PageId;
use crate::domain::time::{Timestamp, millis};

/// The setting that keeps when the last webhook came.
const LAST_WEBHOOK: &str = "last_webhook_at";
/// The least time between two notes of a webhook.
const NOTE_EVERY: Duration = Duration::from_mins(1);
/// How long a node that is gone is remembered.
const SILENT_NODE: Duration = Duration::from_hours(7 * 24);
/// How many of the latest attempts are searched for a failure.
const NEW_ATTEMPTS: i64 = 1000;

/// The database engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    /// Its version.
    pub version: String,
    /// SQLite: the journal's mode; PostgreSQL: `synchronous_commit`.
    pub writes: String,
    /// The newest migration that was applied.
    pub schema: i64,
}

/// An attempt that ended badly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// When it began.
    pub at: Timestamp,
    /// Its outcome's word.
    pub outcome: String,
    /// The Graph error's code.
    pub code: Option<i64>,
    /// Its subcode.
    pub subcode: Option<i64>,
    /// What was said.
    pub detail: Option<String>,
}

impl Store {
    /// The engine behind this store.
    pub async fn engine(&self) -> Result<Option<Engine>> {
        self.pool.reader().await?.row(sql::health::ENGINE, &[]).await
    }

    /// Notes that a webhook with a good signature came; written down at most once a minute.
    pub async fn note_webhook(&self, now: Timestamp) -> Result<()> {
        let noted = self.webhook_noted.load(Ordering::Relaxed);
        let due = now.ms().saturating_sub(noted) >= millis(NOTE_EVERY);
        // Of those that come at once, one writes.
        let mine =
            |noted| self.webhook_noted.compare_exchange(noted, now.ms(), Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if !due || !mine(noted) {
            return Ok(());
        }
        let written = self.keep_setting(LAST_WEBHOOK, now.ms().to_string()).await;
        if written.is_err() {
            self.webhook_noted.store(noted, Ordering::Relaxed);
        }
        written
    }

    /// Notes that the delivery loop of a node goes round.
    pub async fn note_beat(&self, node: String, now: Timestamp) -> Result<()> {
        self.intake
            .errand(move |conn| {
                Box::pin(async move {
                    conn.run(sql::health::BEAT, &[node.as_str().into(), now.ms().into()]).await?;
                    conn.run(sql::health::DROP_BEATS, &[now.minus(SILENT_NODE).ms().into()]).await.map(drop)
                })
            })
            .await
    }

    /// When the delivery loop of any node last went round.
    pub async fn last_beat(&self) -> Result<Option<Timestamp>> {
        let beat = self.pool.reader().await?.row::<i64>(sql::health::LAST_BEAT, &[]).await?;
        Ok(beat.map(Timestamp::from_ms))
    }

    /// What was heard from the platform, and said to it.
    pub async fn heard(&self) -> Result<Heard> {
        let heard = self.pool.reader().await?.row(sql::health::HEARD, &[LAST_WEBHOOK.into()]).await?;
        Ok(heard.unwrap_or_default())
    }

    /// The page's latest failed attempt, unless it is old or an acceptance came after it.
    pub async fn latest_failure(&self, page: &PageId) -> Result<Option<Failure>> {
        let values = [page.as_str().into(), NEW_ATTEMPTS.into()];
        self.pool.reader().await?.row(sql::health::LATEST_FAILURE, &values).await
    }
}

impl FromColumns for Engine {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        Ok(Self { version: c.text()?.to_owned(), writes: c.text()?.to_owned(), schema: c.int()? })
    }
}

impl FromColumns for Heard {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        let webhook = c.maybe_text()?.and_then(|text| text.parse().ok()).map(Timestamp::from_ms);
        let first_attempt = c.maybe_int()?.map(Timestamp::from_ms);
        Ok(Self { webhook, first_attempt, accepted: c.maybe_int()?.map(Timestamp::from_ms) })
    }
}

impl FromColumns for Failure {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            at: Timestamp::from_ms(c.int()?),
            outcome: c.text()?.to_owned(),
            code: c.maybe_int()?,
            subcode: c.maybe_int()?,
            detail: c.maybe_text()?.map(str::to_owned),
        })
    }
}
