//! Many seeds, on all processors.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use firstword::store::Store;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use crate::ending::KEY;
use crate::play::{Day, Played, Tally, play, play_day, play_following};
use crate::replay::Replay;
use crate::scenario::Scenario;

/// Which seeds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seeds {
    pub(crate) from: u64,
    pub(crate) count: u64,
    /// Whether every turn is told.
    pub(crate) loud: bool,
}

impl Seeds {
    #[expect(clippy::disallowed_methods, reason = "it is how a script tells a test what to do")]
    pub(crate) fn asked_for() -> Self {
        let number = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().expect("a number"));
        let loud = std::env::var("SIMULATE_TRACE").is_ok_and(|text| !text.is_empty());
        Self { from: number("SIMULATE_FROM", 1), count: number("SIMULATE_SEEDS", 1), loud }
    }
}

/// What many seeds came to.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) tally: Tally,
    pub(crate) broken: Option<String>,
    pub(crate) took: Duration,
}

impl Told {
    pub(crate) fn summary(&self) -> String {
        let Tally { seeds, steps, requests, accepted, crashes, pauses, on_time, possible } = self.tally;
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let (rate, ratio) = (seeds as f64 / self.took.as_secs_f64(), on_time as f64 / possible.max(1) as f64);
        format!(
            "{seeds} seeds ({rate:.1} a second): {steps} turns, {requests} requests, {accepted} people greeted, \
             {crashes} crashes, {pauses} pauses; on time {on_time} of {possible} ({ratio:.4} of the oracle's)"
        )
    }
}

/// Plays seeds until all are played or one breaks a promise.
pub(crate) fn play_all(seeds: Seeds, progress: bool) -> Told {
    let (next, enough) = (AtomicU64::new(0), AtomicBool::new(false));
    let (told, began) = (Mutex::new(Told::default()), Instant::now());
    let worker = || {
        while !enough.load(Ordering::SeqCst) {
            let number = next.fetch_add(1, Ordering::SeqCst);
            if number >= seeds.count {
                break;
            }
            let seed = seeds.from.wrapping_add(number);
            let played = play_one(seed, seeds.loud);
            let mut told = told.lock().unwrap();
            told.tally += played.tally;
            told.took = began.elapsed();
            if progress && told.tally.seeds.is_multiple_of(1000) {
                println!("{}", told.summary());
            }
            if let Some(text) = complaint(seed, &played) {
                told.broken.get_or_insert(text);
                enough.store(true, Ordering::SeqCst);
            }
        }
    };
    std::thread::scope(|scope| {
        let threads = if seeds.loud { 1 } else { std::thread::available_parallelism().map_or(1, usize::from) };
        (0..threads).for_each(|_| _ = scope.spawn(worker));
    });
    told.into_inner().unwrap()
}

fn complaint(seed: u64, played: &Played) -> Option<String> {
    let broken = played.broken.as_ref()?;
    let tail = played.tail.join("\n");
    Some(format!("\n{tail}\n\nseed {seed}: {broken}\nreplay: scripts/simulate 1 --from {seed}\n"))
}

/// Plays one seed, on a thread's own runtime and a file of its own.
pub(crate) fn play_one(seed: u64, loud: bool) -> Played {
    let house = House::new();
    house.runtime.block_on(play(seed, &house.database, loud))
}

/// The same, each change of a row held against the model; how many there were.
pub(crate) fn play_followed(seed: u64, replay: Replay) -> (Played, u64) {
    let house = House::new();
    house.runtime.block_on(play_following(seed, &house.database, replay))
}

/// Plays a chosen scenario in the same way.
pub(crate) fn play_chosen(scenario: Scenario) -> Day {
    let house = House::new();
    house.runtime.block_on(play_day(scenario, &house.database))
}

/// Where one simulation plays.
struct House {
    runtime: tokio::runtime::Runtime,
    database: PathBuf,
    _dir: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        let dir = directory();
        let database = dir.path().join("firstword.db");
        std::fs::write(&database, template()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { runtime, database, _dir: dir }
    }
}

/// In memory where there is such a place: the disk has no part in the simulation.
fn directory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

/// A migrated database, made once; its key is the same for every seed.
fn template() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let dir = directory();
        let path = dir.path().join("template.db");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = Store::open(&format!("sqlite://{}", path.display())).await.unwrap();
            store.close().await;
            let mut conn = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
            let key = format!("UPDATE settings SET value = '{}' WHERE key = 'store_key'", hex::encode(KEY));
            sqlx::raw_sql(AssertSqlSafe(key)).execute(&mut conn).await.unwrap();
            sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut conn).await.unwrap();
            conn.close().await.unwrap();
        });
        std::fs::read(&path).unwrap()
    })
}
