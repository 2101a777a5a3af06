//! Floor 2: the store. Every SQL statement of the program is below here, and nothing else speaks to the database.
//!
//! | file | holds |
//! |---|---|
//! | [`mod@open`] | connections, migrations, the daemon's lock |
//! | `engine` `batch` `columns` `row` | the seam between SQLite and PostgreSQL; rows and values |
//! | `session` | a PostgreSQL connection: time-outs, and what a pooler wants |
//! | `suspicion` | what one dead connection says of the others |
//! | `kept` | connections kept in hand from one use to the next |
//! | `sql/` `prepare` | all statements; whether the database understands them |
//! | `group` `errand` | the queues behind which transactions are shared, and other work in them |
//! | `express` | the commonest of both in one trip: acceptances recorded, the next people claimed |
//! | `desk/` | signals applied to rows: the one road by which an opt-in changes |
//! | [`claim`] | the other road: taking people to send to |
//! | [`scan`] | whose time has come |
//! | [`erase`] | what a person's request leaves of them |
//! | [`report`] | what an operator wants to know |
//! | [`doubt`] [`echoes`] | attempts of unknown end; what silence is worth |
//! | [`lineage`] | whether the database is the one it was |
//! | [`standing`] | whether this process may claim here |
//! | [`alerts`] [`outbox`] | what an operator must hear of; what waits to be told to them and to the site |
//! | [`holds`] | what holds pages, and when they are probed |
//! | [`health`] | engine, last webhook, latest failure |
//! | [`ticks`] [`batches`] | the runs of jobs, and the batches they send |
//! | [`backlog`] [`tally`] | who still waits, for the forecast; what a time brought |
//! | [`work`] | the bell that wakes delivery here and on other nodes |
//!
//! Methods speak the domain's words and take `now`. What a method returned `Ok` for was committed and flushed.

pub mod alerts;
pub mod backlog;
mod batch;
pub mod batches;
pub mod claim;
mod columns;
mod desk;
pub mod doubt;
pub mod echoes;
mod engine;
pub mod erase;
mod errand;
mod error;
mod express;
mod group;
pub mod health;
pub mod holds;
mod kept;
pub mod lineage;
pub mod open;
pub mod outbox;
mod prepare;
pub mod report;
mod row;
pub mod scan;
mod session;
mod sql;
pub mod standing;
mod suspicion;
pub mod tally;
pub mod ticks;
pub mod work;

use std::collections::HashSet;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, RwLock};

use sqlx::postgres::PgConnectOptions;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use claim::{Claimed, Wish};
use desk::Rules;
use engine::{Conn, Pool};
pub use error::{Error, Result};
use group::{Desks, Lane};
pub use open::{Access, DaemonLock, lock_for_daemon};
use work::Work;

use crate::domain::ids::PageId;
use crate::domain::keyed::StoreKey;
use crate::domain::policy::Policy;
use crate::domain::signal::{Receipt, Signal};
use crate::domain::site;
use crate::domain::time::Timestamp;
use crate::domain::token::Tokens;

/// The opt-ins and all that is known about them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pool: Pool,
    rules: Arc<RwLock<Arc<Rules>>>,
    work: Arc<Work>,
    tokens: Tokens,
    intake: Lane,
    attempts: Lane,
    /// When a webhook was last noted, in milliseconds.
    webhook_noted: Arc<AtomicI64>,
    intake_times: Arc<echoes::Intake>,
}

impl Store {
    /// Opens a database (a URL, `sqlite://path` or `postgres://..`, says where), migrating it if need be.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where waiting may help, [`Error::Unfit`] where it will not.
    pub async fn open(access: impl Into<Access>) -> Result<Self> {
        Self::on(open::open(&access.into()).await?).await
    }

    /// Opens the database to read it: it is neither made nor migrated, and nothing can be written.
    ///
    /// # Errors
    /// As [`open`](Self::open), and where its schema is not this version's.
    pub async fn open_to_read(access: impl Into<Access>) -> Result<Self> {
        Self::on(open::open_to_read(&access.into()).await?).await
    }

