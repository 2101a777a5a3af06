//! What attempts mean for their page: acceptances, pauses, failures that may be everybody's. What holds it is in `holds`.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::Desk;
use super::holds::Blame;
use crate::domain::breaker::{self, Failure};
use crate::domain::budget;
use crate::domain::hold::PageOrder;
use crate::domain::ids::{AttemptId, OptInId, PageId};
use crate::domain::outcome::{Ending, Outcome};
use crate::domain::state::Event;
use crate::domain::time::Timestamp;
use crate::store::engine::{Columns, Conn, FromColumns, Value};
use crate::store::error::Result;
use crate::store::row::{json_ids, save_values};
use crate::store::sql;

/// News of a page, in the order in which they happened.
pub(super) enum PageNews {
    /// An attempt came to an end.
    Ended(PageId, AttemptId, End),
    /// It cannot send, as this attempt says, for this.
    Held(PageId, AttemptId, &'static str),
    /// The platform asked it to wait: at least so long, where it says how long.
    Paused(PageId, Duration),
    /// Somebody asks something of it.
    Ordered(PageId, PageOrder),
}

/// An attempt's end, as its page sees it.
pub(super) enum End {
    Accepted,
    /// It failed; where that counts in a run, as what.
    Failed {
        ending: Box<Ending>,
        counts: Option<Failure>,
    },
    /// Nothing left.
    GivenBack,
}

impl End {
    /// `first` tells whether it was the person's first attempt: being away counts once for each person.
    pub(super) fn of(ending: Option<&Ending>, first: bool) -> Self {
        match ending {
            None => Self::GivenBack,
            Some(Ending { outcome: Outcome::Accepted { .. }, .. }) => Self::Accepted,
            Some(ending) => {
                let away = matches!(ending.outcome, Outcome::Retry(_));
                Self::Failed {
                    ending: Box::new(ending.clone()),
                    counts: Failure::of(ending).filter(|_| first || !away),
                }
            }
        }
    }

    fn failed(&self) -> Option<&Ending> {
        if let Self::Failed { ending, .. } = self { Some(ending) } else { None }
    }
}

/// What a group has to say about one page.
#[derive(Default)]
pub(super) struct Change {
    pub(super) ends: Vec<(AttemptId, End)>,
    held: Option<(AttemptId, &'static str)>,
    paused: Option<Duration>,
    orders: Vec<PageOrder>,
}

impl Change {
    pub(super) fn ending(&self, attempt: AttemptId) -> Option<&Ending> {
        self.ends.iter().find(|(one, _)| *one == attempt).and_then(|(_, end)| end.failed())
    }

    fn accepted(&self) -> bool {
        self.ends.iter().any(|(_, end)| matches!(end, End::Accepted))
    }
}

/// How a page stands, locked.
#[derive(Default)]
pub(super) struct Standing {
    pub(super) held_for: Option<String>,
    pub(super) holds: i64,
    pub(super) probe: Option<AttemptId>,
    pauses: i64,
    paused_until: Timestamp,
    accepted_at: Timestamp,
}

impl FromColumns for Standing {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        let held = c.maybe_int()?.is_some();
        let what = c.maybe_text()?.unwrap_or_default().to_owned();
        let (holds, _generation) = (c.int()?, c.int()?);
        Ok(Self {
            held_for: held.then_some(what),
            holds,
            probe: c.maybe_int()?.map(AttemptId),
            pauses: c.int()?,
            paused_until: Timestamp::from_ms(c.int()?),
            accepted_at: Timestamp::from_ms(c.int()?),
        })
    }
}

/// With what a failed attempt was made.
pub(super) struct Maker {
    pub(super) credential: String,
    pub(super) node: String,
    /// Whether a newer token or message is known: then a failure tells nothing of the page.
    pub(super) outdated: bool,
}

impl FromColumns for (AttemptId, Maker) {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        let attempt = AttemptId(c.int()?);
        let (credential, node) = (c.text()?.to_owned(), c.text()?.to_owned());
        Ok((attempt, Maker { credential, node, outdated: c.int()? != 0 }))
    }
}

/// Who made which of a group's failed attempts.
pub(super) type Makers = HashMap<AttemptId, Maker>;

