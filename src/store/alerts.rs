//! Alerts as rows: one for each kind and cause, raised in the same transaction as the cause where the store knows it,
//! counted, ended, and put into the outbox for every channel.

use serde::Serialize;

use super::Store;
use super::engine::{Columns, Conn, FromColumns, Value};
use super::error::{Error, Result};
use super::sql;
use crate::domain::alert::{Alert, Kind, Notice, Step};
use crate::domain::time::Timestamp;

/// An open alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AlertRow {
    /// What kind.
    pub kind: Kind,
    /// Its cause: one alert for each.
    pub cause: String,
    /// What is known of it.
    pub detail: String,
    /// When it was first raised.
    pub first_at: Timestamp,
    /// When it was last raised.
    pub last_at: Timestamp,
    /// How often, or how many it concerns.
    pub times: i64,
}

/// An alert of which something is to be told.
struct Untold {
    id: i64,
    row: AlertRow,
    resolved_at: Option<Timestamp>,
    told_at: Option<Timestamp>,
}

impl Store {
    /// Raises an alert, or counts it again: for what happens.
    pub async fn raise(&self, alert: Alert, now: Timestamp) -> Result<()> {
        self.intake
            .errand(move |conn| Box::pin(async move { raise(conn, sql::alerts::RAISE, &alert, now).await }))
            .await
    }

    /// Tells every channel once what was, for a kind that is news: it is never open, nor counted, nor said again.
    pub async fn report(&self, news: Alert, now: Timestamp) -> Result<()> {
        self.intake
            .errand(move |conn| Box::pin(async move { raise(conn, sql::alerts::REPORT, &news, now).await }))
            .await
    }

    /// Ends an alert, if it is open: for what is over. Returns whether it was.
    pub async fn resolve(&self, kind: Kind, cause: String, now: Timestamp) -> Result<bool> {
        self.intake
            .errand(move |conn| {
                Box::pin(async move {
                    let values = [kind.as_str().into(), cause.as_str().into(), now.ms().into()];
                    Ok(conn.run(sql::alerts::RESOLVE, &values).await? > 0)
                })
            })
            .await
    }

    /// Says what the causes of a kind are, all of them: raises these, with their present numbers, and ends the others.
    /// For what is looked at again and again.
    pub async fn restate(&self, kind: Kind, mut alerts: Vec<Alert>, now: Timestamp) -> Result<()> {
        alerts.retain(|alert| alert.kind == kind);
        alerts.sort_unstable_by(|a, b| a.cause.cmp(&b.cause));
        self.intake
            .errand(move |conn| {
                Box::pin(async move {
                    for alert in &alerts {
                        raise(conn, sql::alerts::RESTATE, alert, now).await?;
                    }
                    let causes: Vec<&str> = alerts.iter().map(|alert| alert.cause.as_str()).collect();
                    let causes = serde_json::Value::from(causes).to_string();
                    let values = [kind.as_str().into(), causes.as_str().into(), now.ms().into()];
                    conn.run(sql::alerts::RESOLVE_OTHERS, &values).await.map(drop)
                })
            })
            .await
    }

    /// Ends alerts whose cause the database itself shows to be gone, and those that tell of moments and were not raised
    /// after `quiet_since`.
    pub async fn resolve_what_is_over(&self, quiet_since: Timestamp, now: Timestamp) -> Result<()> {
        self.intake
            .errand(move |conn| {
                Box::pin(async move {
                    let passing: Vec<&str> =
                        Kind::ALL.iter().filter(|kind| kind.passes()).map(|kind| kind.as_str()).collect();
                    let passing = serde_json::Value::from(passing).to_string();
                    let values = [passing.as_str().into(), quiet_since.ms().into(), now.ms().into()];
                    conn.run(sql::alerts::RESOLVE_PASSED, &values).await?;
                    let of = |kind: Kind| [kind.as_str().into(), now.ms().into()];
                    conn.run(sql::alerts::RESOLVE_LIFTED, &of(Kind::PageHeld)).await?;
                    conn.run(sql::alerts::RESOLVE_KNOWN, &of(Kind::UnknownPage)).await.map(drop)
                })
            })
            .await
    }

