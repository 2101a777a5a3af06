//! What attempts mean for their page: acceptances, failures that may be everybody's, holds and the probes of held pages.

use std::collections::BTreeMap;

use super::Desk;
use crate::domain::alert::Kind;
use crate::domain::breaker::{self, Failure};
use crate::domain::ids::{AttemptId, OptInId, PageId};
use crate::domain::outcome::{Ending, Outcome};
use crate::domain::state::Event;
use crate::domain::time::{Timestamp, millis};
use crate::store::engine::{Columns, Conn, FromColumns, Value};
use crate::store::error::Result;
use crate::store::row::{json_ids, save_values};
use crate::store::sql;

/// News of a page, in the order in which they happened.
pub(super) enum PageNews {
    /// An attempt came to an end.
    Ended(PageId, AttemptId, End),
    /// It cannot send, for this.
    Held(PageId, &'static str),
    /// The platform asked it to wait until then.
    Paused(PageId, Timestamp),
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
    pub(super) fn of(ending: Option<&Ending>) -> Self {
        match ending {
            None => Self::GivenBack,
            Some(Ending { outcome: Outcome::Accepted { .. }, .. }) => Self::Accepted,
            Some(ending) => Self::Failed { ending: Box::new(ending.clone()), counts: Failure::of(ending) },
        }
    }
}

/// What a group has to say about one page.
#[derive(Default)]
struct Change {
    ends: Vec<(AttemptId, End)>,
    held: Option<&'static str>,
    paused: Option<Timestamp>,
}

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

/// The probe of a held page, if one is out, and how often the page was held in a row.
struct Probe {
    attempt: Option<AttemptId>,
    holds: i64,
}

impl FromColumns for Probe {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        Ok(Self { attempt: c.maybe_int()?.map(AttemptId), holds: c.int()? })
    }
}

impl Desk<'_> {
    pub(super) async fn write_pages(&mut self, conn: &mut Conn) -> Result<()> {
        // In order of their ids, so that two groups never wait for each other.
        let mut pages: BTreeMap<PageId, Change> = BTreeMap::new();
        for news in std::mem::take(&mut self.pages) {
            match news {
                PageNews::Ended(page, attempt, end) => pages.entry(page).or_default().ends.push((attempt, end)),
                PageNews::Held(page, what) => pages.entry(page).or_default().held = Some(what),
                PageNews::Paused(page, until) => {
                    let paused = &mut pages.entry(page).or_default().paused;
                    *paused = (*paused).max(Some(until));
                }
            }
        }
        for (page, change) in pages {
            self.write_page(conn, &page, change).await?;
        }
        Ok(())
    }

    async fn write_page(&mut self, conn: &mut Conn, page: &PageId, change: Change) -> Result<()> {
        let id: Value<'_> = page.as_str().into();
        if let Some(until) = change.paused {
            conn.run(sql::pages::PAUSE, &[id, until.ms().into()]).await?;
        }
        if change.ends.iter().any(|(_, end)| matches!(end, End::Accepted)) {
            conn.run(sql::pages::ACCEPTED, &[id, self.now.ms().into()]).await?;
            conn.run(sql::pages::CLEAR_RUNS, &[id]).await?;
        }
        let first = change.ends.iter().find_map(|(_, end)| match end {
            End::Failed { ending, .. } => Some(ending.as_ref()),
            _ => None,
        });
        if let Some(what) = change.held {
            self.hold(conn, page, what, first).await?;
        }
        self.probed(conn, page, &change.ends).await?;
        self.count_runs(conn, page, &change.ends).await
    }

    async fn hold(&mut self, conn: &mut Conn, page: &PageId, what: &str, cause: Option<&Ending>) -> Result<()> {
        let until = self.now.plus(breaker::pause(cause, 0));
        let values = [page.as_str().into(), self.now.ms().into(), until.ms().into(), what.into()];
        if conn.run(sql::pages::HOLD, &values).await? > 0 {
            self.raise(Kind::PageHeld, page, what);
        }
        Ok(())
    }

    /// Only the probe of a held page lifts its hold or prolongs it: what was in flight before says nothing new.
    async fn probed(&mut self, conn: &mut Conn, page: &PageId, ends: &[(AttemptId, End)]) -> Result<()> {
        let id: Value<'_> = page.as_str().into();
        let Some(probe) = conn.row::<Probe>(sql::pages::PROBE, &[id]).await? else { return Ok(()) };
        let Some((_, end)) = ends.iter().find(|(attempt, _)| Some(*attempt) == probe.attempt) else { return Ok(()) };
        match end {
            End::Accepted => {
                self.resolve(Kind::PageHeld, page);
                conn.run(sql::pages::LIFT, &[id]).await?
            }
            End::GivenBack => conn.run(sql::pages::PROLONG, &[id, self.now.ms().into(), 0.into()]).await?,
            End::Failed { ending, .. } => {
                let until = self.now.ms().saturating_add(millis(breaker::pause(Some(ending), probe.holds)));
                conn.run(sql::pages::PROLONG, &[id, until.into(), 1.into()]).await?
            }
        };
        Ok(())
    }

    /// Counts the failures since the last acceptance, and draws the consequence of a run that got long enough.
    async fn count_runs(&mut self, conn: &mut Conn, page: &PageId, ends: &[(AttemptId, End)]) -> Result<()> {
        let last = ends.iter().rposition(|(_, end)| matches!(end, End::Accepted)).map_or(0, |at| at + 1);
        let mut runs: BTreeMap<&Failure, i64> = BTreeMap::new();
        for (_, end) in ends.iter().skip(last) {
            if let End::Failed { counts: Some(failure), .. } = end {
                *runs.entry(failure).or_default() += 1;
            }
        }
        for (failure, people) in runs {
            let values = [page.as_str().into(), failure.sort.as_str().into(), self.now.ms().into(), people.into()];
            let run = conn.row::<(i64, i64)>(sql::pages::FAILED, &values).await?;
            let Some((_, since)) = run.filter(|(people, _)| *people >= failure.limit) else { continue };
            self.hold(conn, page, &failure.sort, None).await?;
            self.reprieve(conn, page, &failure.sort, since).await?;
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
