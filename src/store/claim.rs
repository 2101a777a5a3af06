//! Taking people to send to: the most urgent first, within the page's budget, fenced and leased.

use super::engine::{Columns, Conn, FromColumns};
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
struct Row {
    arrival_us: Option<i64>,
    starts: Option<i64>,
    taken: Option<Taken>,
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

/// The claim: on PostgreSQL a statement that commits by itself, on SQLite a part of the caller's transaction.
pub(super) async fn claim(conn: &mut Conn, wish: &Wish) -> Result<Claimed> {
    let values = [
        wish.page.as_str().into(),
        wish.now.ms().into(),
        wish.cutoff().ms().into(),
        wish.wanted().into(),
        wish.budget.interval_us.into(),
        wish.budget.slack_us.into(),
        wish.lease_until().ms().into(),
        wish.node.as_str().into(),
        wish.credential.as_str().into(),
    ];
    let rows = conn.rows::<Row>(sql::claim::WHOLE, &values).await?;
    let room = rows.first().and_then(|row| row.arrival_us.zip(row.starts));
    let Some((arrival, allowed)) = room else { return Ok(Claimed::NOTHING) };
    let taken: Vec<Taken> = rows.into_iter().filter_map(|row| row.taken).collect();
    let spent = i64::try_from(taken.len()).unwrap_or(0) * wish.budget.interval_us;
    Ok(wish.claimed(taken, allowed, arrival + spent))
}
