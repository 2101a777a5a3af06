//! A throw-away PostgreSQL cluster for each test run, a template database migrated once, and a clone of it for each
//! test.
//!
//! Works under `cargo test` (one process, many threads) and `cargo nextest` (a process a test), as root (drops to the
//! user `postgres`) and as an ordinary user; no Docker, no download, no TCP port. Where the server's programs are
//! missing it panics and says what to install: a test that skips itself proves nothing.
//!
//! The file stands alone, because unit tests and benchmarks take it in by `#[path]` too; that is why it is told how to
//! migrate, and why it has one way in.

use std::fs::{self, File};
use std::future::Future;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

/// Brings the database at a URL up to date.
pub(crate) type Migrate = fn(String) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// For every profile: a socket and no port, room for many stores, nothing in the background.
const ALWAYS: &[&str] = &["listen_addresses=", "max_connections=300", "autovacuum=off", "log_min_messages=warning"];
/// `fast`, for tests: nothing is flushed, because nothing outlives the run.
const FAST: &[&str] = &[
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "shared_buffers=32MB",
    "wal_level=minimal",
    "max_wal_senders=0",
];
/// `durable`, for benchmarks and for what a commit costs: as an operator runs it.
const DURABLE: &[&str] = &["fsync=on", "synchronous_commit=on", "full_page_writes=on", "shared_buffers=128MB"];

/// Waits for the run to end, stops the server and removes its directory. Outlives whatever kills the tests.
const REAPER: &str = r#"while kill -0 "$1" 2>/dev/null; do sleep 0.2; done
n=0; while [ -e "$2/data/postmaster.pid" ] && [ $n -lt 100 ]; do kill -INT "$(head -n1 "$2/data/postmaster.pid")" 2>/dev/null; sleep 0.1; n=$((n+1)); done
sleep 0.2; rm -rf "$2" "$2.lock""#;

/// A fresh migrated database in the cluster of a profile, `fast` or `durable`; returns its URL.
pub(crate) async fn database(profile: &'static str, migrate: Migrate) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let fresh = async {
        let dir = tokio::task::spawn_blocking(move || cluster(profile, migrate)).await??;
        let name = format!("t{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut server = PgConnection::connect_with(&options(&dir, "postgres")).await?;
        server.execute(AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE migrated STRATEGY file_copy"))).await?;
        server.close().await?;
        anyhow::Ok(url(&dir, &name))
    };
    let fresh = fresh.await;
    assert!(fresh.is_ok(), "no PostgreSQL to test with: {:?}", fresh.as_ref().err());
    fresh.unwrap_or_default()
}

fn url(dir: &Path, database: &str) -> String {
    format!("postgres:///{database}?host={}&user=postgres", dir.display())
}

pub(crate) fn options(dir: &Path, database: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass().socket(dir).username("postgres").database(database)
}

/// The directory of this run's cluster, which the first to ask builds while the others wait for the lock.
fn cluster(profile: &str, migrate: Migrate) -> Result<PathBuf> {
    let (run, root) = run();
    let dir = std::env::temp_dir().join(format!("firstword-pg-{run}-{profile}"));
    let lock = File::create(dir.with_added_extension("lock"))?;
    lock.lock()?;
    if !dir.join("ready").exists() {
        build(&dir, root, profile, migrate)?;
        File::create(dir.join("ready"))?;
    }
    Ok(dir)
}

/// What all processes of this run share, and the process whose death ends it.
pub(crate) fn run() -> (String, u32) {
    #[expect(clippy::disallowed_methods, reason = "the test runner speaks through the environment")]
    match std::env::var("NEXTEST_RUN_ID") {
        Ok(id) => (id, std::os::unix::process::parent_id()),
        Err(_) => (format!("pid{}", std::process::id()), std::process::id()),
    }
}

fn build(dir: &Path, root: u32, profile: &str, migrate: Migrate) -> Result<()> {
    let began = Instant::now();
    let programs = programs()?;
    fs::create_dir(dir).with_context(|| format!("an earlier try in this run failed and left {}", dir.display()))?;
    if is_root()? {
        ensure!(Command::new("chown").arg("postgres:").arg(dir).status()?.success(), "chown to the user postgres");
    }
    // Before initdb, so that even a kill during initdb leaves nothing behind.
    reap(dir, root)?;
    let data = dir.join("data");
    let flags = ["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"];
    let made = server_program(&programs.join("initdb"), true)?.arg("-D").arg(&data).args(flags).output()?;
    ensure!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));

    let mut server = server_program(&programs.join("postgres"), false)?;
    server.arg("-D").arg(&data).arg("-k").arg(dir);
    let settings = match profile {
        "fast" => FAST,
        "durable" => DURABLE,
        other => bail!("there is no profile {other:?}; use fast or durable"),
    };
    for setting in ALWAYS.iter().chain(settings) {
        server.args(["-c", setting]);
    }
    quiet(&mut server).stderr(File::create(dir.join("server.log"))?).spawn()?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(template(dir, migrate))?;
    Ok(writeln!(io::stderr(), "a {profile} PostgreSQL cluster was ready after {:?}", began.elapsed())?)
}

/// Sees to it that a cluster's server and directory do not outlive the process that ends the run.
pub(crate) fn reap(dir: &Path, root: u32) -> Result<()> {
    let mut reaper = Command::new("sh");
    quiet(reaper.args(["-c", REAPER, "reaper"]).arg(root.to_string()).arg(dir)).spawn()?;
    Ok(())
}

/// Waits for the server, then makes the database all others are cloned from.
async fn template(dir: &Path, migrate: Migrate) -> Result<()> {
    let began = Instant::now();
    let mut server = loop {
        match PgConnection::connect_with(&options(dir, "postgres")).await {
            Ok(server) => break server,
            Err(error) if began.elapsed() > Duration::from_secs(30) => {
                let log = fs::read_to_string(dir.join("server.log")).unwrap_or_default();
                bail!("the server does not answer: {error}; its log: {log}");
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    server.execute("CREATE DATABASE migrated").await?;
    migrate(url(dir, "migrated")).await;
    server.execute("ALTER DATABASE migrated IS_TEMPLATE true ALLOW_CONNECTIONS false").await?;
    // A clone is refused while anybody is connected to its template, and goodbyes take their time.
    let guests = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'migrated'";
    while sqlx::query_scalar::<_, i64>(guests).fetch_one(&mut server).await? > 0 {
        ensure!(began.elapsed() < Duration::from_mins(1), "somebody stays connected to the template database");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(server.close().await?)
}

/// Where the server's programs are, the newest version first.
pub(crate) fn programs() -> Result<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|e| e.path().join("bin"));
    let newest = versions.filter(|bin| bin.join("initdb").exists()).max();
    newest.context("its programs are not under /usr/lib/postgresql; run: apt-get install postgresql-15")
}

/// A program of the server. PostgreSQL refuses to run as root, so root runs it as the user `postgres`.
pub(crate) fn server_program(program: &Path, dies_with_us: bool) -> Result<Command> {
    let mut command = Command::new("setpriv");
    if is_root()? {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    }
    if dies_with_us {
        command.args(["--pdeathsig", "KILL"]);
    }
    command.arg("--").arg(program);
    Ok(command)
}

pub(crate) fn is_root() -> Result<bool> {
    let status = fs::read_to_string("/proc/self/status")?;
    Ok(status.lines().any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) == Some("0")))
}

/// A child that keeps no terminal, pipe or process group of ours.
pub(crate) fn quiet(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0)
}
