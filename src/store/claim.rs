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

impl FromColumns for Taken {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            optin: OptInId(c.int()?),
            attempt: AttemptId(c.int()?),
            login: LoginId::stored(c.text()?),
            opted_in_at: Timestamp::from_ms(c.int()?),
            number: c.int()?,
            locale: c.maybe_text()?.map(str::to_owned),
        })
    }
}

/// A row of the whole claim: the budget, and a person if there is one.
struct Room {
    arrival_us: i64,
    starts: i64,
    taken: Option<Taken>,
}

impl FromColumns for Room {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        let (arrival_us, starts) = (c.int()?, c.int()?);
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

/// The claim on SQLite, inside the caller's transaction.
pub(super) async fn on_sqlite(conn: &mut Conn, wish: &Wish) -> Result<Claimed> {
    let now = wish.now.ms();
    let page = wish.page.as_str();
    let Some(arrival_us) = conn.row::<i64>(sql::claim::PAGE, &[page.into(), now.into()]).await? else {
        return Ok(Claimed::NOTHING);
    };
    let allowed = wish.budget.take(arrival_us, wish.now, wish.wanted()).count;
    let cutoff = wish.cutoff().ms();
    let mut taken = Vec::new();
    if allowed > 0 {
        let (node, credential) = (wish.node.as_str(), wish.credential.as_str());
        let values = [page.into(), cutoff.into(), allowed.into(), node.into(), credential.into(), now.into()];
        let fences = conn.rows::<i64>(sql::claim::ATTEMPTS, &values).await?;
        if let Some(first) = fences.into_iter().min() {
            let lease = wish.lease_until().ms();
            let values = [first.into(), now.into(), lease.into(), page.into(), cutoff.into()];
            taken = conn.rows::<Taken>(sql::claim::TAKE, &values).await?;
        }
    }
    let spent = wish.budget.take(arrival_us, wish.now, i64::try_from(taken.len()).unwrap_or(0));
    if spent.count > 0 {
        conn.run(sql::claim::SPEND, &[page.into(), spent.arrival_us.into()]).await?;
    }
    Ok(wish.claimed(taken, allowed, spent.arrival_us))
}

/// The claim on PostgreSQL: one statement, committed by itself.
pub(super) async fn on_postgres(conn: &mut Conn, wish: &Wish) -> Result<Claimed> {
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
    let rows = conn.rows::<Room>(sql::claim::WHOLE, &values).await?;
    let Some((allowed, arrival)) = rows.first().map(|room| (room.starts, room.arrival_us)) else {
        return Ok(Claimed::NOTHING);
    };
    let taken: Vec<Taken> = rows.into_iter().filter_map(|room| room.taken).collect();
    let spent = i64::try_from(taken.len()).unwrap_or(0) * wish.budget.interval_us;
    Ok(wish.claimed(taken, allowed, arrival + spent))
}
