//! Group commit: what arrives together shares a transaction.
//!
//! A *lane* is a queue with one task behind it, which owns every transaction it begins: a caller that is dropped while
//! it waits (a webhook whose peer hung up) loses the answer, never the transaction half-way. On SQLite there is one
//! lane, because there is one writer; on PostgreSQL there are two, one for intake and one for attempts, so that a
//! group is of one kind. A group that is refused is taken apart and retried one by one: a bad item fails alone.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::desk::{self, News, Rules};
use super::engine::{Conn, Pool};
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

/// A future on a borrowed connection.
pub(super) type OnConn<'c, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'c>>;
type Errand = Box<dyn for<'c> FnOnce(&'c mut Conn) -> OnConn<'c, Box<dyn Any + Send>> + Send>;

enum Job {
    Apply { signals: Vec<Signal>, now: Timestamp, done: oneshot::Sender<Result<Vec<Receipt>>> },
    Errand { run: Errand, done: oneshot::Sender<Result<Box<dyn Any + Send>>> },
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

    /// Runs other work on the writing connection, inside a group's transaction.
    pub(super) async fn errand<T, F>(&self, run: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Conn) -> OnConn<'c, T> + Send + 'static,
    {
        let (done, answer) = oneshot::channel();
        let run: Errand = Box::new(move |conn| {
            Box::pin(async move { run(conn).await.map(|value| Box::new(value) as Box<dyn Any + Send>) })
        });
        self.jobs.send(Job::Errand { run, done }).await.map_err(|_| Error::Closed)?;
        let value = answer.await.map_err(|_| Error::Closed)??;
        value.downcast().map(|value| *value).map_err(|_| Error::Closed)
    }
}

async fn run(desks: Desks, mut queue: mpsc::Receiver<Job>) {
    let mut jobs = Vec::new();
    while queue.recv_many(&mut jobs, MOST_JOBS).await > 0 {
        let (mut applies, mut errands) = (Vec::new(), Vec::new());
        for job in jobs.drain(..) {
            match job {
                Job::Apply { signals, now, done } => applies.push(Apply { signals, now, done }),
                Job::Errand { run, done } => errands.push((run, done)),
            }
        }
        desks.group(applies, errands).await;
    }
}

struct Apply {
    signals: Vec<Signal>,
    now: Timestamp,
    done: oneshot::Sender<Result<Vec<Receipt>>>,
}

type Errands = Vec<(Errand, oneshot::Sender<Result<Box<dyn Any + Send>>>)>;

impl Desks {
    /// Everything that waited, in as few transactions as it takes.
    async fn group(&self, applies: Vec<Apply>, errands: Errands) {
        let mut applies = applies.into_iter().peekable();
        let mut errands = Some(errands);
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
            Err((error, errands)) => self.apart(group, errands.unwrap_or_default(), error).await,
        }
    }

    async fn apart(&self, group: Vec<Apply>, errands: Errands, error: Error) {
        let mut error = Some(error);
        let alone = group.len() + errands.len() == 1;
        for one in group {
            let refused = match error.take_if(|_| alone) {
                Some(error) => Err((error, None)),
                None => self.transaction(&one.signals, one.now, Vec::new()).await,
            };
            _ = one.done.send(refused.map(|(receipts, _)| receipts).map_err(|(error, _)| error));
        }
        for errand in errands {
            let refused = match error.take_if(|_| alone) {
                Some(error) => Err((error, Some(vec![errand]))),
                None => self.transaction(&[], Timestamp::default(), vec![errand]).await,
            };
            match refused {
                Ok((_, finished)) => answer(Vec::new(), Vec::new(), finished),
                Err((error, errand)) => {
                    if let Some((_, done)) = errand.into_iter().flatten().next() {
                        _ = done.send(Err(error));
                    }
                }
            }
        }
    }

    /// Applies signals and runs errands in one transaction. An errand that fails fails alone, before the commit.
    async fn transaction(
        &self,
        signals: &[Signal],
        now: Timestamp,
        errands: Errands,
    ) -> std::result::Result<(Vec<Receipt>, Finished), (Error, Option<Errands>)> {
        let rules = self.rules();
        let mut conn = match self.pool.writer().await {
            Ok(conn) => conn,
            Err(error) => return Err((error, Some(errands))),
        };
        let mut tries = 0;
        let (receipts, news) = loop {
            tries += 1;
            if let Err(error) = conn.begin().await {
                conn.discard().await;
                return Err((error, Some(errands)));
            }
            match desk::apply(&mut conn, &rules, now, signals).await {
                Ok(applied) => break applied,
                Err(error) => {
                    if conn.word("ROLLBACK").await.is_err() {
                        conn.discard().await;
                        return Err((error, Some(errands)));
                    }
                    if !matches!(error, Error::Conflict) || tries > CONFLICTS {
                        return Err((error, Some(errands)));
                    }
                }
            }
        };
        let finished = run_errands(&mut conn, errands).await;
        let ended = async {
            tell_nodes(&mut conn, &news).await?;
            conn.word("COMMIT").await
        };
        if let Err(error) = ended.await {
            // Whether it was committed is not known: the connection is of no more use, and nobody is told it was.
            conn.discard().await;
            return Err((error, None));
        }
        drop(conn);
        self.work.announce(news);
        Ok((receipts, finished))
    }

    fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

type Finished = Vec<(Box<dyn Any + Send>, oneshot::Sender<Result<Box<dyn Any + Send>>>)>;

async fn run_errands(conn: &mut Conn, errands: Errands) -> Finished {
    let mut finished = Vec::new();
    for (run, done) in errands {
        let result = async {
            conn.word("SAVEPOINT errand").await?;
            let value = run(conn).await;
            conn.word(if value.is_ok() { "RELEASE SAVEPOINT errand" } else { "ROLLBACK TO SAVEPOINT errand" }).await?;
            value
        };
        match result.await {
            Ok(value) => finished.push((value, done)),
            Err(error) => _ = done.send(Err(error)),
        }
    }
    finished
}

async fn tell_nodes(conn: &mut Conn, news: &News) -> Result<()> {
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

fn merged(group: &[Apply]) -> (Vec<Signal>, Timestamp) {
    let signals = group.iter().flat_map(|one| one.signals.iter().cloned()).collect();
    let now = group.iter().map(|one| one.now).max().unwrap_or_default();
    (signals, now)
}
