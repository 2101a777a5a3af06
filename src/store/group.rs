//! Group commit: what arrives together shares a transaction.
//!
//! A *lane* is a queue with one task behind it, which owns every transaction it begins: a caller that is dropped while
//! it waits (a webhook whose peer hung up) loses the answer, never the transaction half-way. On SQLite there is one
//! lane, because there is one writer; on PostgreSQL there are two, one for intake and one for attempts, so that a
//! group is of one kind. A group that is refused is taken apart and retried one by one: a bad item fails alone.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::claim::{Claimed, Wish};
use super::desk::{self, News, Rules};
use super::engine::{Conn, Pool};
use super::errand::{Anything, Done, Errand, Errands, Finished, OnConn, run_errands};
use super::error::{Error, Result};
use super::sql;
use super::work::Work;
use crate::domain::signal::{Receipt, Signal};
use crate::domain::time::Timestamp;

/// The most signals in one transaction.
const MOST_SIGNALS: usize = 4096;
/// The most callers in one transaction.
const MOST_JOBS: usize = 1024;
/// How often a group that met another transaction's rows looks again.
const CONFLICTS: usize = 5;

/// How many callers in a row may fail for the database's reasons before the rest are told without a try.
const PATIENCE: usize = 2;

enum Job {
    Apply { signals: Vec<Signal>, now: Timestamp, done: oneshot::Sender<Result<Vec<Receipt>>> },
    Claim { wish: Wish, done: oneshot::Sender<Result<Claimed>> },
    Errand { run: Errand, done: Done },
}

/// A way into a lane.
#[derive(Debug, Clone)]
pub(super) struct Lane {
    jobs: mpsc::Sender<Job>,
}

/// What a lane's task works with.
#[derive(Clone)]
pub(super) struct Desks {
    pub(super) pool: Pool,
    pub(super) rules: Arc<std::sync::RwLock<Arc<Rules>>>,
    pub(super) work: Arc<Work>,
}

impl Lane {
    /// Starts a lane. Its task ends when the last way into it is dropped.
    #[expect(
        clippy::disallowed_methods,
        reason = "the task must outlive every caller, so that no transaction is cut in half"
    )]
    pub(super) fn start(desks: Desks) -> Self {
        let (jobs, queue) = mpsc::channel(MOST_JOBS);
        tokio::spawn(run(desks, queue));
        Self { jobs }
    }

    pub(super) async fn apply(&self, signals: Vec<Signal>, now: Timestamp) -> Result<Vec<Receipt>> {
        let (done, answer) = oneshot::channel();
        self.jobs.send(Job::Apply { signals, now, done }).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }

    /// Runs other work on the writing connection, inside a group's transaction; undone alone where it fails.
    pub(super) async fn errand<T, F>(&self, run: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Conn) -> OnConn<'c, T> + Send + 'static,
    {
        let (done, answer) = oneshot::channel();
        let run: Errand =
            Box::new(move |conn| Box::pin(async move { run(conn).await.map(|value| Box::new(value) as Anything) }));
        self.jobs.send(Job::Errand { run, done }).await.map_err(|_| Error::Closed)?;
        let value = answer.await.map_err(|_| Error::Closed)??;
        value.downcast().map(|value| *value).map_err(|_| Error::Closed)
    }

    /// Takes people to send to, inside a group's transaction.
    pub(super) async fn claim(&self, wish: Wish) -> Result<Claimed> {
        let (done, answer) = oneshot::channel();
        self.jobs.send(Job::Claim { wish, done }).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }
}

async fn run(desks: Desks, mut queue: mpsc::Receiver<Job>) {
    let mut jobs = Vec::new();
    while queue.recv_many(&mut jobs, MOST_JOBS).await > 0 {
        let (mut applies, mut claims, mut errands) = (Vec::new(), Vec::new(), Vec::new());
        for job in jobs.drain(..) {
            match job {
                Job::Apply { signals, now, done } => applies.push(Apply { signals, now, done }),
                Job::Claim { wish, done } => claims.push((wish, done)),
                Job::Errand { run, done } => errands.push((run, done)),
            }
        }
        let applies = desks.express(applies, &mut claims).await;
        desks.group(applies, errands).await;
        for (wish, done) in claims {
            _ = done.send(desks.claim(&wish).await);
        }
    }
}

/// Somebody who waits for receipts.
pub(super) struct Apply {
    pub(super) signals: Vec<Signal>,
    pub(super) now: Timestamp,
    pub(super) done: oneshot::Sender<Result<Vec<Receipt>>>,
}

/// Somebody who waits for people to send to.
pub(super) type Claims = Vec<(Wish, oneshot::Sender<Result<Claimed>>)>;

impl Desks {
    /// Everything that waited, in as few transactions as it takes.
    async fn group(&self, applies: Vec<Apply>, errands: Errands) {
        let mut applies = applies.into_iter().peekable();
        let mut errands = Some(errands).filter(|errands| !errands.is_empty());
        while applies.peek().is_some() || errands.is_some() {
            let mut group: Vec<Apply> = Vec::new();
            let mut signals = 0;
            while let Some(next) =
                applies.next_if(|next| group.is_empty() || signals + next.signals.len() <= MOST_SIGNALS)
            {
                signals += next.signals.len();
                group.push(next);
            }
            self.commit(group, errands.take().unwrap_or_default()).await;
        }
    }

