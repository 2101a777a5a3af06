//! The database goes away under a daemon that works: nothing is lost or doubled, the platform is sent away meanwhile,
//! the watchdog is fed, and the service goes on by itself when the database is back.
//!
//! How long it stays away is a matter of seconds here; `scripts/outage` runs the same for five minutes.

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use firstword::sandbox::Behaviour;

use crate::database::Database;
use crate::place::{PAGE, Place, until};
use crate::platform::{Platform, now};
use crate::process::Daemon;
use crate::server::Server;
use crate::systemd::Manager;

/// The bar for going on after the database's return, with room for a machine that does other things too.
const RESUMED: Duration = Duration::from_secs(20);

/// How long the database stays away: longer than SQLite waits for a lock, and than a pool waits for a connection.
fn outage() -> Duration {
    #[expect(clippy::disallowed_methods, reason = "scripts/outage speaks through the environment")]
    let seconds = std::env::var("FIRSTWORD_TEST_OUTAGE").map_or(8, |seconds| seconds.parse().unwrap());
    Duration::from_secs(seconds)
}

fn optin(login: &str) -> String {
    let now = now().ms();
    format!(
        r#"{{"object": "page", "entry": [{{"id": "{PAGE}", "time": {now}, "messaging": [{{"recipient": {{"id": "{PAGE}"}},
            "timestamp": {now}, "optin": {{"login_id": "{login}"}}}}]}}]}}"#
    )
}

struct Scene {
    platform: Platform,
    daemon: Daemon,
    manager: Manager,
}

