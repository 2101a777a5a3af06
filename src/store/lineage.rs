//! A store that went back: a standby promoted without the last commits, a backup restored. It has forgotten whom we
//! wrote to, and whoever was open when it was made may have had their message.
//!
//! What the database is now is compared with what it says of itself, and with what this process remembers, in memory and
//! in a file beside it. PostgreSQL's claim itself compares the running server, its timeline and its start, with the one
//! that was recognised last: nothing is claimed from a server nobody has looked at. A step back holds every page until
//! an operator accepts it.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::Store;
use super::alerts::raise;
use super::engine::{Columns, FromColumns};
use super::error::{Error, Result};
use super::sql;
use crate::domain::alert::{Alert, Kind};
use crate::domain::ids::{OptInId, PageId};
use crate::domain::lineage::{Present, Seen, went_back};
use crate::domain::optin::State;
use crate::domain::signal::{Signal, Tick};
use crate::domain::time::Timestamp;

/// What the alert is about.
const DATABASE: &str = "database";
/// How many numbers are left out where attempts were forgotten: more than any node can have made since it last told.
const SKIPPED: i64 = 1_000_000;
/// Where the timeline begins in the server's number; below it is the time of its start, in milliseconds.
const TIMELINE: u32 = 42;
/// How many are marked in one transaction.
const BATCH: i64 = 500;

/// What this process remembers of the database, and the file in which it does.
#[derive(Debug)]
pub struct Memory {
    file: Option<PathBuf>,
    seen: Option<Seen>,
}

impl Memory {
    /// Reads the file, if there is one. Without a file everything is forgotten at the end of the process.
    ///
    /// # Errors
    /// [`Error::Unfit`] where the file cannot be read or is damaged.
    pub fn open(file: Option<PathBuf>) -> Result<Self> {
        let seen = file.as_deref().map(read).transpose()?.flatten();
        Ok(Self { file, seen })
    }

    fn keep(&mut self, seen: Seen) -> Result<()> {
        if self.seen.as_ref() == Some(&seen) {
            return Ok(());
        }
        if let Some(file) = &self.file {
            write(file, &seen).map_err(|error| unfit(file, &error))?;
        }
        self.seen = Some(seen);
        Ok(())
    }
}

fn read(file: &Path) -> Result<Option<Seen>> {
    match fs::read(file) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| unfit(file, &error)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unfit(file, &error)),
    }
}

fn unfit(file: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::Unfit(format!(
        "{} remembers which database this is, and cannot be used ({error}); mend its rights, or remove it if you are sure \
         that the database is the one it was",
        file.display()
    ))
}

fn write(file: &Path, seen: &Seen) -> std::io::Result<()> {
    let new = file.with_added_extension("new");
    let mut out = File::create(&new)?;
    out.write_all(serde_json::to_string(seen)?.as_bytes())?;
    out.sync_all()?;
    fs::rename(new, file)
}

/// What the store says of itself and is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Now {
    present: Present,
    server: i64,
    known_server: Option<i64>,
    committed: i64,
    rewound_at: Option<Timestamp>,
    why: Option<String>,
    forgotten: i64,
}

/// Opt-ins that may have been sent to in the time that was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Of this page.
    pub page: PageId,
    /// In this state.
    pub state: State,
    /// How many.
    pub count: u64,
}

impl Store {
    /// Looks whether this is still the database it was, and has forgotten nothing; holds every page if not. Returns why.
    ///
    /// To be called before the first claim, and every few seconds: only then is a server that was started, or took over,
    /// claimed from.
    pub async fn recognise(&self, memory: &mut Memory, synchronous: bool, now: Timestamp) -> Result<Option<String>> {
        let Some(is) = self.now().await? else { return Ok(None) };
        if is.rewound_at.is_some() {
            return Ok(Some(is.why.unwrap_or_default()));
        }
        if let Some(why) = went_back(memory.seen.as_ref(), &is.present, synchronous) {
            let fence = memory.seen.as_ref().map_or(0, |seen| seen.fence);
            self.hold_as_rewound(why.clone(), fence, now).await?;
            return Ok(Some(why));
        }
        let system = is.present.seen.system.clone();
        if is.present.origin.is_none() || is.known_server != Some(is.server) {
            self.adopt(system, is.server).await?;
        }
        let highest = memory.seen.as_ref().filter(|seen| seen.accepted == is.present.seen.accepted);
        let fence = highest.map_or(0, |seen| seen.fence).max(is.committed);
        memory.keep(Seen { fence, ..is.present.seen })?;
        Ok(None)
    }

    /// Changes SQLite's nonce, so that a copy made before is known for one. To be called at the start, after
    /// [`recognise`](Self::recognise), and at the stop.
    pub async fn roll(&self, memory: &mut Memory) -> Result<()> {
        let Some(seen) = memory.seen.clone().filter(|_| !self.is_shared()) else { return Ok(()) };
        let next = format!("{:032x}", fastrand::u128(..));
        // Told before it is done and after: a crash between leaves either, and both are known.
        memory.keep(Seen { next: Some(next.clone()), ..seen.clone() })?;
        self.keep_setting("store_nonce", next.clone()).await?;
        memory.keep(Seen { nonce: Some(next), next: None, ..seen })
    }

