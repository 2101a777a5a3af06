//! Taking people to send to: the most urgent first, within the page's budget, fenced and leased.

use std::time::Duration;

use super::engine::{Columns, Conn, FromColumns, Value};
use super::error::{Error, Result};
use super::sql;
use crate::domain::budget::Budget;
use crate::domain::ids::{AttemptId, LoginId, OptInId, PageId};
use crate::domain::reach::Reach;
use crate::domain::time::Timestamp;
use crate::domain::window::Window;

/// What a node asks for.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The page.
    pub page: PageId,
    /// How fast it may send.
    pub budget: Budget,
    /// No more than can start right now.
    pub most: usize,
    /// How far down the queue.
    pub reach: Reach,
    /// Store time; where the platform's clock is ahead, that.
    pub now: Timestamp,
    /// The window, for the hard stop and the lease.
    pub window: Window,
    /// The node's name.
    pub node: String,
    /// The fingerprint of the page's token and message.
    pub credential: String,
    /// Where this is the probe of a held page: under which hold.
    pub probe: Option<Probe>,
}

/// The wish to find out whether a held page can send again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// The hold's generation: a probe of an earlier one claims nobody.
    pub generation: i64,
    /// Whether somebody will do who was tried under this hold before.
    pub anybody: bool,
}

/// The right to one attempt for one person.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Whose.
    pub optin: OptInId,
    /// The attempt, and the fence.
    pub attempt: AttemptId,
    /// The page.
    pub page: PageId,
    /// The person.
    pub login: LoginId,
    /// When they opted in.
    pub opted_in_at: Timestamp,
    /// Which attempt of this consent, counted from 1.
    pub number: i64,
    /// Their locale.
    pub locale: Option<String>,
    /// How long after the claim's `now` their turn comes, by the page's budget.
    pub turn: Duration,
}

/// What a claim brought.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The people, most urgent first.
    pub claims: Vec<Claim>,
    /// When it is worth asking again, if the budget was the limit.
    pub next_at: Option<Timestamp>,
    /// Whether something stops the page: a hold, or a pause the platform asked for.
    pub stopped: bool,
}

impl Claimed {
    pub(super) const NOTHING: Self = Self { claims: Vec::new(), next_at: None, stopped: false };
}

/// A person taken, as the claim's JSON holds them.
#[derive(serde::Deserialize)]
struct Taken(i64, i64, Box<str>, i64, i64, Option<String>);

/// What the claim's statement says: when the page's next request is due after this, and who was taken.
pub(super) struct Row {
    arrival_us: i64,
    taken: Vec<Taken>,
}

impl Row {
    /// The row as a bare count: what the recording part of a script says before the claim does.
    pub(super) fn count(&self) -> usize {
        usize::try_from(self.arrival_us).unwrap_or(0)
    }
}

impl FromColumns for Row {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        let arrival_us = c.int()?;
        let taken = c.maybe_text()?.unwrap_or("[]");
        let taken = serde_json::from_str(taken)
            .map_err(|error| Error::Corrupt { what: format!("a claim's answer cannot be read: {error}") })?;
        Ok(Self { arrival_us, taken })
    }
}

impl Wish {
    fn wanted(&self) -> i64 {
        i64::try_from(self.most).unwrap_or(i64::MAX)
    }

    fn lease_until(&self) -> Timestamp {
        self.now.plus(self.window.lease())
    }

    fn cutoff(&self) -> Timestamp {
        self.window.cutoff(self.now)
    }

    /// The parameters of the claim's statement.
    pub(super) fn values(&self) -> [Value<'_>; 12] {
        [
            self.page.as_str().into(),
            self.now.ms().into(),
            self.cutoff().ms().into(),
            self.wanted().into(),
            self.budget.interval_us.into(),
            self.budget.slack_us.into(),
            self.lease_until().ms().into(),
            self.node.as_str().into(),
            self.credential.as_str().into(),
            self.reach.end().ms().into(),
            self.reach.fresh.ms().into(),
            self.probe.map_or(0, |probe| if probe.anybody { -probe.generation } else { probe.generation }).into(),
        ]
    }

    /// What the statement's row means; none means that something stops the page.
    pub(super) fn read(&self, row: Option<Row>) -> Claimed {
        let Some(Row { arrival_us, mut taken }) = row else { return Claimed { stopped: true, ..Claimed::NOTHING } };
        // Neither RETURNING nor an aggregate keeps an order.
        taken.sort_unstable_by_key(|taken| (taken.3, taken.0));
        let next_at = self.budget.next_at(arrival_us, self.now);
        let used_up = taken.len() < self.most && next_at > self.now;
        let count = taken.len();
        let people = taken.into_iter().enumerate();
        let claims = people.map(|(nth, Taken(optin, attempt, login, opted_in_at, number, locale))| Claim {
            optin: OptInId(optin),
            attempt: AttemptId(attempt),
            page: self.page.clone(),
            login: LoginId::stored(&login),
            opted_in_at: Timestamp::from_ms(opted_in_at),
            number,
            locale,
            turn: self.budget.turn(arrival_us, self.now, nth, count),
        });
        Claimed { claims: claims.collect(), next_at: used_up.then_some(next_at), stopped: false }
    }
}

/// The claim on PostgreSQL: one statement, committed by itself.
pub(super) async fn on_postgres(conn: &mut Conn, wish: &Wish) -> Result<Claimed> {
    Ok(wish.read(conn.row(sql::claim::WHOLE, &wish.values()).await?))
}
