//! What an operator wants to know. Read-only, on a reader: never in the way of a send.

use serde::Serialize;

use super::Store;
use super::alerts::raise;
use super::engine::{Columns, FromColumns};
use super::error::{Error, Result};
use super::sql;
use crate::domain::alert::{Alert, Kind};
use crate::domain::allowance::Used;
use crate::domain::ids::{LoginId, OptInId, PageId, Psid};
use crate::domain::optin::{OptIn, State};
use crate::domain::time::Timestamp;

/// How many opt-ins of a page are in a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Count {
    /// The page.
    pub page: PageId,
    /// The state.
    pub state: State,
    /// How many.
    pub count: u64,
    /// The earliest consent among them.
    pub earliest: Timestamp,
}

/// A page as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PageRow {
    /// The page.
    pub page: PageId,
    /// Until when the platform asked it to wait.
    pub paused_until: Timestamp,
    /// Since when it is held.
    pub held_since: Option<Timestamp>,
    /// Until when.
    pub held_until: Option<Timestamp>,
    /// For what.
    pub held_for: Option<String>,
    /// How often in a row.
    pub holds: i64,
    /// Until when holds that only their owner lifts stop it; long past where there are none.
    pub stopped_until: Timestamp,
    /// How much of its allowance it had used.
    pub used: Used,
    /// How often an operator resumed it.
    pub resume_seq: i64,
}

impl PageRow {
    /// Whether anything holds it.
    #[must_use]
    pub fn is_held(&self, now: Timestamp) -> bool {
        self.held_since.is_some() || self.stopped_until > now
    }
}

/// One attempt, for the story of one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the columns of the table `attempts`, explained there")]
pub struct AttemptRow {
    pub attempt: i64,
    pub cycle: i64,
    pub number: i64,
    pub node: String,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub outcome: Option<String>,
    pub http_status: Option<i64>,
    pub code: Option<i64>,
    pub subcode: Option<i64>,
    pub fbtrace_id: Option<String>,
    pub message_id: Option<String>,
    pub detail: Option<String>,
    pub evidence: Option<String>,
    pub evidence_at: Option<Timestamp>,
}

/// Opt-ins of a page that are at risk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Risk {
    /// The page.
    pub page: PageId,
    /// How many.
    pub count: u64,
    /// The earliest consent among them.
    pub earliest: Timestamp,
}

impl PageRow {
    /// Until when nothing is sent for it: a hold, or a pause the platform asked for. The past if nothing stops it.
    #[must_use]
    pub fn stopped_until(&self) -> Timestamp {
        let held = self.held_since.map(|_| self.held_until.unwrap_or(Timestamp::LATEST));
        held.unwrap_or_default().max(self.paused_until).max(self.stopped_until)
    }
}

impl Store {
    /// How many opt-ins are in which state, by page. Reads every row: for people, not for loops.
    pub async fn counts(&self) -> Result<Vec<Count>> {
        self.pool.reader().await?.rows(sql::report::COUNTS, &[]).await
    }

    /// Every page the store knows.
    pub async fn pages(&self) -> Result<Vec<PageRow>> {
        self.pool.reader().await?.rows(sql::pages::LIST, &[]).await
    }

    /// Who can still become missed and opted in up to a time, by page: everybody who waits or is being sent to, and was
    /// surely not greeted.
    pub async fn at_risk(&self, opted_in_up_to: Timestamp) -> Result<Vec<Risk>> {
        self.pool.reader().await?.rows(sql::report::AT_RISK, &[opted_in_up_to.ms().into()]).await
    }

    /// How many were missed after a time.
    pub async fn misses_after(&self, time: Timestamp) -> Result<u64> {
        let count = self.pool.reader().await?.row::<i64>(sql::report::MISSES, &[time.ms().into()]).await?;
        Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
    }

    /// One opt-in.
    pub async fn optin(&self, id: OptInId) -> Result<Option<OptIn>> {
        self.pool.reader().await?.row(sql::optins::GET, &[id.0.into()]).await
    }

    /// The opt-ins of a `login_id`, on one page or on all; ten at most.
    pub async fn optins_of_login(&self, login: &LoginId, page: Option<&PageId>) -> Result<Vec<OptIn>> {
        let page = page.map_or("", PageId::as_str);
        self.pool.reader().await?.rows(sql::optins::NAMED, &[login.as_str().into(), page.into()]).await
    }

    /// The opt-ins of a PSID, on one page or on all; ten at most.
    pub async fn optins_of_psid(&self, psid: &Psid, page: Option<&PageId>) -> Result<Vec<OptIn>> {
        let page = page.map_or("", PageId::as_str);
        self.pool.reader().await?.rows(sql::optins::OF_PSID, &[psid.as_str().into(), page.into()]).await
    }

