//! Connections kept in hand from one use to the next.
//!
//! sqlx asks every connection that goes back to its pool whether it lives, in a task of its own: a trip to the database
//! and a wait for that task's turn, which under load takes longer than many a statement. Whoever writes again and again
//! takes up what was just put down.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Database, Pool};
use tokio::time::Instant;

/// The most connections kept: one for each lane, and one for claims.
const MOST: usize = 3;
/// How often one goes back to its pool after all, which looks whether it lives, and how old it is.
const LOOKED_AT: Duration = Duration::from_mins(1);

/// A pool, and what is kept of it.
#[derive(Debug)]
pub(super) struct Kept<DB: Database> {
    pool: Pool<DB>,
    hand: Arc<Mutex<Hand<DB>>>,
}

#[derive(Debug)]
struct Hand<DB: Database> {
    /// The latest last, each with the moment it was put down.
    idle: Vec<(PoolConnection<DB>, Instant)>,
    /// How many wait for the pool, and would wait in vain for what is kept.
    waiting: usize,
    looked_at: Instant,
}

/// Somebody who waits for the pool.
struct Waiting<'k, DB: Database>(&'k Kept<DB>);

impl<DB: Database> Kept<DB> {
    pub(super) fn of(pool: Pool<DB>) -> Self {
        let hand = Hand { idle: Vec::new(), waiting: 0, looked_at: Instant::now() };
        Self { pool, hand: Arc::new(Mutex::new(hand)) }
    }

    pub(super) fn pool(&self) -> &Pool<DB> {
        &self.pool
    }

    /// A connection, kept or from the pool. `fit` tells by how long one has idled whether it may be used; it is closed
    /// where it may not.
    pub(super) async fn acquire(&self, fit: impl Fn(Duration) -> bool) -> sqlx::Result<PoolConnection<DB>> {
        let waiting = {
            let mut hand = self.hand();
            while let Some((conn, put_down)) = hand.idle.pop() {
                if fit(put_down.elapsed()) {
                    return Ok(conn);
                }
                drop(conn.detach());
            }
            hand.waiting += 1;
            Waiting(self)
        };
        let conn = self.pool.acquire().await;
        drop(waiting);
        conn
    }

    /// Keeps a connection that has nothing under way, unless the pool should have it.
    pub(super) fn keep(&self, conn: PoolConnection<DB>) {
        self.keep_at(conn, Instant::now());
    }

    fn keep_at(&self, conn: PoolConnection<DB>, now: Instant) {
        let mut hand = self.hand();
        if now - hand.looked_at >= LOOKED_AT {
            hand.looked_at = now;
        } else if hand.waiting == 0 && hand.idle.len() < MOST && !self.pool.is_closed() {
            hand.idle.push((conn, now));
        }
    }

    /// Closes the pool, once everything under way is finished.
    pub(super) async fn close(&self) {
        // Closed from here on: what is put down now is not kept.
        let closing = self.pool.close();
        let idle = std::mem::take(&mut self.hand().idle);
        drop(idle);
        closing.await;
    }

    fn hand(&self) -> MutexGuard<'_, Hand<DB>> {
        self.hand.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<DB: Database> Clone for Kept<DB> {
    fn clone(&self) -> Self {
        Self { pool: self.pool.clone(), hand: Arc::clone(&self.hand) }
    }
}

impl<DB: Database> Drop for Waiting<'_, DB> {
    fn drop(&mut self) {
        self.0.hand().waiting -= 1;
    }
}

impl<DB: Database> Drop for Hand<DB> {
    fn drop(&mut self) {
        // Back to the pool they go by a task, and there may be no runtime any more.
        self.idle.drain(..).for_each(|(conn, _)| drop(conn.detach()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::Sqlite;
    use sqlx::sqlite::SqlitePoolOptions;

    async fn kept() -> Kept<Sqlite> {
        let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap();
        Kept::of(pool)
    }

    /// A connection that was never marked, marked.
    async fn mark(conn: &mut PoolConnection<Sqlite>) -> bool {
        sqlx::raw_sql("CREATE TEMP TABLE mark (x)").execute(&mut **conn).await.is_ok()
    }

    async fn until(met: impl Fn() -> bool) {
        while !met() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_is_put_down_is_taken_up_again() {
        let kept = kept().await;
        let mut conn = kept.acquire(|_| true).await.unwrap();
        assert!(mark(&mut conn).await);
        kept.keep(conn);
        assert_eq!((kept.pool().size(), kept.pool().num_idle()), (1, 0), "the pool never saw it again");
        assert!(!mark(&mut kept.acquire(|_| true).await.unwrap()).await, "the same one");
    }

    #[tokio::test]
    async fn one_that_is_unfit_is_closed() {
        let kept = kept().await;
        let mut conn = kept.acquire(|_| true).await.unwrap();
        assert!(mark(&mut conn).await);
        kept.keep(conn);
        assert!(mark(&mut kept.acquire(|_| false).await.unwrap()).await, "another one");
    }

    #[tokio::test]
    async fn whoever_waits_for_the_pool_is_served_first() {
        let kept = kept().await;
        let conn = kept.acquire(|_| true).await.unwrap();
        let put_down = async {
            until(|| kept.hand().waiting > 0).await;
            kept.keep(conn);
        };
        let (taken, ()) = tokio::join!(kept.acquire(|_| true), put_down);
        assert!(taken.is_ok());
    }

    #[tokio::test]
    async fn now_and_then_one_goes_back_to_be_looked_at() {
        let kept = kept().await;
        let conn = kept.acquire(|_| true).await.unwrap();
        kept.keep_at(conn, Instant::now() + LOOKED_AT);
        assert!(kept.hand().idle.is_empty());
        until(|| kept.pool().num_idle() > 0).await;
    }

    #[tokio::test]
    async fn nothing_is_kept_from_a_pool_that_closes() {
        let kept = kept().await;
        kept.keep(kept.acquire(|_| true).await.unwrap());
        kept.close().await;
        assert!(kept.acquire(|_| true).await.is_err());

        let kept = self::kept().await;
        let conn = kept.acquire(|_| true).await.unwrap();
        let put_down = async {
            until(|| kept.pool().is_closed()).await;
            kept.keep(conn);
        };
        tokio::join!(kept.close(), put_down);
        assert_eq!(kept.pool().size(), 0);
    }
}