/// Somebody whom a run may have ended.
struct Ended {
    optin: OptInId,
    sort: String,
}

impl FromColumns for Ended {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        let optin = OptInId(c.int()?);
        let outcome = c.maybe_text()?.unwrap_or_default();
        Ok(Self { optin, sort: breaker::sort(outcome, c.maybe_int()?, c.maybe_int()?) })
    }
}

/// A run of failures: how long, since when, from which attempt on.
struct Run {
    people: i64,
    since: i64,
    first: AttemptId,
}

impl FromColumns for Run {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        Ok(Self { people: c.int()?, since: c.int()?, first: AttemptId(c.int()?) })
    }
}

impl Desk<'_> {
    pub(super) async fn write_pages(&mut self, conn: &mut Conn) -> Result<()> {
        // In order of their ids, so that two groups never wait for each other.
        let mut pages: BTreeMap<PageId, Change> = BTreeMap::new();
        for news in std::mem::take(&mut self.pages) {
            match news {
                PageNews::Ended(page, attempt, end) => pages.entry(page).or_default().ends.push((attempt, end)),
                PageNews::Held(page, attempt, what) => pages.entry(page).or_default().held = Some((attempt, what)),
                PageNews::Paused(page, regain) => {
                    let paused = &mut pages.entry(page).or_default().paused;
                    *paused = (*paused).max(Some(regain));
                }
                PageNews::Ordered(page, order) => pages.entry(page).or_default().orders.push(order),
            }
        }
        // Acceptances are noted before anything else of a page is locked, here as by the express.
        for (page, _) in pages.iter().filter(|(_, change)| change.accepted()) {
            conn.run(sql::pages::ACCEPTED, &[page.as_str().into(), self.now.ms().into()]).await?;
        }
        for (page, change) in pages {
            self.write_page(conn, &page, change).await?;
        }
        Ok(())
    }

    async fn write_page(&mut self, conn: &mut Conn, page: &PageId, mut change: Change) -> Result<()> {
        let id: Value<'_> = page.as_str().into();
        if !change.orders.is_empty() {
            conn.run(sql::pages::ENSURE, &[id]).await?;
        }
        let failed: Vec<i64> =
            change.ends.iter().filter(|(_, end)| end.failed().is_some()).map(|(attempt, _)| attempt.0).collect();
        // Where all went well the row is left alone: recording must not wait for a claim.
        let troubled = !failed.is_empty() || change.paused.is_some() || !change.orders.is_empty();
        let standing = conn.row::<Standing>(sql::pages::STANDING, &[id, i64::from(troubled).into()]).await?;
        // The page before its runs: whoever counts a failure locks them in this order.
        if change.accepted() {
            conn.run(sql::pages::CLEAR_RUNS, &[id]).await?;
        }
        let Some(standing) = standing else { return Ok(()) };
        let makers = makers(conn, page, failed).await?;
        if let Some(regain) = change.paused {
            self.pause(conn, page, &standing, regain).await?;
        }
        if let Some((attempt, what)) = change.held {
            let ending = change.ending(attempt);
            let what = breaker::sort(what, ending.and_then(|e| e.code), ending.and_then(|e| e.subcode));
            match makers.get(&attempt) {
                Some(maker) if maker.outdated => self.refuse(conn, page, maker, &what).await?,
                maker => self.hold(conn, page, &what, Blame { cause: ending, first: attempt, maker }).await?,
            }
        }
        self.probed(conn, page, &standing, &change, &makers).await?;
        self.count_runs(conn, page, &standing, &change.ends, &makers).await?;
        for order in std::mem::take(&mut change.orders) {
            self.order(conn, page, order).await?;
        }
        Ok(())
    }

    /// The page waits as long as the platform says, and longer each time in a row. What was under way meanwhile and is
    /// told the same is no further time.
    async fn pause(&self, conn: &mut Conn, page: &PageId, was: &Standing, regain: Duration) -> Result<()> {
        let (wait, pauses) = if was.paused_until > self.now {
            (regain, was.pauses)
        } else {
            let before = if was.accepted_at > was.paused_until { 0 } else { was.pauses };
            (budget::throttled(regain, before), before + 1)
        };
        let until = self.now.plus(wait);
        tracing::info!(page = %page, %until, "the platform asks to wait");
        conn.run(sql::pages::PAUSE, &[page.as_str().into(), until.ms().into(), pauses.into()]).await.map(drop)
    }

    /// Counts the failures since the last acceptance, and draws the consequence of a run that got long enough. Under an
    /// outdated token or message a run is its node's.
    async fn count_runs(
        &mut self,
        conn: &mut Conn,
        page: &PageId,
        was: &Standing,
        ends: &[(AttemptId, End)],
        makers: &Makers,
    ) -> Result<()> {
        let last = ends.iter().rposition(|(_, end)| matches!(end, End::Accepted)).map_or(0, |at| at + 1);
        let mut runs: BTreeMap<(&Failure, Option<&str>), Vec<AttemptId>> = BTreeMap::new();
        for (attempt, end) in ends.iter().skip(last) {
            if let End::Failed { counts: Some(failure), .. } = end {
                let outdated = makers.get(attempt).filter(|maker| maker.outdated);
                let outdated = outdated.map(|maker| maker.credential.as_str());
                runs.entry((failure, outdated)).or_default().push(*attempt);
            }
        }
        for ((failure, outdated), attempts) in runs {
            let first = attempts.iter().min().copied().unwrap_or(AttemptId(0));
            let sort = outdated.map_or_else(|| failure.sort.clone(), |of| format!("{} with {of}", failure.sort));
            let people = i64::try_from(attempts.len()).unwrap_or(i64::MAX);
            let values =
                [page.as_str().into(), sort.as_str().into(), self.now.ms().into(), people.into(), first.0.into()];
            let Some(run) = conn.row::<Run>(sql::pages::FAILED, &values).await? else { continue };
            // What a page is held for already needs no run: whoever was under way meets it too.
            let known = was.held_for.as_deref() == Some(failure.hold().as_str());
            if run.people < failure.limit && !known {
                continue;
            }
            let ending = ends.iter().find(|(attempt, _)| *attempt == first).and_then(|(_, end)| end.failed());
            match makers.get(&first) {
                Some(maker) if maker.outdated => self.refuse(conn, page, maker, &failure.sort).await?,
                maker => {
                    let blame = Blame { cause: ending, first: run.first, maker };
                    self.hold(conn, page, &failure.hold(), blame).await?;
                }
            }
            self.reprieve(conn, page, &failure.sort, run.since).await?;
            conn.run(sql::pages::CLEAR_RUNS, &[page.as_str().into()]).await?;
        }
        Ok(())
    }

    /// Whoever was ended by a run that turned out to be everybody's waits again.
    async fn reprieve(&mut self, conn: &mut Conn, page: &PageId, sort: &str, since: i64) -> Result<()> {
        let ended = conn.rows::<Ended>(sql::pages::ENDED_BY_RUN, &[page.as_str().into(), since.into()]).await?;
        let ids: Vec<i64> = ended.iter().filter(|one| one.sort == sort).map(|one| one.optin.0).collect();
        if ids.is_empty() {
            return Ok(());
        }
        // Read anew: what this group changed of them is written by now.
        let first = self.entries.len();
        for row in conn.rows(sql::optins::LOCK, &[json_ids(ids).as_str().into()]).await? {
            self.lay(row);
        }
        for at in first..self.entries.len() {
            self.step(at, &Event::Reprieved);
        }
        let changed = self.entries.iter().skip(first).map(|entry| save_values(&entry.after));
        let changed: Vec<Vec<Value<'_>>> = changed.collect();
        sql::optins::SAVE.run(conn, &changed).await
    }
}

/// Whose the failed attempts of a page are.
async fn makers(conn: &mut Conn, page: &PageId, failed: Vec<i64>) -> Result<Makers> {
    if failed.is_empty() {
        return Ok(Makers::new());
    }
    let values = [page.as_str().into(), Value::Text(&json_ids(failed))];
    Ok(conn.rows::<(AttemptId, Maker)>(sql::holds::OF_ATTEMPTS, &values).await?.into_iter().collect())
}
