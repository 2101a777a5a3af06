//! What silence is worth, measured: whose messages are echoed, and whether everything the platform says is heard.
//!
//! Each accepted message is looked at once, when its echo has had its time, by a count that walks along the attempts; it
//! begins with the first echo, so that it costs nothing where none ever comes. The times of intake are kept from then
//! on as well.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use super::Store;
use super::doubt::Doubt;
use super::engine::{Columns, Conn, FromColumns, Value};
use super::error::Result;
use super::sql;
use crate::domain::evidence::{Around, Echoes, SINCE, Span};
use crate::domain::ids::PageId;
use crate::domain::time::Timestamp;

/// The setting that keeps up to which attempt was counted.
const COUNTED_TO: &str = "echoes_counted_to";
/// How many attempts are counted in one transaction.
const STEP: usize = 1000;
/// A node whose intake was not heard of for longer was not up all the time.
const LONGEST_SILENCE: Duration = Duration::from_secs(30);

/// What this process knows of its own intake.
#[derive(Debug, Default)]
pub(super) struct Intake {
    /// Requests refused that may have held an event.
    refusals: AtomicU64,
    /// How many of them were told to the database.
    told: AtomicU64,
    /// The row of the present time of intake; 0 before there is one.
    row: AtomicI64,
}

impl Store {
    /// A webhook was refused that may have been the platform's: what it held is not known, and may come again much later.
    pub fn note_refusal(&self) {
        self.intake_times.refusals.fetch_add(1, Ordering::SeqCst);
    }

    /// Notes that this node takes in whatever the platform sends. To be called every ten seconds or so while it does;
    /// a longer silence, or a refusal, begins a new time. Nothing is noted before the first echo ever.
    pub async fn note_intake(&self, node: &str, now: Timestamp) -> Result<()> {
        // Read after the caller has read the clock: what was refused until `now` is counted.
        let refusals = self.intake_times.refusals.load(Ordering::SeqCst);
        let mine = self.intake_times.row.load(Ordering::SeqCst);
        if !self.was_echoed().await? {
            return Ok(());
        }
        let unbroken = mine != 0 && self.intake_times.told.load(Ordering::SeqCst) == refusals;
        let node = node.to_owned();
        let row = self.intake.errand(move |conn| {
            Box::pin(async move {
                let alive = now.minus(LONGEST_SILENCE).ms().into();
                let on = [mine.into(), now.ms().into(), alive];
                let row = if unbroken { conn.row::<i64>(sql::echoes::INTAKE_ON, &on).await? } else { None };
                match row {
                    Some(row) => Ok(Some(row)),
                    None => conn.row::<i64>(sql::echoes::INTAKE_UP, &[node.as_str().into(), now.ms().into()]).await,
                }
            })
        });
        self.intake_times.row.store(row.await?.unwrap_or(0), Ordering::SeqCst);
        self.intake_times.told.store(refusals, Ordering::SeqCst);
        Ok(())
    }

    /// Counts whose messages were echoed in time, from where it was counted last. Returns how many attempts it looked at.
    pub async fn count_echoes(&self, now: Timestamp) -> Result<u64> {
        let policy = self.policy();
        if !self.was_echoed().await? {
            return Ok(0);
        }
        let mut seen = 0;
        loop {
            let looked = self.intake.errand(move |conn| {
                Box::pin(async move { count(conn, policy.settle_after, policy.window.lease(), now).await })
            });
            let looked = looked.await?;
            seen += looked as u64;
            if looked < STEP {
                return Ok(seen);
            }
        }
    }

    /// Whether any message was ever echoed, of late.
    async fn was_echoed(&self) -> Result<bool> {
        Ok(self.pool.reader().await?.row::<i64>(sql::echoes::FIRST, &[]).await?.is_some())
    }

    /// The measure of a page's echoes; nothing where the page has no row.
    pub async fn echoes(&self, page: &PageId) -> Result<Echoes> {
        let values = [page.as_str().into(), i64::from(self.policy().evidence_sample).into()];
        Ok(self.pool.reader().await?.row(sql::echoes::MEASURE, &values).await?.unwrap_or_default())
    }

