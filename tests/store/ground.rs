//! What the cases stand on: a store on a fresh database, a second way into it by raw SQL, and short words.

use std::time::Duration;

use sqlx::{AssertSqlSafe, PgPool, SqlitePool};

use firstword::domain::budget::Budget;
use firstword::domain::ids::{AttemptId, LoginId, OptInId, PageId, Psid};
use firstword::domain::optin::{OptIn, State};
use firstword::domain::outcome::{Ending, Outcome};
use firstword::domain::policy::Policy;
use firstword::domain::reach::Reach;
use firstword::domain::signal::{Links, NewOptIn, Receipt, Sign, Signal, Source, Tick};
use firstword::domain::time::Timestamp;
use firstword::domain::window::Window;
use firstword::store::Store;
use firstword::store::claim::{Claim, Probe, Wish};

/// When most cases happen.
pub(crate) const NOW: Timestamp = Timestamp::from_ms(1_790_000_000_000);
/// As fast as anybody likes.
pub(crate) const PLENTY: Budget = Budget { interval_us: 1, slack_us: 1_000_000_000 };

pub(crate) struct Ground {
    pub(crate) store: Store,
    pub(crate) url: String,
    raw: Raw,
    _dir: Option<tempfile::TempDir>,
}

enum Raw {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Ground {
    pub(crate) async fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/firstword.db", dir.path().display());
        let store = Self::governed(&url).await;
        let raw = Raw::Sqlite(SqlitePool::connect(&url).await.unwrap());
        Self { store, url, raw, _dir: Some(dir) }
    }

    pub(crate) async fn postgres() -> Self {
        let url = crate::support::postgres().await;
        let store = Self::governed(&url).await;
        let raw = Raw::Postgres(PgPool::connect(&url).await.unwrap());
        Self { store, url, raw, _dir: None }
    }

    async fn governed(url: &str) -> Store {
        let store = Store::open(url).await.unwrap();
        store.govern(Policy::default(), [page()]).await.unwrap();
        store
    }

    /// Another node on the same database; on SQLite, the command line beside the daemon.
    pub(crate) async fn node(&self) -> Store {
        Self::governed(&self.url).await
    }

    /// The URL of a database beside this one that holds nothing.
    pub(crate) async fn empty(&self) -> String {
        match &self.raw {
            Raw::Sqlite(_) => self.url.replace("firstword.db", "empty.db"),
            Raw::Postgres(_) => {
                let name = self.url.split(['/', '?']).nth(3).unwrap();
                self.sql(&format!("CREATE DATABASE {name}_empty")).await;
                self.url.replace(name, &format!("{name}_empty"))
            }
        }
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        matches!(self.raw, Raw::Sqlite(_))
    }

    /// Says the first text to SQLite, the second to PostgreSQL.
    pub(crate) fn either<'t>(&self, sqlite: &'t str, postgres: &'t str) -> &'t str {
        if self.is_sqlite() { sqlite } else { postgres }
    }

    pub(crate) async fn try_sql(&self, text: &str) -> sqlx::Result<u64> {
        let query = sqlx::raw_sql(AssertSqlSafe(text.to_owned()));
        Ok(match &self.raw {
            Raw::Sqlite(pool) => query.execute(pool).await?.rows_affected(),
            Raw::Postgres(pool) => query.execute(pool).await?.rows_affected(),
        })
    }

    pub(crate) async fn sql(&self, text: &str) -> u64 {
        self.try_sql(text).await.unwrap()
    }

    pub(crate) async fn number(&self, text: &str) -> Option<i64> {
        let text = AssertSqlSafe(text.to_owned());
        match &self.raw {
            Raw::Sqlite(pool) => sqlx::query_scalar(text).fetch_one(pool).await.unwrap(),
            Raw::Postgres(pool) => sqlx::query_scalar(text).fetch_one(pool).await.unwrap(),
        }
    }

    pub(crate) async fn text(&self, text: &str) -> Option<String> {
        let text = AssertSqlSafe(text.to_owned());
        match &self.raw {
            Raw::Sqlite(pool) => sqlx::query_scalar(text).fetch_one(pool).await.unwrap(),
            Raw::Postgres(pool) => sqlx::query_scalar(text).fetch_one(pool).await.unwrap(),
        }
    }

