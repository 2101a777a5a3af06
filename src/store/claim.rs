//! Taking people to send to: the most urgent first, within the page's budget, fenced and leased.

use super::engine::{Columns, Conn, FromColumns, Value};
use super::error::Result;
use super::sql;
use crate::domain::budget::Budget;
use crate::domain::ids::{AttemptId, LoginId, OptInId, PageId};
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
    /// Store time; where the platform's clock is ahead, that.
    pub now: Timestamp,
    /// The window, for the hard stop and the lease.
    pub window: Window,
    /// The node's name.
    pub node: String,
    /// The fingerprint of the page's token.
    pub credential: String,
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
}

/// What a claim brought.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The people, most urgent first.
    pub claims: Vec<Claim>,
    /// When it is worth asking again, if the budget was the limit.
    pub next_at: Option<Timestamp>,
}

impl Claimed {
    pub(super) const NOTHING: Self = Self { claims: Vec::new(), next_at: None };
}

struct Taken {
    optin: OptInId,
    attempt: AttemptId,
    login: LoginId,
    opted_in_at: Timestamp,
    number: i64,
    locale: Option<String>,
}

/// A row of the claim: what the budget allows, a person, or both.
pub(super) struct Row {
    arrival_us: Option<i64>,
    starts: Option<i64>,
    taken: Option<Taken>,
}

impl Row {
    /// The row as a bare count: what the recording part of a script says before the claim's rows.
    pub(super) fn count(&self) -> usize {
        self.arrival_us.and_then(|count| usize::try_from(count).ok()).unwrap_or(0)
    }
}

impl FromColumns for Row {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        let (arrival_us, starts) = (c.maybe_int()?, c.maybe_int()?);
        let Some(optin) = c.maybe_int()? else { return Ok(Self { arrival_us, starts, taken: None }) };
        let taken = Taken {
            optin: OptInId(optin),
            attempt: AttemptId(c.int()?),
            login: LoginId::stored(c.text()?),
            opted_in_at: Timestamp::from_ms(c.int()?),
            number: c.int()?,
            locale: c.maybe_text()?.map(str::to_owned),
        };
        Ok(Self { arrival_us, starts, taken: Some(taken) })
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
    pub(super) fn values(&self) -> [Value<'_>; 9] {
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
        ]
    }

    /// What the statement's rows mean.
    pub(super) fn read(&self, rows: Vec<Row>) -> Claimed {
        let room = rows.first().and_then(|row| row.arrival_us.zip(row.starts));
        let Some((arrival, allowed)) = room else { return Claimed::NOTHING };
        let taken: Vec<Taken> = rows.into_iter().filter_map(|row| row.taken).collect();
        let spent = i64::try_from(taken.len()).unwrap_or(0) * self.budget.interval_us;
        self.claimed(taken, allowed, arrival + spent)
    }

    fn claimed(&self, mut taken: Vec<Taken>, allowed: i64, arrival_us: i64) -> Claimed {
        // RETURNING keeps no order.
        taken.sort_by_key(|taken| (taken.opted_in_at, taken.optin));
        let used_up = allowed < self.wanted() && i64::try_from(taken.len()).unwrap_or(i64::MAX) >= allowed;
        let next_at = used_up.then(|| self.budget.next_at(arrival_us, self.now));
        let claims = taken.into_iter().map(|taken| Claim {
            optin: taken.optin,
            attempt: taken.attempt,
            page: self.page.clone(),
            login: taken.login,
            opted_in_at: taken.opted_in_at,
            number: taken.number,
            locale: taken.locale,
        });
        Claimed { claims: claims.collect(), next_at }
    }
}

/// The claim on PostgreSQL: one statement, committed by itself.
pub(super) async fn on_postgres(conn: &mut Conn, wish: &Wish) -> Result<Claimed> {
    let rows = conn.rows::<Row>(sql::claim::WHOLE, &wish.values()).await?;
    Ok(wish.read(rows))
}
