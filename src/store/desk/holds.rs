//! What holds a page: the breaker's hold with its probe, the holds that only their owner lifts, and credentials that a
//! node is alone with.

use super::Desk;
use super::pages::{Change, End, Maker, Makers, Standing};
use crate::domain::alert::Kind;
use crate::domain::breaker;
use crate::domain::hold::{Owner, PageOrder};
use crate::domain::ids::{AttemptId, PageId};
use crate::domain::outcome::Ending;
use crate::domain::time::{Timestamp, millis};
use crate::store::engine::{Columns, Conn, FromColumns, Value};
use crate::store::error::Result;
use crate::store::row::ms;
use crate::store::sql;

/// Why the breaker holds a page.
pub(super) struct Blame<'a> {
    /// How an attempt ended.
    pub(super) cause: Option<&'a Ending>,
    /// The first attempt that failed so.
    pub(super) first: AttemptId,
    /// With what it was made.
    pub(super) maker: Option<&'a Maker>,
}

impl Desk<'_> {
    /// The breaker holds a page, unless it does already: a hold that stands is its probe's to prolong.
    pub(super) async fn hold(&mut self, conn: &mut Conn, page: &PageId, what: &str, blame: Blame<'_>) -> Result<()> {
        let Blame { cause, first, maker } = blame;
        let until = self.now.plus(breaker::pause(cause, 0));
        let values = [
            page.as_str().into(),
            self.now.ms().into(),
            until.ms().into(),
            what.into(),
            first.0.into(),
            Value::MaybeText(maker.map(|maker| maker.credential.as_str())),
        ];
        if conn.run(sql::pages::HOLD, &values).await? > 0 {
            self.raise(Kind::PageHeld, page, what);
            self.stop_flights(conn, page).await?;
        }
        Ok(())
    }

    /// Whatever is under way for a page and has not left stays here.
    async fn stop_flights(&mut self, conn: &mut Conn, page: &PageId) -> Result<()> {
        let under_way = conn.rows::<i64>(sql::pages::UNDER_WAY, &[page.as_str().into()]).await?;
        self.news.stops.extend(under_way.into_iter().map(AttemptId));
        Ok(())
    }

    /// Only the probe of a held page lifts its hold or prolongs it: what was in flight before says nothing new.
    pub(super) async fn probed(
        &mut self,
        conn: &mut Conn,
        page: &PageId,
        was: &Standing,
        change: &Change,
        makers: &Makers,
    ) -> Result<()> {
        let Some((attempt, end)) = change.ends.iter().find(|(attempt, _)| Some(*attempt) == was.probe) else {
            return Ok(());
        };
        let outdated = makers.get(attempt).is_some_and(|maker| maker.outdated);
        match end {
            End::Accepted => self.lift(conn, page, was.held_for.as_deref()).await?,
            End::Failed { ending, .. } if !outdated => {
                let wait = millis(breaker::pause(Some(ending), was.holds));
                self.prolong(conn, page, self.now.ms().saturating_add(wait), 1).await?;
            }
            // It told nothing of the page: another may try at once.
            End::Failed { .. } | End::GivenBack => self.prolong(conn, page, self.now.ms(), 0).await?,
        }
        Ok(())
    }

    async fn prolong(&self, conn: &mut Conn, page: &PageId, until: i64, more: i64) -> Result<()> {
        let values = [page.as_str().into(), until.into(), more.into(), self.now.ms().into()];
        conn.run(sql::pages::PROLONG, &values).await.map(drop)
    }

    /// The breaker's hold is over.
    async fn lift(&mut self, conn: &mut Conn, page: &PageId, what: Option<&str>) -> Result<()> {
        conn.run(sql::pages::LIFT, &[page.as_str().into()]).await?;
        self.news.work = true;
        if let Some(what) = what {
            tracing::info!(page = %page, what, "the page can send again");
        }
        self.unless_held(conn, page).await
    }

    /// Ends the alert of a page that nothing holds any more.
    async fn unless_held(&mut self, conn: &mut Conn, page: &PageId) -> Result<()> {
        let values = [page.as_str().into(), self.now.ms().into()];
        if conn.row::<i64>(sql::holds::ANY, &values).await?.unwrap_or(0) == 0 {
            self.alerts.remove(&(Kind::PageHeld, page.to_string()));
            self.resolve(Kind::PageHeld, page);
        }
        Ok(())
    }

    /// A node fails with a token or message that is not the newest: it claims nothing with it any more.
    pub(super) async fn refuse(&mut self, conn: &mut Conn, page: &PageId, maker: &Maker, what: &str) -> Result<()> {
        let (node, credential) = (maker.node.as_str(), maker.credential.as_str());
        let values = [page.as_str().into(), credential.into(), self.now.ms().into(), what.into(), node.into()];
        if conn.run(sql::holds::REFUSE, &values).await? > 0 {
            tracing::error!(page = %page, node, credential, what, "this node sends with an old token or message and was \
                refused; it claims nothing for the page until it has the new one: put it in place and reload");
            let detail = format!("an old token or message for page {page} was refused: {what}");
            self.raise(Kind::NodeOutdated, &alone(page.as_str(), node), detail);
        }
        Ok(())
    }

    /// Does what somebody asks of a page.
    pub(super) async fn order(&mut self, conn: &mut Conn, page: &PageId, order: PageOrder) -> Result<()> {
        match order {
            PageOrder::Hold { owner, reason, until } => self.put_hold(conn, page, owner, &reason, until).await,
            PageOrder::Release { owner } => self.drop_hold(conn, page, owner).await,
            PageOrder::Over { owner } => {
                let values = [page.as_str().into(), owner.as_str().into()];
                match conn.row::<(String, Until)>(sql::holds::ONE, &values).await? {
                    Some((_, Until(Some(until)))) if until <= self.now => self.drop_hold(conn, page, owner).await,
                    _ => Ok(()),
                }
            }
            PageOrder::PutOff { generation, holds, credential, node, refused } => {
                let values = [page.as_str().into(), credential.as_str().into()];
                let outdated = conn.row::<i64>(sql::holds::OUTDATED, &values).await?.unwrap_or(0) != 0;
                if refused && outdated {
                    let maker = Maker { credential, node, outdated };
                    return self.refuse(conn, page, &maker, "token").await;
                }
                let until = self.now.plus(breaker::pause(None, holds)).ms();
                let values = [page.as_str().into(), until.into(), self.now.ms().into(), generation.into()];
                conn.run(sql::pages::PUT_OFF, &values).await.map(drop)
            }
            PageOrder::Blocked { reason, at } => {
                if !news_of_policy(conn, page, at).await? {
                    return Ok(());
                }
                self.put_hold(conn, page, Owner::Policy, &reason, None).await
            }
            PageOrder::Unblocked { at } => {
                if !news_of_policy(conn, page, at).await? {
                    return Ok(());
                }
                self.drop_hold(conn, page, Owner::Policy).await
            }
            PageOrder::Resume => self.resume(conn, page).await,
            PageOrder::Warned { reason } => {
                self.raise(Kind::PolicyEnforcement, page, reason);
                Ok(())
            }
        }
    }

    async fn put_hold(
        &mut self,
        conn: &mut Conn,
        page: &PageId,
        owner: Owner,
        reason: &str,
        until: Option<Timestamp>,
    ) -> Result<()> {
        let values = [page.as_str().into(), owner.as_str().into(), reason.into(), self.now.ms().into(), ms(until)];
        conn.run(sql::holds::PUT, &values).await?;
        self.stop_until(conn, page).await?;
        self.raise(Kind::PageHeld, page, format!("{owner}: {reason}"));
        self.stop_flights(conn, page).await
    }

    /// The owner lifts a hold; none is no fault.
    async fn drop_hold(&mut self, conn: &mut Conn, page: &PageId, owner: Owner) -> Result<()> {
        let values = [page.as_str().into(), owner.as_str().into()];
        if conn.run(sql::holds::DROP, &values).await? == 0 {
            return Ok(());
        }
        self.stop_until(conn, page).await?;
        self.news.work = true;
        self.unless_held(conn, page).await
    }

    async fn stop_until(&self, conn: &mut Conn, page: &PageId) -> Result<()> {
        let values = [page.as_str().into(), Timestamp::LATEST.ms().into()];
        conn.run(sql::holds::STOP, &values).await.map(drop)
    }

    /// An operator wants it to go on.
    async fn resume(&mut self, conn: &mut Conn, page: &PageId) -> Result<()> {
        let id: Value<'_> = page.as_str().into();
        // What this group wrote of it counts too.
        let standing = conn.row::<Standing>(sql::pages::STANDING, &[id, 1.into()]).await?.unwrap_or_default();
        self.drop_hold(conn, page, Owner::Operator).await?;
        self.lift(conn, page, standing.held_for.as_deref()).await?;
        for node in conn.rows::<String>(sql::holds::REFUSED_NODES, &[id]).await? {
            self.resolve(Kind::NodeOutdated, &alone(page.as_str(), &node));
        }
        for statement in [sql::pages::CLEAR_RUNS, sql::pages::RESUMED, sql::holds::FORGIVE] {
            conn.run(statement, &[id]).await?;
        }
        Ok(())
    }
}

/// Whether nothing later is known of the platform's enforcement.
async fn news_of_policy(conn: &mut Conn, page: &PageId, at: Timestamp) -> Result<bool> {
    Ok(conn.run(sql::holds::ENFORCED, &[page.as_str().into(), at.ms().into()]).await? > 0)
}

/// The end of a hold, if it has one.
struct Until(Option<Timestamp>);

impl FromColumns for Until {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        Ok(Self(c.maybe_int()?.map(Timestamp::from_ms)))
    }
}

/// The cause of the alert that a node is alone with its credential. Its name without the process, which ends when the
/// fault is mended by a restart.
pub(in crate::store) fn alone(page: &str, node: &str) -> String {
    format!("{page}: {}", node.rsplit_once('-').map_or(node, |(host, _)| host))
}