    /// Locks a row by a transaction of somebody else for a while. SQLite has one writer: there it locks everything.
    pub(crate) async fn hog(&self, id: OptInId, time: Duration) {
        let Raw::Postgres(pool) = &self.raw else { panic!("only PostgreSQL locks rows") };
        let mut conn = pool.acquire().await.unwrap();
        let lock = format!("BEGIN; SELECT id FROM optins WHERE id = {id} FOR UPDATE");
        sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut *conn).await.unwrap();
        tokio::time::sleep(time).await;
        sqlx::raw_sql("ROLLBACK").execute(&mut *conn).await.unwrap();
    }

    pub(crate) async fn apply_at(&self, signal: Signal, now: Timestamp) -> Receipt {
        self.store.apply(vec![signal], now).await.unwrap()[0]
    }

    pub(crate) async fn apply(&self, signal: Signal) -> Receipt {
        self.apply_at(signal, NOW).await
    }

    pub(crate) async fn record(&self, signal: Signal) -> Receipt {
        self.store.record(vec![signal], NOW).await.unwrap()[0]
    }

    /// Somebody who opted in just now.
    pub(crate) async fn somebody(&self, name: &str) -> OptInId {
        created(self.apply(opt_in(name, NOW)).await)
    }

    pub(crate) async fn row(&self, id: OptInId) -> OptIn {
        self.store.optin(id).await.unwrap().unwrap()
    }

    pub(crate) async fn state(&self, id: OptInId) -> State {
        self.row(id).await.state
    }

    pub(crate) async fn claim_at(&self, most: usize, now: Timestamp) -> Vec<Claim> {
        self.store.claim(wish(most, now)).await.unwrap().claims
    }

    /// The person by whom a held page is probed, if it is time to: what delivery does once the platform answers.
    pub(crate) async fn probe_at(&self, now: Timestamp) -> Vec<Claim> {
        let Some(held) = self.store.held(&page(), now).await.unwrap().filter(|held| held.probe_at <= now) else {
            return Vec::new();
        };
        for anybody in [false, true] {
            let probe = Some(Probe { generation: held.generation, anybody });
            let claims = self.store.claim(Wish { probe, ..wish(9, now) }).await.unwrap().claims;
            if !claims.is_empty() {
                return claims;
            }
        }
        Vec::new()
    }

    /// Somebody who opted in just now, and the right to send to them.
    pub(crate) async fn claimed(&self, name: &str) -> Claim {
        let id = self.somebody(name).await;
        let claims = self.claim_at(100, NOW).await;
        claims.into_iter().find(|claim| claim.optin == id).unwrap()
    }

    /// Somebody who was sent a message.
    pub(crate) async fn greeted(&self, name: &str, message_id: &str) -> Claim {
        let claim = self.claimed(name).await;
        self.record(ended(&claim, accepted(message_id))).await;
        claim
    }
}

pub(crate) fn page() -> PageId {
    PageId::new("1001").unwrap()
}

pub(crate) fn login(name: &str) -> LoginId {
    LoginId::new(name).unwrap()
}

pub(crate) fn psid(name: &str) -> Psid {
    Psid::new(name).unwrap()
}

pub(crate) fn later(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

pub(crate) fn created(receipt: Receipt) -> OptInId {
    let Receipt::Created(id) = receipt else { panic!("{receipt:?}") };
    id
}

pub(crate) fn new(name: &str, at: Timestamp) -> NewOptIn {
    let (page, login) = (page(), login(name));
    NewOptIn { page, login, at: Some(at), locale: None, reference: None, source: Source::Webhook }
}

pub(crate) fn opt_in(name: &str, at: Timestamp) -> Signal {
    Signal::OptIn(new(name, at))
}

pub(crate) fn wish(most: usize, now: Timestamp) -> Wish {
    let (node, credential) = ("here".to_owned(), "token-1".to_owned());
    let (window, reach) = (Window::default(), Reach::EVERYBODY);
    Wish { page: page(), budget: PLENTY, most, reach, now, window, node, credential, probe: None }
}

pub(crate) fn accepted(message_id: &str) -> Outcome {
    Outcome::Accepted { message_id: message_id.to_owned(), psid: None }
}

pub(crate) fn ended(claim: &Claim, outcome: Outcome) -> Signal {
    Signal::Attempt { optin: claim.optin, attempt: claim.attempt, ending: Some(Ending::bare(outcome)) }
}

pub(crate) fn tick(optin: OptInId, tick: Tick) -> Signal {
    Signal::Time { optin, tick }
}

pub(crate) fn said(sign: Sign, links: Links) -> Signal {
    Signal::Person { page: page(), sign, links, at: NOW }
}

pub(crate) fn by_login(name: &str) -> Links {
    Links { logins: vec![login(name)], ..Links::default() }
}

pub(crate) fn by_psid(name: &str) -> Links {
    Links { psid: Some(psid(name)), ..Links::default() }
}

pub(crate) fn by_attempt(attempt: AttemptId) -> Links {
    Links { attempts: vec![attempt], ..Links::default() }
}

pub(crate) fn by_message(id: &str) -> Links {
    Links { message_ids: vec![id.to_owned()], ..Links::default() }
}
