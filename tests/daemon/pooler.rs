//! Behind PgBouncer in transaction mode: Debian's own, with two servers for three nodes, so that every transaction may
//! meet another server than the one before.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use firstword::sandbox::{Crowd, Faults, Mix};
use tokio::net::TcpStream;

use crate::database::Database;
use crate::line::parts;
use crate::place::{Place, free_port, until};
use crate::platform::Platform;
use crate::process::Daemon;

struct Bouncer(Child);

impl Bouncer {
    /// Starts it before the place's database. It refuses to run as root, and so becomes `postgres` there.
    async fn before(place: &mut Place) -> Self {
        let (socket, name) = parts(&place.database);
        let (port, dir) = (free_port(), place.path("pgbouncer"));
        fs::create_dir(&dir).unwrap();
        let file = dir.join("pgbouncer.ini");
        let text = format!(
            "[databases]\n{name} = host={socket} dbname={name} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 2\n\
             max_client_conn = 200\n"
        );
        fs::write(&file, text).unwrap();
        readable(place.dir());
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--", "pgbouncer"]);
            command
        } else {
            Command::new("pgbouncer")
        };
        let log = fs::File::create(place.path("pgbouncer.log")).unwrap();
        command.arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).process_group(0);
        let child = command.spawn();
        assert!(child.is_ok(), "pgbouncer is missing: apt-get install pgbouncer");
        until("pgbouncer listens", async || TcpStream::connect(("127.0.0.1", port)).await.ok()).await;
        place.database = format!("postgres://postgres@127.0.0.1:{port}/{name}");
        place.set(&format!("[database]\nurl = \"{}\"\npooler = true", place.database));
        Self(child.unwrap())
    }
}

/// Lets another user read the directory and its configuration.
fn readable(dir: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        // It may have ended already.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_three_nodes_behind_pgbouncer() {
    const PEOPLE: u64 = 200;
    let mut place = Place::postgres().await;
    let direct = Database::of(&place).await;
    let _bouncer = Bouncer::before(&mut place).await;
    place.set("[send]\nmax_in_flight = 8\n[messenger]\nrequest_timeout = \"2s\"");
    let faults = Faults {
        before: 0.1,
        after: 0.05,
        latency: Duration::from_millis(20),
        hang: Duration::from_secs(3),
        ..Faults::default()
    };
    let platform = Platform::with(&mut place, |options| firstword::sandbox::Options { faults, ..options }).await;
    let others = [place.beside(), place.beside()];
    let daemons = [Daemon::ready(&place).await, Daemon::ready(&others[0]).await, Daemon::ready(&others[1]).await];
    let mix = Mix { after: Duration::from_millis(200), ..Mix::default() };
    platform.sandbox.crowd(Crowd { people: PEOPLE, over: Duration::from_secs(3), mix }).await;
    let open = "SELECT count(*) FROM optins WHERE state IN ('new', 'pending', 'retrying', 'sending')";
    until("nobody waits any more", async || (direct.number(open).await == 0).then_some(())).await;
    assert_eq!(direct.number("SELECT count(*) FROM optins").await, PEOPLE.cast_signed());
    let report = platform.clean();
    assert!(report.delivered > PEOPLE / 2 && report.per_node.len() == 3, "{report:#?}");
    for daemon in &daemons {
        assert_eq!(daemon.get("/readyz").await.0, 200);
    }
    // Nothing of a session was left behind on the servers that are shared.
    let log = daemons[0].log();
    assert!(!log.contains("prepared statement"), "{log}");
    let servers =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'firstword'";
    assert!(direct.number(servers).await <= 2, "two servers for all of them");
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    until("no transaction stays open", async || (direct.number(waits).await == 0).then_some(())).await;
    // What an operator asks goes the same way.
    assert_eq!(place.lines("optin list --json --limit 1000").len(), usize::try_from(PEOPLE).unwrap());
    assert!(place.json("status --json").is_object());
}

/// A schema is not migrated through a pooler, and the refusal says what to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_a_pooler_migrates_nothing() {
    let mut place = Place::postgres().await;
    let direct = Database::of(&place).await;
    direct.sql("DELETE FROM _sqlx_migrations WHERE version > 1").await;
    let _bouncer = Bouncer::before(&mut place).await;
    for line in ["migrate", "run"] {
        let output = tokio::task::block_in_place(|| place.command(line).output().unwrap());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("FIRSTWORD__DATABASE__POOLER=false"), "{line}: {said}");
    }
}
