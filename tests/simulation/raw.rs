//! A way into the database beside the store: what a site may do, and what the oracle looks at.

use std::sync::Arc;

use firstword::domain::ids::{LoginId, PageId};
use firstword::domain::time::{Timestamp, millis};
use firstword::domain::window::Window;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Row};
use tokio::sync::Mutex;

/// A row of the public table.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) id: i64,
    pub(crate) page: PageId,
    pub(crate) login: LoginId,
    pub(crate) state: String,
    pub(crate) reason: Option<String>,
    pub(crate) opted_in_at: Timestamp,
    pub(crate) cycle: i64,
    pub(crate) attempts: i64,
    pub(crate) opted_out: bool,
    pub(crate) replied: bool,
}

/// Why the keepers and couriers should look again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Interest {
    /// When something is due by time alone.
    pub(crate) due: Option<Timestamp>,
    /// How many wait to be claimed, and the earliest hard stop among them.
    pub(crate) pending: i64,
    pub(crate) stop: Option<Timestamp>,
}

#[derive(Clone)]
pub(crate) struct Raw(Arc<Mutex<SqliteConnection>>, Known);

/// The interest as it was last read, and the version of the data then.
type Known = Arc<std::sync::Mutex<Option<(i64, Interest)>>>;

impl Raw {
    pub(crate) async fn open(path: &std::path::Path) -> Self {
        let options = SqliteConnectOptions::new().filename(path).disable_statement_logging();
        Self(Arc::new(Mutex::new(options.connect().await.unwrap())), Known::default())
    }

    pub(crate) async fn close(self) {
        if let Some(conn) = Arc::into_inner(self.0) {
            conn.into_inner().close().await.unwrap();
        }
    }

    /// What the README tells sites to do.
    /// Whether the row is new: somebody who has one already keeps it as it is.
    pub(crate) async fn insert(&self, page: &PageId, login: &LoginId, at: Timestamp) -> bool {
        // The version tells of other connections' commits alone.
        *self.1.lock().unwrap() = None;
        sqlx::query("INSERT INTO optins (page_id, login_id, opted_in_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
            .bind(page.as_str())
            .bind(login.as_str())
            .bind(at.ms())
            .execute(&mut *self.0.lock().await)
            .await
            .unwrap()
            .rows_affected()
            == 1
    }

    /// Changes with every commit of another connection.
    pub(crate) async fn version(&self) -> i64 {
        sqlx::query_scalar("PRAGMA data_version").fetch_one(&mut *self.0.lock().await).await.unwrap()
    }

    /// What nobody may do: a statement past the store. How many rows it changed.
    pub(crate) async fn meddle(&self, statement: &'static str) -> u64 {
        sqlx::query(statement).execute(&mut *self.0.lock().await).await.unwrap().rows_affected()
    }

    pub(crate) async fn interest(&self, window: &Window) -> Interest {
        let version = self.version().await;
        if let Some((_, interest)) = self.1.lock().unwrap().filter(|(known, _)| *known == version) {
            return interest;
        }
        let mut conn = self.0.lock().await;
        let row = sqlx::query(
            "SELECT (SELECT min(t) FROM (
                        SELECT min(next_attempt_at) AS t FROM optins WHERE state = 'retrying'
                        UNION ALL SELECT min(lease_until) FROM optins WHERE state = 'sending'
                        UNION ALL SELECT min(opted_in_at) + $1 FROM optins WHERE state = 'pending'
                        UNION ALL SELECT 0 FROM optins WHERE state = 'new')),
                    (SELECT count(*) FROM optins WHERE state = 'pending'),
                    (SELECT min(opted_in_at) + $1 FROM optins WHERE state = 'pending')",
        )
        .bind(millis(window.usable()))
        .fetch_one(&mut *conn)
        .await
        .unwrap();
        let time = |at: usize| row.get::<Option<i64>, _>(at).map(Timestamp::from_ms);
        let interest = Interest { due: time(0), pending: row.get(1), stop: time(2) };
        *self.1.lock().unwrap() = Some((version, interest));
        interest
    }

    /// How many wait on a page, which nothing holds, who are more urgent than this and opted in after the cut-off.
    pub(crate) async fn more_urgent(&self, page: &PageId, than: (Timestamp, i64), cutoff: Timestamp) -> i64 {
        sqlx::query_scalar(
            "SELECT count(*) FROM optins AS o, pages AS p
             WHERE o.page_id = $1 AND o.state = 'pending' AND o.opted_out_at IS NULL AND (o.opted_in_at, o.id) < ($2, $3)
               AND p.page_id = $1 AND p.held_since IS NULL AND o.opted_in_at > $4",
        )
        .bind(page.as_str())
        .bind(than.0.ms())
        .bind(than.1)
        .bind(cutoff.ms())
        .fetch_one(&mut *self.0.lock().await)
        .await
        .unwrap()
    }

    pub(crate) async fn rows(&self) -> Vec<Stored> {
        let rows = sqlx::query(
            "SELECT id, page_id, login_id, state, reason, opted_in_at, cycle, attempts,
                    opted_out_at IS NOT NULL, replied_at IS NOT NULL FROM optins ORDER BY id",
        )
        .fetch_all(&mut *self.0.lock().await)
        .await
        .unwrap();
        let read = |row: sqlx::sqlite::SqliteRow| Stored {
            id: row.get(0),
            page: PageId::new(row.get::<&str, _>(1)).unwrap(),
            login: LoginId::new(row.get::<&str, _>(2)).unwrap(),
            state: row.get(3),
            reason: row.get(4),
            opted_in_at: Timestamp::from_ms(row.get(5)),
            cycle: row.get(6),
            attempts: row.get(7),
            opted_out: row.get::<i64, _>(8) != 0,
            replied: row.get::<i64, _>(9) != 0,
        };
        rows.into_iter().map(read).collect()
    }

    /// Whether somebody's row was purged and is remembered.
    pub(crate) async fn is_buried(&self, name: &str) -> bool {
        sqlx::query_scalar::<_, i64>("SELECT count(*) FROM tombstones WHERE name = $1")
            .bind(name)
            .fetch_one(&mut *self.0.lock().await)
            .await
            .unwrap()
            > 0
    }
}
