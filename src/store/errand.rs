//! Errands: other work on the writing connection, each behind a savepoint of a group's transaction.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;

use tokio::sync::oneshot;

use super::engine::Conn;
use super::error::Result;

/// A future on a borrowed connection.
pub(super) type OnConn<'c, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'c>>;
/// What an errand brings back; the lane does not know its type, whoever sent it does.
pub(super) type Anything = Box<dyn Any + Send>;
/// The way to whoever sent it.
pub(super) type Done = oneshot::Sender<Result<Anything>>;
pub(super) type Errand = Box<dyn for<'c> FnOnce(&'c mut Conn) -> OnConn<'c, Anything> + Send>;
pub(super) type Errands = Vec<(Errand, Done)>;
pub(super) type Finished = Vec<(Anything, Done)>;

/// What became of errands.
pub(super) struct Ran {
    /// To be told once it is committed.
    pub(super) finished: Finished,
    /// Not run, because the transaction broke before it was their turn.
    pub(super) waiting: Errands,
    pub(super) broken: Result<()>,
}

/// Runs errands one after the other. One that fails is undone and told so by itself.
pub(super) async fn run_errands(conn: &mut Conn, errands: Errands) -> Ran {
    let mut finished = Vec::new();
    let mut errands = errands.into_iter();
    for (errand, done) in errands.by_ref() {
        match guarded(conn, errand).await {
            Ok(Ok(value)) => finished.push((value, done)),
            Ok(Err(error)) => _ = done.send(Err(error)),
            Err(error) => {
                // The transaction is gone, and a statement now would be one of its own.
                _ = done.send(Err(error.again()));
                return Ran { finished, waiting: errands.collect(), broken: Err(error) };
            }
        }
    }
    Ran { finished, waiting: Vec::new(), broken: Ok(()) }
}

/// Runs an errand behind a savepoint. The outer error means that not even that could be kept.
async fn guarded(conn: &mut Conn, run: Errand) -> Result<Result<Anything>> {
    conn.word("SAVEPOINT errand").await?;
    let value = run(conn).await;
    let end = if value.is_ok() { "RELEASE SAVEPOINT errand" } else { "ROLLBACK TO SAVEPOINT errand" };
    conn.word(end).await.map(|()| value)
}