    /// Opt-ins by number, after the given one.
    pub async fn list(
        &self,
        after: OptInId,
        state: Option<State>,
        page: Option<&PageId>,
        most: i64,
    ) -> Result<Vec<OptIn>> {
        let values = [
            after.0.into(),
            state.map_or("", State::as_str).into(),
            page.map_or("", PageId::as_str).into(),
            most.into(),
        ];
        self.pool.reader().await?.rows(sql::optins::LIST, &values).await
    }

    /// The attempts of one opt-in, oldest first.
    pub async fn attempts_of(&self, id: OptInId) -> Result<Vec<AttemptRow>> {
        self.pool.reader().await?.rows(sql::attempts::OF_OPTIN, &[id.0.into()]).await
    }

    /// How many messages each node had accepted.
    pub async fn accepted_by_node(&self) -> Result<Vec<(String, i64)>> {
        self.pool.reader().await?.rows(sql::attempts::ACCEPTED_BY_NODE, &[]).await
    }

    /// Notes how a reply said what it answers; one that was never seen is alerted.
    pub async fn note_source(&self, source: &str, now: Timestamp) -> Result<()> {
        let source = source.to_owned();
        self.intake
            .errand(move |conn| {
                Box::pin(async move {
                    let values = [source.as_str().into(), now.ms().into()];
                    if conn.row::<String>(sql::people::NOTE_SOURCE, &values).await?.is_some() {
                        tracing::warn!(source, "a reply says in a new way what it answers");
                        let alert = Alert::new(Kind::ReplySource, source.as_str(), "");
                        raise(conn, sql::alerts::RAISE, &alert, now).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// A reply to this page came from nobody we know: alerted where messages are out and no reply was ever linked.
    pub async fn note_unlinked(&self, page: &PageId, now: Timestamp) -> Result<()> {
        let unlinked = self.pool.reader().await?.row::<i64>(sql::people::UNLINKED, &[page.as_str().into()]).await?;
        if unlinked != Some(1) {
            return Ok(());
        }
        let detail = "no reply was ever linked to a message of this page, and messages are out";
        self.raise(Alert::new(Kind::UnlinkedReplies, page.to_string(), detail), now).await
    }

    /// A value kept under a key.
    pub async fn setting(&self, key: &str) -> Result<Option<String>> {
        self.pool.reader().await?.row(sql::system::SETTING, &[key.into()]).await
    }

    /// Keeps a value under a key.
    pub async fn keep_setting(&self, key: &'static str, value: String) -> Result<()> {
        self.intake
            .errand(move |conn| {
                Box::pin(
                    async move { conn.run(sql::system::SET, &[key.into(), value.as_str().into()]).await.map(drop) },
                )
            })
            .await
    }
}

fn time(c: &mut Columns<'_>) -> Result<Option<Timestamp>> {
    Ok(c.maybe_int()?.map(Timestamp::from_ms))
}

impl FromColumns for Count {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            page: PageId::stored(c.text()?),
            state: c.text()?.parse().map_err(|what| Error::Corrupt { what })?,
            count: u64::try_from(c.int()?).unwrap_or(0),
            earliest: Timestamp::from_ms(c.int()?),
        })
    }
}

impl FromColumns for PageRow {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            page: PageId::stored(c.text()?),
            paused_until: Timestamp::from_ms(c.int()?),
            held_since: time(c)?,
            held_until: time(c)?,
            held_for: c.maybe_text()?.map(str::to_owned),
            holds: c.int()?,
            stopped_until: Timestamp::from_ms(c.int()?),
            used: Used { percent: u32::try_from(c.int()?).unwrap_or(u32::MAX), at: Timestamp::from_ms(c.int()?) },
            resume_seq: c.int()?,
        })
    }
}

impl FromColumns for AttemptRow {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            attempt: c.int()?,
            cycle: c.int()?,
            number: c.int()?,
            node: c.text()?.to_owned(),
            started_at: Timestamp::from_ms(c.int()?),
            ended_at: time(c)?,
            outcome: c.maybe_text()?.map(str::to_owned),
            http_status: c.maybe_int()?,
            code: c.maybe_int()?,
            subcode: c.maybe_int()?,
            fbtrace_id: c.maybe_text()?.map(str::to_owned),
            message_id: c.maybe_text()?.map(str::to_owned),
            detail: c.maybe_text()?.map(str::to_owned),
            evidence: c.maybe_text()?.map(str::to_owned),
            evidence_at: time(c)?,
        })
    }
}

impl FromColumns for Risk {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            page: PageId::stored(c.text()?),
            count: u64::try_from(c.int()?).unwrap_or(0),
            earliest: Timestamp::from_ms(c.int()?),
        })
    }
}