    /// Alerts that are not resolved, oldest first.
    pub async fn open_alerts(&self) -> Result<Vec<AlertRow>> {
        self.pool.reader().await?.rows(sql::alerts::OPEN, &[]).await
    }

    /// Whether something is to be told of an alert: that it is new, or over, or lasts and was last told up to then.
    pub async fn has_untold_alerts(&self, repeat_before: Timestamp) -> Result<bool> {
        let values = [repeat_before.ms().into()];
        Ok(self.pool.reader().await?.row::<i64>(sql::alerts::COUNT_UNTOLD, &values).await?.unwrap_or(0) > 0)
    }

    /// Puts into the outbox what is to be told of alerts, once for every channel. Returns how many alerts it told of.
    pub async fn tell_alerts(
        &self,
        channels: Vec<&'static str>,
        repeat_before: Timestamp,
        now: Timestamp,
    ) -> Result<usize> {
        self.intake
            .errand(move |conn| {
                Box::pin(async move {
                    let untold: Vec<Untold> = conn.rows(sql::alerts::UNTOLD, &[repeat_before.ms().into()]).await?;
                    for alert in &untold {
                        alert.tell(conn, &channels, now).await?;
                    }
                    Ok(untold.len())
                })
            })
            .await
    }
}

/// Raises an alert, or puts down news, by one of the statements that do.
pub(super) async fn raise(
    conn: &mut Conn,
    statement: &'static super::engine::Sql,
    alert: &Alert,
    now: Timestamp,
) -> Result<()> {
    let Alert { kind, cause, detail, times } = alert;
    let values: [Value<'_>; 5] =
        [kind.as_str().into(), cause.as_str().into(), detail.as_str().into(), now.ms().into(), (*times).into()];
    conn.run(statement, &values).await.map(drop)
}

impl Untold {
    /// What was not told at all is told as new first, even where it is over by now.
    fn step(&self) -> Step {
        match (self.told_at, self.resolved_at) {
            _ if self.row.kind.is_news() => Step::Reported,
            (None, _) => Step::Raised,
            (Some(_), Some(_)) => Step::Resolved,
            (Some(_), None) => Step::Repeated,
        }
    }

    fn notice(&self) -> Notice {
        let AlertRow { kind, cause, detail, first_at, last_at, times } = self.row.clone();
        let ended = self.resolved_at.filter(|_| self.step() == Step::Resolved);
        Notice::of(self.id, self.step(), Alert { kind, cause, detail, times }, (first_at, last_at), ended)
    }

    async fn tell(&self, conn: &mut Conn, channels: &[&'static str], now: Timestamp) -> Result<()> {
        let step = self.step();
        let body = serde_json::to_string(&self.notice())
            .map_err(|error| Error::Corrupt { what: format!("alerts, id {}: {error}", self.id) })?;
        let subject = format!("alert {}", self.id);
        for channel in channels {
            let only_lasts = i64::from(step == Step::Repeated);
            let values =
                [(*channel).into(), subject.as_str().into(), body.as_str().into(), now.ms().into(), only_lasts.into()];
            conn.run(sql::outbox::TELL, &values).await?;
        }
        let last = matches!(step, Step::Resolved | Step::Reported);
        let values = [self.id.into(), now.ms().into(), i64::from(last).into()];
        conn.run(sql::alerts::TOLD, &values).await.map(drop)
    }
}

impl FromColumns for AlertRow {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            kind: c.text()?.parse().map_err(|what| Error::Corrupt { what })?,
            cause: c.text()?.to_owned(),
            detail: c.text()?.to_owned(),
            first_at: Timestamp::from_ms(c.int()?),
            last_at: Timestamp::from_ms(c.int()?),
            times: c.int()?,
        })
    }
}

impl FromColumns for Untold {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            id: c.int()?,
            row: AlertRow::read(c)?,
            resolved_at: c.maybe_int()?.map(Timestamp::from_ms),
            told_at: c.maybe_int()?.map(Timestamp::from_ms),
        })
    }
}
