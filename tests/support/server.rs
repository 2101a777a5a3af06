//! A PostgreSQL server of one test's own, which may be killed and started again, and followed by a standby.
//!
//! Nothing is synced to the disk, because what dies here is processes: what the server wrote is in the system's cache,
//! and survives them.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::support::pg;

pub(crate) const DATABASE: &str = "firstword";

pub(crate) struct Server {
    dir: PathBuf,
    child: Option<Child>,
}

impl Server {
    /// A running server with an empty database.
    pub(crate) async fn start() -> Self {
        let dir = directory();
        let flags = ["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"];
        finish(program("initdb").arg("-D").arg(dir.join("data")).args(flags));
        let mut this = Self { dir, child: None };
        this.boot().await;
        this.say(&format!("CREATE DATABASE {DATABASE}"), "postgres").await;
        this
    }

    /// A synchronous standby of this server: from now on no commit is acknowledged that is not there too.
    pub(crate) async fn standby(&self) -> Self {
        let dir = directory();
        let from = format!("host={} user=postgres application_name=standby", self.dir.display());
        let mut copy = program("pg_basebackup");
        finish(copy.args(["-d", &from, "-R", "-c", "fast", "--no-sync", "-D"]).arg(dir.join("data")));
        let mut this = Self { dir, child: None };
        this.boot().await;
        self.say("ALTER SYSTEM SET synchronous_standby_names = 'FIRST 1 (standby)'", "postgres").await;
        self.say("SELECT pg_reload_conf()", "postgres").await;
        let began = Instant::now();
        let in_step = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'";
        let mut conn = self.connect("postgres").await.unwrap();
        while sqlx::query_scalar::<_, i64>(in_step).fetch_one(&mut conn).await.unwrap() == 0 {
            assert!(began.elapsed() < Duration::from_secs(30), "the standby does not follow");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        this
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres:///{DATABASE}?host={}&user=postgres", self.dir.display())
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.join(".s.PGSQL.5432")
    }

    /// Ends it as a power cut would, and waits until every process of it is gone.
    pub(crate) fn kill(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        kill_process(Pid::from_child(&child), Signal::QUIT).unwrap();
        child.wait().unwrap();
    }

    /// Starts it and waits until it answers.
    pub(crate) async fn boot(&mut self) {
        let mut server = program("postgres");
        server.arg("-D").arg(self.dir.join("data")).arg("-k").arg(&self.dir);
        for setting in ["listen_addresses=", "max_connections=100", "fsync=off", "log_min_messages=warning"] {
            server.args(["-c", setting]);
        }
        let log = File::options().create(true).append(true).open(self.dir.join("server.log")).unwrap();
        self.child = Some(pg::quiet(&mut server).stderr(log).spawn().unwrap());
        let began = Instant::now();
        while self.connect("postgres").await.is_err() {
            let log = || fs::read_to_string(self.dir.join("server.log")).unwrap_or_default();
            assert!(began.elapsed() < Duration::from_mins(1), "the server does not answer: {}", log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Copies the files of a server that is down, as a backup of them does.
    pub(crate) fn back_up(&self) {
        finish(Command::new("cp").arg("-a").arg(self.dir.join("data")).arg(self.dir.join("backup")));
    }

    /// Puts the copy into the place of the files of a server that is down.
    pub(crate) fn restore(&self) {
        fs::remove_dir_all(self.dir.join("data")).unwrap();
        fs::rename(self.dir.join("backup"), self.dir.join("data")).unwrap();
    }

    /// Makes a standby the primary, on a new timeline.
    pub(crate) async fn promote(&self) {
        self.say("SELECT pg_promote()", "postgres").await;
    }

    async fn connect(&self, database: &str) -> sqlx::Result<PgConnection> {
        PgConnection::connect_with(&pg::options(&self.dir, database)).await
    }

    async fn say(&self, text: &str, database: &str) {
        self.connect(database).await.unwrap().execute(AssertSqlSafe(text.to_owned())).await.unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        // The reaper does it too, where this process dies first.
        _ = fs::remove_dir_all(&self.dir);
    }
}

/// A directory that the server's user may write to, and that does not outlive this process.
fn directory() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let (run, root) = pg::run();
    let (pid, number) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let dir = std::env::temp_dir().join(format!("firstword-pg-{run}-{pid}-{number}"));
    fs::create_dir(&dir).unwrap();
    if pg::is_root().unwrap() {
        finish(Command::new("chown").arg("postgres:").arg(&dir));
    }
    pg::reap(&dir, root).unwrap();
    dir
}

fn program(name: &str) -> Command {
    pg::server_program(&pg::programs().unwrap().join(name), false).unwrap()
}

fn finish(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
