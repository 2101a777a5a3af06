//! The outbox: what waits to be delivered to the operator and to the site. Whoever takes a notice has a lease on it;
//! one that was not ended when the lease is over is taken again. Of one subject (an alert, a person) only the earliest
//! is taken, so that what is told of it stays in order.

use std::time::Duration;

use serde::Serialize;

use super::Store;
use super::engine::{Columns, Conn, FromColumns};
use super::error::Result;
use super::sql;
use crate::domain::alert::{Alert, Kind};
use crate::domain::time::Timestamp;

/// The channel to the site.
pub const SITE: &str = "site";

/// A notice that was taken to be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Its number.
    pub id: i64,
    /// Which attempt this is, counted from 1; the right to end the notice.
    pub attempt: i64,
    /// The event's name, for what the site is told.
    pub event: Option<String>,
    /// What is told, as JSON.
    pub body: String,
    /// When it was queued.
    pub created_at: Timestamp,
}

/// How a delivery ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivered {
    /// It arrived.
    Yes,
    /// It did not; it is tried again then.
    Later(Timestamp, String),
    /// It did not, and is dropped.
    Never(String),
}

/// What waits on one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// The channel.
    pub channel: String,
    /// How many notices.
    pub count: u64,
    /// When the oldest was queued.
    pub oldest: Timestamp,
    /// Why one of them did not arrive so far.
    pub error: Option<String>,
}

/// After so many failed attempts of one notice the operator hears, on the other channels, that it does not arrive.
const TRIES_BEFORE_ALERT: i64 = 4;

impl Store {
    /// Whether a notice of a channel is due.
    pub async fn has_notices(&self, channel: &'static str, now: Timestamp) -> Result<bool> {
        let values = [channel.into(), now.ms().into()];
        Ok(self.pool.reader().await?.row::<i64>(sql::outbox::DUE, &values).await?.unwrap_or(0) > 0)
    }

    /// Takes up to `most` notices of a channel, each for as long as the lease.
    pub async fn take_notices(
        &self,
        channel: &'static str,
        most: i64,
        lease: Duration,
        now: Timestamp,
    ) -> Result<Vec<Taken>> {
        self.intake
            .errand(move |conn| {
                Box::pin(async move {
                    let values = [channel.into(), now.ms().into(), now.plus(lease).ms().into(), most.into()];
                    conn.rows(sql::outbox::TAKE, &values).await
                })
            })
            .await
    }

    /// Writes down how deliveries of a channel ended. One whose lease somebody else has by now is left alone.
    pub async fn end_notices(
        &self,
        channel: &'static str,
        ended: Vec<(Taken, Delivered)>,
        now: Timestamp,
    ) -> Result<()> {
        self.intake
            .errand(move |conn| {
                Box::pin(async move {
                    for (taken, delivered) in &ended {
                        end(conn, channel, taken, delivered, now).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// What waits, by channel.
    pub async fn notices_waiting(&self) -> Result<Vec<Waiting>> {
        self.pool.reader().await?.rows(sql::outbox::WAITING, &[]).await
    }
}

async fn end(
    conn: &mut Conn,
    channel: &'static str,
    taken: &Taken,
    delivered: &Delivered,
    now: Timestamp,
) -> Result<()> {
    let (id, attempt) = (taken.id.into(), taken.attempt.into());
    match delivered {
        Delivered::Yes => {
            conn.run(sql::outbox::DONE, &[id, attempt]).await?;
            let arrives = [Kind::Undelivered.as_str().into(), channel.into(), now.ms().into()];
            conn.run(sql::alerts::RESOLVE, &arrives).await?;
        }
        Delivered::Later(at, why) => {
            conn.run(sql::outbox::LATER, &[id, attempt, at.ms().into(), why.as_str().into()]).await?;
            if taken.attempt >= TRIES_BEFORE_ALERT {
                let alert = Alert::new(Kind::Undelivered, channel, why);
                super::alerts::raise(conn, sql::alerts::RESTATE, &alert, now).await?;
            }
        }
        Delivered::Never(why) => {
            if conn.run(sql::outbox::DONE, &[id, attempt]).await? > 0 {
                let alert = Alert::new(Kind::Undelivered, channel, format!("one was dropped: {why}"));
                super::alerts::raise(conn, sql::alerts::RAISE, &alert, now).await?;
            }
        }
    }
    Ok(())
}

impl FromColumns for Taken {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            id: c.int()?,
            attempt: c.int()?,
            event: c.maybe_text()?.map(str::to_owned),
            body: c.text()?.to_owned(),
            created_at: Timestamp::from_ms(c.int()?),
        })
    }
}

impl FromColumns for Waiting {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            channel: c.text()?.to_owned(),
            count: u64::try_from(c.int()?).unwrap_or(0),
            oldest: Timestamp::from_ms(c.int()?),
            error: c.maybe_text()?.map(str::to_owned),
        })
    }
}