    /// What happened around an attempt of unknown end, until its echo has had its time.
    pub async fn around(&self, page: &PageId, doubt: &Doubt) -> Result<Around> {
        let (from, lease) = (doubt.started_at, doubt.lease_until);
        let to = lease.plus(self.policy().settle_after);
        let mut conn = self.pool.reader().await?;
        let id: Value<'_> = page.as_str().into();
        let most = i64::try_from(SINCE).unwrap_or(i64::MAX);
        let since = [id, doubt.attempt.0.into(), lease.ms().into(), most.into()];
        let mut number = async |sql, values: &[Value<'_>]| -> Result<u64> {
            Ok(conn.row::<i64>(sql, values).await?.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
        };
        let since = number(sql::echoes::SINCE, &since).await?;
        let unparsed = number(sql::echoes::UNPARSED, &[id, from.ms().into()]).await?;
        let intake = conn.rows(sql::echoes::INTAKE, &[from.ms().into(), to.ms().into()]).await?;
        Ok(Around { from, to, since, intake, unparsed })
    }

    /// Lets silence count again on a page where a second message was proved; measured from now on. Whether there was
    /// anything to lift.
    pub async fn trust_echoes(&self, page: PageId, now: Timestamp) -> Result<bool> {
        self.intake
            .errand(move |conn| {
                Box::pin(async move {
                    Ok(conn.run(sql::echoes::TRUST, &[page.as_str().into(), now.ms().into()]).await? > 0)
                })
            })
            .await
    }
}

/// An attempt, as the count looks at it.
struct Counted {
    attempt: i64,
    page: PageId,
    started_at: Timestamp,
    accepted_at: Option<Timestamp>,
    echoed_at: Option<Timestamp>,
}

impl Counted {
    /// Whether its end, and then its echo, have had their time.
    fn is_due(&self, settle_after: Duration, lease: Duration, now: Timestamp) -> bool {
        let by = |time: Timestamp| time.plus(settle_after) <= now;
        by(self.started_at.plus(lease)) && self.accepted_at.is_none_or(by)
    }

    fn in_time(&self, settle_after: Duration) -> bool {
        self.accepted_at.zip(self.echoed_at).is_some_and(|(accepted, echoed)| echoed <= accepted.plus(settle_after))
    }
}

/// One step of the count; how many attempts it passed.
async fn count(conn: &mut Conn, settle_after: Duration, lease: Duration, now: Timestamp) -> Result<usize> {
    let Some(after) = start(conn).await? else { return Ok(0) };
    let most = i64::try_from(STEP).unwrap_or(i64::MAX);
    let next: Vec<Counted> = conn.rows(sql::echoes::NEXT, &[after.into(), most.into()]).await?;
    let due: Vec<&Counted> = next.iter().take_while(|one| one.is_due(settle_after, lease, now)).collect();
    let Some(last) = due.last() else { return Ok(0) };
    let mut echoed: Vec<Vec<Value<'_>>> = Vec::new();
    let mut unechoed: BTreeMap<&PageId, (i64, i64)> = BTreeMap::new();
    for one in &due {
        let Some(accepted) = one.accepted_at.map(Timestamp::ms) else { continue };
        if one.in_time(settle_after) {
            echoed.push(vec![one.attempt.into(), accepted.into()]);
        } else {
            unechoed.insert(&one.page, (one.attempt, accepted));
        }
    }
    sql::echoes::COUNTED.run(conn, &echoed).await?;
    for (page, (attempt, accepted)) in unechoed {
        conn.run(sql::echoes::UNECHOED, &[page.as_str().into(), attempt.into(), accepted.into()]).await?;
    }
    let to = last.attempt.to_string();
    conn.run(sql::system::SET, &[COUNTED_TO.into(), to.as_str().into()]).await?;
    Ok(due.len())
}

/// After which attempt to go on; none before the first echo.
async fn start(conn: &mut Conn) -> Result<Option<i64>> {
    let known: Option<String> = conn.row(sql::echoes::COUNTED_TO, &[COUNTED_TO.into()]).await?;
    if let Some(known) = known.and_then(|text| text.parse().ok()) {
        return Ok(Some(known));
    }
    Ok(conn.row::<i64>(sql::echoes::FIRST, &[]).await?.map(|first| first - 1))
}

impl FromColumns for Counted {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        let (attempt, page) = (c.int()?, PageId::stored(c.text()?));
        let started_at = Timestamp::from_ms(c.int()?);
        let accepted = c.maybe_text()? == Some("accepted");
        let ended_at = c.maybe_int()?.map(Timestamp::from_ms);
        let echoed_at = c.maybe_int()?.map(Timestamp::from_ms);
        Ok(Self { attempt, page, started_at, accepted_at: ended_at.filter(|_| accepted), echoed_at })
    }
}

impl FromColumns for Echoes {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        let echoed = u64::try_from(c.int()?).unwrap_or(0);
        let mut time = || c.maybe_int().map(|at| at.map(Timestamp::from_ms));
        Ok(Self { echoed, oldest: time()?, unechoed_at: time()?, refuted_at: time()? })
    }
}

impl FromColumns for Span {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        let node = c.text()?.to_owned();
        Ok(Self { node, since: Timestamp::from_ms(c.int()?), until: Timestamp::from_ms(c.int()?) })
    }
}
