//! PostgreSQL: connections that write, connections for reports, and what each session is told at its start.

use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, PgPool, Row};

use super::migrations;
use crate::store::engine::{ACQUIRE, Pool};
use crate::store::error::{Error, Result};
use crate::store::session::Sessions;
use crate::store::suspicion::Suspicion;

/// How many connections a PostgreSQL node keeps that write, one for each lane and the rest for claims, and how many for
/// reports.
const WRITERS: u32 = 5;
const READERS: u32 = 8;
/// The oldest PostgreSQL, as `server_version_num`.
const OLDEST: i32 = 150_000;
/// What a session is told at its start. A node that stands still in the middle of a transaction loses it, and with it
/// its locks, after five seconds: the others must not wait for it.
const OF_A_SESSION: [(&str, &str); 3] =
    [("synchronous_commit", "on"), ("idle_in_transaction_session_timeout", "5s"), ("jit", "off")];
/// What is told to the sessions that do not migrate. A transaction that writes sets itself shorter ones.
const BEYOND_MIGRATIONS: [(&str, &str); 2] = [("lock_timeout", "5s"), ("statement_timeout", "30s")];
/// What the writing sessions tell the planner: every row is found by an index, in one plan for all values. Without it a
/// list of 256 reads the whole table, as long as that has fewer than some ten thousand rows or nobody analyzed it.
const BY_INDEX: [(&str, &str); 4] = [
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("plan_cache_mode", "force_generic_plan"),
];
fn options_of(url: &str) -> Result<PgConnectOptions> {
    let options = PgConnectOptions::from_str(url).map_err(|_| {
        Error::Unfit("database.url is not a PostgreSQL URL; write postgres://user@host/database".into())
    })?;
    Ok(options.application_name("firstword").statement_cache_capacity(256).disable_statement_logging())
}

/// Connects to a server and brings the schema up to date; behind a pooler it must be.
pub(super) async fn open(url: &str, pooler: bool) -> Result<Pool> {
    let options = options_of(url)?;
    // A pooler refuses the parameters it does not know; what they say is then said in each transaction.
    let options = if pooler { options.extra_float_digits(None) } else { options.options(OF_A_SESSION) };
    // Whoever migrates waits as long as another node that does: only afterwards is waiting for a lock a fault.
    let first = PgPoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE).connect_with(options.clone()).await?;
    let version = sqlx::raw_sql("SELECT current_setting('server_version_num')").fetch_one(&first).await?;
    let version = version.try_get::<String, _>(0)?.parse::<i32>().unwrap_or(0);
    if version < OLDEST {
        return Err(Error::Unfit(format!("PostgreSQL {} is too old; 15 or later is needed", version / 10_000)));
    }
    if pooler {
        migrations::check_migrated(&first).await?;
    } else {
        migrations::migrate_postgres(&first).await?;
    }
    first.close().await;
    let suspicion = Suspicion::none();
    let readers = if pooler { options } else { options.options(BEYOND_MIGRATIONS) };
    let writers = if pooler { readers.clone() } else { readers.clone().options(BY_INDEX) };
    let writers = pool(WRITERS, writers, &suspicion).await?;
    let readers = pool(READERS, readers, &suspicion).await?;
    Ok(Pool::Postgres(Sessions::new(writers, readers, pooler, suspicion)))
}

/// Connects to a server for reading alone.
pub(super) async fn open_to_read(url: &str, pooler: bool) -> Result<Pool> {
    let options = options_of(url)?;
    let read_only = [("default_transaction_read_only", "on")];
    let options = if pooler { options.extra_float_digits(None) } else { options.options(read_only) };
    let pool = PgPoolOptions::new().max_connections(2).acquire_timeout(ACQUIRE).connect_with(options).await?;
    Ok(Pool::Postgres(Sessions::new(pool.clone(), pool, pooler, Suspicion::none())))
}

async fn pool(most: u32, options: PgConnectOptions, suspicion: &Suspicion) -> Result<PgPool> {
    let idled = suspicion.clone();
    let pool = PgPoolOptions::new()
        .max_connections(most)
        .acquire_timeout(ACQUIRE)
        // No question before each use: it would cost every statement a second trip. Whoever meets a dead connection
        // raises the suspicion against all that idled with it.
        .test_before_acquire(false)
        .before_acquire(move |_, meta| {
            let clear = idled.clears(meta.idle_for);
            Box::pin(async move { Ok(clear) })
        })
        .connect_with(options)
        .await?;
    Ok(pool)
}