    /// How many opt-ins may have been sent to in the time that was lost, by page and state.
    pub async fn lost(&self, since: Timestamp, now: Timestamp) -> Result<Vec<Lost>> {
        let (before, after) = self.span_lost(since, now).await?;
        self.pool.reader().await?.rows(sql::lineage::COUNT, &[before.ms().into(), after.ms().into()]).await
    }

    /// Accepts what the database lost since a time: whoever may have been sent to since then is in doubt, and everybody
    /// else goes on. Returns how many are in doubt.
    pub async fn accept_lost(&self, since: Timestamp, now: Timestamp) -> Result<u64> {
        let (before, after) = self.span_lost(since, now).await?;
        let (mut last, mut marked) = (OptInId(0), 0);
        loop {
            let values = [before.ms().into(), after.ms().into(), last.0.into(), BATCH.into()];
            let ids: Vec<i64> = self.pool.reader().await?.rows(sql::lineage::OPEN, &values).await?;
            let Some(id) = ids.last() else { break };
            last = OptInId(*id);
            marked += ids.len() as u64;
            let signal = |id| Signal::Time { optin: OptInId(id), tick: Tick::StoreRewound };
            self.apply(ids.into_iter().map(signal).collect(), now).await?;
        }
        self.lift_rewound(now).await?;
        Ok(marked)
    }

    /// Consent before and after which times: older ones were over when the time that was lost began.
    async fn span_lost(&self, since: Timestamp, now: Timestamp) -> Result<(Timestamp, Timestamp)> {
        let noticed = self.now().await?.and_then(|is| is.rewound_at);
        Ok((noticed.unwrap_or(now), self.policy().window.cutoff(since)))
    }

    async fn now(&self) -> Result<Option<Now>> {
        self.pool.reader().await?.row(sql::lineage::PRESENT, &[]).await
    }

    async fn adopt(&self, system: String, server: i64) -> Result<()> {
        self.intake
            .errand(move |conn| {
                Box::pin(async move {
                    let text = server.to_string();
                    conn.run(sql::system::SET, &["store_origin".into(), system.as_str().into()]).await?;
                    conn.run(sql::system::SET, &["store_server".into(), text.as_str().into()]).await?;
                    conn.run(sql::lineage::RECOGNISE, &[server.into()]).await.map(drop)
                })
            })
            .await
    }

    async fn hold_as_rewound(&self, why: String, fence: i64, now: Timestamp) -> Result<()> {
        self.intake
            .errand(move |conn| {
                Box::pin(async move {
                    let fence = fence.to_string();
                    conn.run(sql::lineage::HOLD, &[now.ms().into()]).await?;
                    conn.run(sql::system::SET, &["store_rewound".into(), why.as_str().into()]).await?;
                    conn.run(sql::system::SET, &["store_fence".into(), fence.as_str().into()]).await?;
                    raise(conn, sql::alerts::RAISE, &Alert::new(Kind::StoreRewound, DATABASE, why), now).await
                })
            })
            .await
    }

    async fn lift_rewound(&self, now: Timestamp) -> Result<()> {
        let Some(is) = self.now().await? else { return Ok(()) };
        let seen = is.present.seen;
        let fence = seen.fence.max(is.forgotten).saturating_add(SKIPPED);
        let (accepted, server) = (now.ms().max(seen.accepted + 1).to_string(), is.server.to_string());
        self.intake
            .errand(move |conn| {
                Box::pin(async move {
                    conn.rows::<i64>(sql::lineage::SKIP, &[fence.into()]).await?;
                    conn.rows::<i64>(sql::lineage::SKIP_ON, &[fence.into()]).await?;
                    for (key, value) in
                        [("store_origin", &seen.system), ("store_server", &server), ("store_accepted", &accepted)]
                    {
                        conn.run(sql::system::SET, &[key.into(), value.as_str().into()]).await?;
                    }
                    conn.run(sql::lineage::RECOGNISE, &[is.server.into()]).await?;
                    conn.run(sql::lineage::LIFT, &[]).await?;
                    let over = [Kind::StoreRewound.as_str().into(), DATABASE.into(), now.ms().into()];
                    conn.run(sql::alerts::RESOLVE, &over).await.map(drop)
                })
            })
            .await?;
        self.work.ring();
        Ok(())
    }
}

impl FromColumns for Now {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        let system = c.text()?.to_owned();
        let (server, position, fence, committed) = (c.int()?, c.int()?, c.int()?, c.int()?);
        let number = |text: Option<&str>| text.and_then(|text| text.parse::<i64>().ok());
        let accepted = number(c.maybe_text()?).unwrap_or(0);
        let nonce = c.maybe_text()?.map(str::to_owned);
        let origin = c.maybe_text()?.map(str::to_owned);
        let known_server = number(c.maybe_text()?);
        let timeline = server >> TIMELINE;
        let seen = Seen { system, timeline, position, fence, accepted, nonce, next: None };
        let known_timeline = known_server.map(|server| server >> TIMELINE);
        Ok(Self {
            present: Present { seen, origin, known_timeline },
            server,
            known_server,
            committed,
            rewound_at: c.maybe_int()?.map(Timestamp::from_ms),
            why: c.maybe_text()?.map(str::to_owned),
            forgotten: number(c.maybe_text()?).unwrap_or(0),
        })
    }
}

impl FromColumns for Lost {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        let page = PageId::stored(c.text()?);
        let state = c.text()?.parse().map_err(|what| Error::Corrupt { what })?;
        Ok(Self { page, state, count: u64::try_from(c.int()?).unwrap_or(0) })
    }
}