impl Scene {
    /// A daemon under systemd's eyes that has sent to three people and has three more in flight.
    async fn at_work(place: &mut Place) -> Self {
        let platform = Platform::of(place).await;
        place.set("[send]\nmax_in_flight = 4\n[messenger]\nrequest_timeout = \"5s\"");
        let path = place.path("notify");
        let manager = Manager::at(&path);
        let environment = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "600000")];
        let mut daemon = Daemon::start(place, "info", &environment);
        daemon.becomes_ready().await;
        let database = Database::of(place).await;
        for n in 0..3 {
            platform.opt_in(&format!("early{n}"), Behaviour::Silent).await;
            database.all_in(&["sent"], n + 1).await;
        }
        platform.answers_after(Duration::from_secs(2));
        for n in 0..3 {
            platform.opt_in(&format!("p{n}"), Behaviour::Silent).await;
        }
        until("three are in flight", async || (platform.sandbox.report().in_flight == 3).then_some(())).await;
        database.close().await;
        Self { platform, daemon, manager }
    }

    /// While the database is away: 503 for the platform and the site, alive for systemd.
    async fn meanwhile(&mut self, began: Instant) {
        self.platform.answers_after(Duration::ZERO);
        let sandbox = self.platform.sandbox.clone();
        self.platform.tasks.spawn(async move { sandbox.opt_in(PAGE, "late", Behaviour::Silent).await });
        let mut told = 0;
        while told < 1 || began.elapsed() < outage() {
            let fed = self.manager.1.len();
            assert_eq!(self.daemon.webhook(&optin("refused")).await, 503);
            assert_eq!(self.daemon.site(&format!(r#"{{"page_id": "{PAGE}", "login_id": "refused"}}"#)).await.0, 503);
            assert_eq!(self.daemon.get("/healthz").await.0, 200);
            self.manager.hears("WATCHDOG=1", fed).await;
            told += 1;
        }
    }

    /// The database is back: who came meanwhile is sent to, who was in flight is known to have been.
    async fn resumes(self, place: &Place, back: Instant, what: &str) {
        let database = Database::of(place).await;
        self.platform.register("after");
        let body = format!(r#"{{"page_id": "{PAGE}", "login_id": "after"}}"#);
        until("the site is answered", async || (self.daemon.site(&body).await.0 == 200).then_some(())).await;
        database.becomes("after", "sent").await;
        let resumed = back.elapsed();
        eprintln!("{what}: sending again {resumed:.1?} after the database's return");
        database.all_in(&["sent"], 8).await;
        assert_eq!(self.daemon.get("/readyz").await.0, 200);
        let report = self.platform.clean();
        assert_eq!((report.accepted, report.delivered), (8, 8));
        assert!(report.webhooks.retried > 0, "{report:#?}");
        assert!(resumed < RESUMED, "{resumed:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_the_server_dies_and_comes_back() {
    let mut server = Server::start().await;
    let mut place = Place::at(server.url());
    let mut scene = Scene::at_work(&mut place).await;
    server.kill();
    scene.meanwhile(Instant::now()).await;
    assert_eq!(scene.daemon.get("/readyz").await.0, 503);
    server.boot().await;
    scene.resumes(&place, Instant::now(), "PostgreSQL killed and started").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_another_process_holds_the_file() {
    let mut place = Place::sqlite();
    let mut scene = Scene::at_work(&mut place).await;
    let other = Database::of(&place).await;
    let Database::Sqlite(pool) = &other else { panic!("SQLite") };
    let mut lock = pool.acquire().await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut *lock).await.unwrap();
    scene.meanwhile(Instant::now()).await;
    sqlx::raw_sql("ROLLBACK").execute(&mut *lock).await.unwrap();
    let back = Instant::now();
    drop(lock);
    scene.resumes(&place, back, "SQLite locked by another process").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_the_disk_is_full() {
    let mut place = Place::sqlite();
    let disk = Disk::small(&mut place);
    let mut scene = Scene::at_work(&mut place).await;
    disk.fill(&scene.daemon);
    // What room there is in what was written before must be used up first.
    let mut extra = 0;
    until("the disk is full", async || {
        extra += 1;
        let name = format!("x{extra}");
        (scene.daemon.webhook(&optin(&name)).await == 503).then_some(())
    })
    .await;
    scene.meanwhile(Instant::now()).await;
    disk.free(&scene.daemon);
    let back = Instant::now();
    let database = Database::of(&place).await;
    // They never opted in at the platform; whoever of them was taken in is refused there, and is none of this case.
    until("the file can be written", async || {
        database.try_sql("DELETE FROM optins WHERE login_id LIKE 'x%'").await.is_ok().then_some(())
    })
    .await;
    scene.resumes(&place, back, "disk full").await;
}

/// A small file system; where none may be mounted, a limit to the size of the daemon's files, which comes from the
/// system as another error and is met in the same way.
struct Disk {
    path: PathBuf,
    mounted: bool,
}

impl Disk {
    fn small(place: &mut Place) -> Self {
        let path = place.path("disk");
        std::fs::create_dir(&path).unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(&path).output();
        let mounted = mount.is_ok_and(|output| output.status.success());
        eprintln!(
            "disk full: {}",
            if mounted { "a file system of 4 MiB" } else { "no mount is allowed; a limit instead" }
        );
        place.survives_limits = !mounted;
        place.database = format!("sqlite://{}/firstword.db", path.display());
        place.set(&format!("[database]\nurl = \"{}\"", place.database));
        Self { path, mounted }
    }

    fn fill(&self, daemon: &Daemon) {
        if self.mounted {
            let mut filler = std::fs::File::create(self.path.join("filler")).unwrap();
            let mut size = 64 * 1024;
            while size > 0 {
                if filler.write_all(&vec![1; size]).is_err() {
                    size /= 2;
                }
            }
        } else {
            let files = std::fs::read_dir(&self.path).unwrap().flatten();
            let largest = files.filter_map(|file| Some(file.metadata().ok()?.len())).max().unwrap();
            limit(daemon, &largest.to_string());
        }
    }

    fn free(&self, daemon: &Daemon) {
        if self.mounted {
            std::fs::remove_file(self.path.join("filler")).unwrap();
        } else {
            limit(daemon, "unlimited");
        }
    }
}

fn limit(daemon: &Daemon, size: &str) {
    let (pid, soft) = (daemon.pid().to_string(), format!("--fsize={size}:unlimited"));
    assert!(Command::new("prlimit").args(["--pid", &pid, &soft]).status().unwrap().success());
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.mounted {
            _ = Command::new("umount").arg("--lazy").arg(&self.path).status();
        }
    }
}
