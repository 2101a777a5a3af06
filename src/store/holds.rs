//! Held pages: what holds them, when they are probed, with what they are sent for.

use serde::Serialize;

use super::Store;
use super::desk::holds::alone;
use super::engine::{Columns, FromColumns};
use super::error::{Error, Result};
use super::sql;
use crate::domain::alert::Kind;
use crate::domain::breaker;
use crate::domain::budget;
use crate::domain::hold::{Owner, PageOrder};
use crate::domain::ids::PageId;
use crate::domain::signal::Signal;
use crate::domain::time::{Timestamp, millis};

/// A hold that only its owner lifts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hold {
    /// The page.
    pub page: PageId,
    /// Whose it is.
    pub owner: Owner,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when; absent where only the owner ends it.
    pub until: Option<Timestamp>,
}

impl Hold {
    /// Whether its time is not over.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| until > now)
    }
}

/// A page that the breaker holds, nobody probes and somebody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The hold's generation: the right to probe is claimed under it.
    pub generation: i64,
    /// How often the page was held in a row.
    pub holds: i64,
    /// When it is to be probed.
    pub probe_at: Timestamp,
}

/// What `Held` is computed from.
struct Plan {
    generation: i64,
    holds: i64,
    planned: Timestamp,
    last: Timestamp,
    earliest: Option<Timestamp>,
}

impl Store {
    /// Every hold that an owner has.
    pub async fn holds(&self) -> Result<Vec<Hold>> {
        self.pool.reader().await?.rows(sql::holds::ALL_HOLDS, &[]).await
    }

    /// Whether a page waits for a probe, and when.
    pub async fn held(&self, page: &PageId, now: Timestamp) -> Result<Option<Held>> {
        let window = self.policy().window;
        let values = [page.as_str().into(), window.cutoff(now).ms().into(), now.ms().into()];
        let plan = self.pool.reader().await?.row::<Plan>(sql::pages::HELD, &values).await?;
        Ok(plan.and_then(|plan| {
            let stop = window.hard_stop(plan.earliest?);
            let probe_at = breaker::probe_at(plan.last, plan.planned, plan.holds, Some(stop));
            Some(Held { generation: plan.generation, holds: plan.holds, probe_at })
        }))
    }

    /// Ends the holds whose time is over. Returns how many may be.
    pub async fn end_holds(&self, now: Timestamp) -> Result<u64> {
        let over = self.pool.reader().await?.rows::<(String, String)>(sql::holds::OVER, &[now.ms().into()]).await?;
        let ended = over.iter().filter_map(|(page, owner)| {
            Some(Signal::Page { page: PageId::stored(page), order: PageOrder::Over { owner: owner.parse().ok()? } })
        });
        let ended: Vec<Signal> = ended.collect();
        let count = u64::try_from(ended.len()).unwrap_or(0);
        if count > 0 {
            self.apply(ended, now).await?;
        }
        Ok(count)
    }

    /// Says with which tokens and messages this node sends from now on. Whatever was known for a page before is older
    /// than what is new; a page held for an older one is probed at once.
    pub async fn introduce(&self, pages: Vec<(PageId, String)>, node: String, now: Timestamp) -> Result<()> {
        self.intake
            .errand(move |conn| {
                Box::pin(async move {
                    for (page, credential) in &pages {
                        let (page, credential) = (page.as_str(), credential.as_str());
                        let values = [page.into(), credential.into(), now.ms().into(), node.as_str().into()];
                        if conn.run(sql::holds::INTRODUCE, &values).await? > 0 {
                            conn.run(sql::holds::TRY_NOW, &[page.into(), credential.into(), now.ms().into()]).await?;
                        }
                        let refused: Option<(i64, String)> =
                            conn.row(sql::holds::REFUSED, &[page.into(), credential.into()]).await?;
                        if refused.is_none() {
                            let (kind, cause) = (Kind::NodeOutdated.as_str(), alone(page, &node));
                            conn.run(sql::alerts::RESOLVE, &[kind.into(), cause.as_str().into(), now.ms().into()])
                                .await?;
                        }
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Since when, and for what, the platform refuses this token or message of a page while others are known; whoever
    /// has it claims nothing.
    pub async fn refused(&self, page: &PageId, credential: &str) -> Result<Option<(Timestamp, String)>> {
        let values = [page.as_str().into(), credential.into()];
        let found: Option<(i64, String)> = self.pool.reader().await?.row(sql::holds::REFUSED, &values).await?;
        Ok(found.map(|(since, what)| (Timestamp::from_ms(since), what)))
    }

    /// Keeps how much of its allowance a page has used, for every node. Used up, or told how long until it is given
    /// anew, the page waits.
    pub async fn note_usage(
        &self,
        page: &PageId,
        percent: u32,
        regain: Option<std::time::Duration>,
        now: Timestamp,
    ) -> Result<()> {
        let page = page.to_string();
        let stop = percent >= budget::USED_UP || regain.is_some();
        let until = now.ms().saturating_add(millis(budget::throttled(regain.unwrap_or_default(), 0)));
        self.attempts
            .errand(move |conn| {
                Box::pin(async move {
                    let id = page.as_str().into();
                    conn.run(sql::pages::USED, &[id, i64::from(percent).into(), now.ms().into()]).await?;
                    if stop {
                        conn.run(sql::pages::PAUSE, &[id, until.into(), 1.into()]).await?;
                    }
                    Ok(())
                })
            })
            .await
    }
}

impl FromColumns for Hold {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            page: PageId::stored(c.text()?),
            owner: c.text()?.parse().map_err(|what| Error::Corrupt { what })?,
            reason: c.text()?.to_owned(),
            since: Timestamp::from_ms(c.int()?),
            until: c.maybe_int()?.map(Timestamp::from_ms),
        })
    }
}

impl FromColumns for Plan {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        let (generation, holds) = (c.int()?, c.int()?);
        let planned = Timestamp::from_ms(c.int()?);
        let last = c.maybe_int()?.map_or(planned, Timestamp::from_ms);
        Ok(Self { generation, holds, planned, last, earliest: c.maybe_int()?.map(Timestamp::from_ms) })
    }
}