    async fn on(pool: Pool) -> Result<Self> {
        let mut conn = pool.reader().await?;
        let key = store_key(&mut conn).await?;
        drop(conn);
        let rules = Rules { policy: Policy::default(), pages: HashSet::new(), key: key.clone(), site: Vec::new() };
        let rules = Arc::new(RwLock::new(Arc::new(rules)));
        let work = Arc::new(Work::new());
        let desks = Desks { pool: pool.clone(), rules: Arc::clone(&rules), work: Arc::clone(&work) };
        let intake = Lane::start(desks.clone());
        let attempts = if matches!(pool, Pool::Sqlite { .. }) { intake.clone() } else { Lane::start(desks) };
        Ok(Self {
            pool,
            rules,
            work,
            tokens: Tokens::new(&key),
            intake,
            attempts,
            webhook_noted: Arc::default(),
            intake_times: Arc::default(),
        })
    }

    /// Says under which policy rows change, and which pages are configured; makes sure each page has its row.
    pub async fn govern(&self, policy: Policy, pages: impl IntoIterator<Item = PageId>) -> Result<()> {
        let pages: HashSet<PageId> = pages.into_iter().collect();
        let mut ids: Vec<String> = pages.iter().map(ToString::to_string).collect();
        ids.sort_unstable();
        self.rule(|rules| Rules { policy, pages, ..rules });
        self.intake
            .errand(move |conn| {
                Box::pin(async move {
                    for id in &ids {
                        conn.run(sql::pages::ENSURE, &[id.as_str().into()]).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Says what the site is told of its opt-ins from now on: queued in the transaction in which it happens.
    pub fn tell_site(&self, events: Vec<site::Event>) {
        self.rule(|rules| Rules { site: events, ..rules });
    }

    /// Applies what came in from outside, or what time and operators ask for. One receipt for each signal, in order.
    pub async fn apply(&self, signals: Vec<Signal>, now: Timestamp) -> Result<Vec<Receipt>> {
        self.intake.apply(signals, now).await
    }

    /// Applies what attempts report; apart from [`apply`](Self::apply), so that neither waits for the other's group.
    pub async fn record(&self, signals: Vec<Signal>, now: Timestamp) -> Result<Vec<Receipt>> {
        self.attempts.apply(signals, now).await
    }

    /// Takes people to send to. Nothing of their requests may leave before this returns `Ok`.
    pub async fn claim(&self, wish: Wish) -> Result<Claimed> {
        match &self.pool {
            Pool::Sqlite { .. } => self.attempts.claim(wish).await,
            Pool::Postgres(_) => {
                let mut conn = self.pool.writer().await?;
                let claimed = claim::on_postgres(&mut conn, &wish).await;
                self.pool.keep(conn);
                claimed
            }
        }
    }

    /// Says that much will be written: SQLite's writer gets more memory, and writes pages back less often.
    pub async fn expect_bulk(&self) -> Result<()> {
        self.intake
            .errand(|conn| {
                Box::pin(async move {
                    for pragma in open::BULK.into_iter().filter(|_| !conn.is_postgres()).collect::<Vec<_>>() {
                        conn.word(pragma).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// The bell of this store.
    #[must_use]
    pub fn work(&self) -> &Arc<Work> {
        &self.work
    }

    /// The tokens of this store's attempts.
    #[must_use]
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// The policy rows change under.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.rules().policy
    }

    /// Whether several nodes may share this database.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(self.pool, Pool::Postgres(_))
    }

    /// Listens to other nodes, where there can be any, until told to stop. Behind a pooler nobody can listen; polling
    /// carries on alone.
    pub fn listen(&self, tracker: &TaskTracker, stop: CancellationToken) {
        if let Pool::Postgres(sessions) = &self.pool
            && !sessions.pooled()
        {
            let options = PgConnectOptions::clone(&sessions.pool().connect_options());
            tracker.spawn(work::listen(options, Arc::clone(&self.work), stop));
        }
    }

    /// The database's clock.
    pub async fn time(&self) -> Result<Timestamp> {
        let mut conn = self.pool.reader().await?;
        Ok(Timestamp::from_ms(conn.row::<i64>(sql::system::NOW, &[]).await?.unwrap_or_default()))
    }

    /// Closes every connection; what is under way is finished first.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    fn rule(&self, change: impl FnOnce(Rules) -> Rules) {
        let mut rules = self.rules.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        *rules = Arc::new(change(rules.as_ref().clone()));
    }

    fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

async fn store_key(conn: &mut Conn) -> Result<StoreKey> {
    let text: Option<String> = conn.row(sql::system::SETTING, &["store_key".into()]).await?;
    let bytes = text.and_then(|text| hex::decode(text).ok()).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    bytes.map(StoreKey::new).ok_or_else(|| {
        Error::Unfit(
            "the table settings has lost its store_key; restore it from a backup, or no tombstone can be read".into(),
        )
    })
}

#[cfg(test)]
mod tests;