    /// One transaction. Where it is refused, each caller gets one of their own.
    async fn commit(&self, group: Vec<Apply>, errands: Errands) {
        let (signals, now) = merged(&group);
        match self.transaction(&signals, now, errands).await {
            Ok((receipts, finished)) => answer(group, receipts, finished),
            Err((error, errands)) => self.apart(group, errands, error).await,
        }
    }

    /// A transaction for each, so that a bad item fails alone; but where it is the database that fails, everybody is
    /// told at once: a thousand callers must not wait for a thousand time-outs.
    async fn apart(&self, group: Vec<Apply>, errands: Errands, mut error: Error) {
        let alone = group.len() + errands.len() <= 1;
        let hopeful = !alone && (error.concerns_one() || error.is_timeout());
        let mut failures = if hopeful { 0 } else { PATIENCE };
        let applies = group.into_iter().map(|one| (vec![one], Errands::new()));
        let jobs = applies.chain(errands.into_iter().map(|one| (Vec::new(), vec![one])));
        for (group, errands) in jobs {
            if failures >= PATIENCE {
                refuse(group, errands, &error);
                continue;
            }
            let (signals, now) = merged(&group);
            match self.transaction(&signals, now, errands).await {
                Ok((receipts, finished)) => {
                    failures = 0;
                    answer(group, receipts, finished);
                }
                Err((cause, errands)) => {
                    refuse(group, errands, &cause);
                    if !cause.concerns_one() {
                        failures += if cause.is_timeout() { 1 } else { PATIENCE };
                        error = cause;
                    }
                }
            }
        }
    }

    /// Applies signals and runs errands in one transaction. An errand that fails fails alone, before the commit.
    /// Errands that come back with an error have not run.
    async fn transaction(
        &self,
        signals: &[Signal],
        now: Timestamp,
        errands: Errands,
    ) -> std::result::Result<(Vec<Receipt>, Finished), (Error, Errands)> {
        let (mut conn, receipts, news) = match self.applied(signals, now).await {
            Ok(applied) => applied,
            Err(error) => return Err((error, errands)),
        };
        let ran = run_errands(&mut conn, errands).await;
        let ended = async {
            ran.broken?;
            tell_nodes(&mut conn, &news).await?;
            conn.word("COMMIT").await
        };
        if let Err(error) = ended.await {
            // Whether it was committed is not known: the connection is of no more use, and nobody is told it was.
            conn.discard().await;
            for (_, done) in ran.finished {
                _ = done.send(Err(error.again()));
            }
            return Err((error, ran.waiting));
        }
        self.pool.keep(conn);
        self.work.announce(news);
        Ok((receipts, ran.finished))
    }

    /// Begins a transaction and applies signals in it; begins again where another transaction was in the way.
    async fn applied(&self, signals: &[Signal], now: Timestamp) -> Result<(Conn, Vec<Receipt>, News)> {
        let rules = self.rules();
        let mut conn = self.begun().await?;
        let mut tries = 0;
        loop {
            tries += 1;
            if tries > 1
                && let Err(error) = conn.begin().await
            {
                conn.discard().await;
                return Err(error);
            }
            let error = match desk::apply(&mut conn, &rules, now, signals).await {
                Ok((receipts, news)) => return Ok((conn, receipts, news)),
                Err(error) => error,
            };
            if conn.word("ROLLBACK").await.is_err() {
                conn.discard().await;
                return Err(error);
            }
            if !matches!(error, Error::Conflict) || tries > CONFLICTS {
                return Err(error);
            }
        }
    }

    /// A connection with a transaction begun. One that idled may have died unnoticed; nothing was asked of it yet, so
    /// another is tried, once.
    async fn begun(&self) -> Result<Conn> {
        let mut conn = self.pool.writer().await?;
        let Err(error) = conn.begin().await else { return Ok(conn) };
        let again = conn.is_postgres();
        conn.discard().await;
        if !again {
            return Err(error);
        }
        let mut conn = self.pool.writer().await?;
        match conn.begin().await {
            Ok(()) => Ok(conn),
            Err(error) => {
                conn.discard().await;
                Err(error)
            }
        }
    }

    pub(super) fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

pub(super) async fn tell_nodes(conn: &mut Conn, news: &News) -> Result<()> {
    if !conn.is_postgres() {
        return Ok(());
    }
    for message in super::work::messages(news) {
        conn.rows::<Ignored>(sql::system::NOTIFY, &[message.as_str().into()]).await?;
    }
    Ok(())
}

/// A row nobody reads.
struct Ignored;

impl super::engine::FromColumns for Ignored {
    fn read(_: &mut super::engine::Columns<'_>) -> Result<Self> {
        Ok(Self)
    }
}

fn answer(group: Vec<Apply>, receipts: Vec<Receipt>, finished: Finished) {
    let mut receipts = receipts.into_iter();
    for one in group {
        let count = one.signals.len();
        _ = one.done.send(Ok(receipts.by_ref().take(count).collect()));
    }
    for (value, done) in finished {
        _ = done.send(Ok(value));
    }
}

fn refuse(group: Vec<Apply>, errands: Errands, error: &Error) {
    for one in group {
        _ = one.done.send(Err(error.again()));
    }
    for (_, done) in errands {
        _ = done.send(Err(error.again()));
    }
}

/// Everybody's signals, at the latest of their times.
fn merged(group: &[Apply]) -> (Vec<Signal>, Timestamp) {
    (group.iter().flat_map(|one| one.signals.iter().cloned()).collect(), latest(group))
}

/// The latest of their times.
pub(super) fn latest(group: &[Apply]) -> Timestamp {
    group.iter().map(|one| one.now).max().unwrap_or_default()
}
