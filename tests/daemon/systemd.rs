//! What systemd is told, on the socket it gives.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::line::relayed;
use crate::place::{API_TOKEN, APP_SECRET, PAGE, PAGE_TOKEN, Place, until};
use crate::process::Daemon;
use crate::wire::Wire;

/// systemd's end of the socket, and all it heard.
pub(crate) struct Manager(UnixDatagram, pub(crate) Vec<String>);

impl Manager {
    pub(crate) fn at(path: &std::path::Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self(socket, Vec::new())
    }

    /// Takes in what has come; whether it holds a line from a place in the story on.
    fn heard(&mut self, line: &str, from: usize) -> bool {
        let mut buffer = [0; 4096];
        while let Ok(count) = self.0.recv(&mut buffer) {
            let text = std::str::from_utf8(&buffer[..count]).unwrap();
            self.1.extend(text.lines().map(str::to_owned));
        }
        self.1.iter().skip(from).any(|heard| heard == line)
    }

    pub(crate) async fn hears(&mut self, line: &str, from: usize) {
        until(line, async || self.heard(line, from).then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_systemd_follows_the_whole_life() {
    let mut place = Place::postgres().await;
    let socket = place.database.split_once("host=").unwrap().1.split('&').next().unwrap().to_owned();
    let link = place.path("socket");
    place.set(&format!("[database]\nurl = \"{}\"", place.database.replace(&socket, &link.display().to_string())));
    let wire = Wire::bind().await;
    place.without_jobs();
    place.send_to(&wire.url());
    place.write("token", "first-token");
    place.set(&format!("[[pages]]\nid = \"{PAGE}\"\naccess_token_file = \"token\"\nmessage = \"hello.json\""));
    let path = place.path("notify");
    let mut manager = Manager::at(&path);
    let environment = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "300000")];
    let mut daemon = Daemon::start(&place, "debug", &environment);

    manager.hears("STATUS=waiting for the database", 0).await;
    assert!(!manager.heard("READY=1", 0), "{:?}", manager.1);
    symlink(&socket, &link).unwrap();
    manager.hears("READY=1", 0).await;
    assert_eq!(daemon.get("/readyz").await.0, 200);
    manager.hears("WATCHDOG=1", 0).await;

    sends(&daemon, &wire, "anna", "Bearer first-token").await;
    manager.hears("STATUS=0 to send, 1 sent, 0 answered, 0 uncertain, 0 missed; 0 alerts", 0).await;
    place.write("token", "second-token");
    let before = manager.1.len();
    daemon.signal(Signal::HUP);
    manager.hears("RELOADING=1", before).await;
    let reloading = manager.1.iter().position(|line| line == "RELOADING=1").unwrap();
    manager.hears("READY=1", reloading).await;
    sends(&daemon, &wire, "bella", "Bearer second-token").await;

    // A fault in the file changes nothing.
    place.write("token", "");
    let before = manager.1.len();
    daemon.signal(Signal::HUP);
    manager.hears("RELOADING=1", before).await;
    until("it says so", async || daemon.log().contains("the old configuration stays").then_some(())).await;
    sends(&daemon, &wire, "carla", "Bearer second-token").await;

    frozen_it_is_silent(&daemon, &mut manager).await;
    daemon.signal(Signal::TERM);
    manager.hears("STOPPING=1", 0).await;
    assert_eq!(daemon.ended().await, Some(0));
}

async fn sends(daemon: &Daemon, wire: &Wire, login: &str, authorization: &str) {
    assert_eq!(daemon.site(&format!(r#"{{"page_id": "{PAGE}", "login_id": "{login}"}}"#)).await.0, 200);
    let head = until(&format!("{login}'s request"), async || {
        let to_them = |body: &serde_json::Value| body["recipient"]["login_id"] == login;
        wire.requests().into_iter().find(|(_, body)| to_them(body)).map(|(head, _)| head)
    })
    .await;
    let found = head.lines().any(|line| line.eq_ignore_ascii_case(&format!("authorization: {authorization}")));
    assert!(found, "{login}: {head}");
    assert!(!head.lines().next().unwrap().contains("token"), "{head}");
}

/// A process that stands still feeds no watchdog; time is what is shown here, so it is waited for.
async fn frozen_it_is_silent(daemon: &Daemon, manager: &mut Manager) {
    daemon.signal(Signal::STOP);
    let quiet_since = until("silence", async || {
        let before = manager.1.len();
        tokio::time::sleep(Duration::from_millis(50)).await;
        (!manager.heard("WATCHDOG=1", before)).then(Instant::now)
    })
    .await;
    let before = manager.1.len();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(!manager.heard("WATCHDOG=1", before), "fed {:?} after it was frozen", quiet_since.elapsed());
    daemon.signal(Signal::CONT);
    manager.hears("WATCHDOG=1", before).await;
}

/// A database that never answers is no hung loop: systemd must not kill the daemon for it. The dead-man's switch is
/// another matter: not all is well. Time is what is shown here, so it is waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_a_database_that_never_answers_starves_no_watchdog() {
    let mut place = Place::postgres().await;
    let (relay, _direct) = relayed(&mut place, "postgres").await;
    let wire = Wire::bind().await;
    place.set(&format!("[alerts]\nheartbeat_url = \"{}/alive\"\nheartbeat_every = \"1s\"", wire.url()));
    let path = place.path("notify");
    let mut manager = Manager::at(&path);
    let environment = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "300000")];
    let daemon = Daemon::start(&place, "info", &environment);
    manager.hears("READY=1", 0).await;
    until("the heart beats", async || (wire.connections() > 0).then_some(())).await;

    relay.slow_down(Duration::from_hours(1));
    until("the database does not answer", async || (daemon.get("/readyz").await.0 == 503).then_some(())).await;
    until("the heart stands still", async || daemon.log().contains("no heartbeat").then_some(())).await;
    let (began, beats) = (Instant::now(), wire.connections());
    while began.elapsed() < LONGEST_SILENCE + Duration::from_secs(5) {
        let before = manager.1.len();
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert!(manager.heard("WATCHDOG=1", before), "not fed after {:?}", began.elapsed());
    }
    assert_eq!(wire.connections(), beats, "it beat though not all was well");
    assert_eq!(daemon.get("/healthz").await.0, 200);
}

/// How long the delivery loop may be silent.
const LONGEST_SILENCE: Duration = Duration::from_secs(15);

/// A delivery loop that really hangs: standard error is a pipe that is full and that nobody reads, so that the loop's
/// own warning about a database that is gone never returns. Nothing but the watchdog could help, so it must not be fed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_a_hung_delivery_loop_starves_the_watchdog() {
    let mut place = Place::postgres().await;
    let (relay, _direct) = relayed(&mut place, "postgres").await;
    let path = place.path("notify");
    let mut manager = Manager::at(&path);
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = place.command("run --log warn");
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "300000").stderr(writer.try_clone().unwrap());
    let mut child = command.spawn().unwrap();
    drop(command);
    manager.hears("READY=1", 0).await;
    let filler = std::thread::spawn(move || {
        let mut writer = writer;
        // Far more than a pipe holds; ends when somebody reads it.
        std::io::Write::write_all(&mut writer, &vec![b'.'; 4 << 20])
    });
    let waiting = until("the pipe is full", async || {
        let first = rustix::io::ioctl_fionread(&reader).unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        (first > 0 && first == rustix::io::ioctl_fionread(&reader).unwrap()).then_some(first)
    })
    .await;
    let before = manager.1.len();
    manager.hears("WATCHDOG=1", before).await;

    // Nobody is there any more: the loop wants to warn.
    relay.lead_to(Vec::new());
    relay.cut();
    until("silence", async || {
        let before = manager.1.len();
        tokio::time::sleep(Duration::from_secs(2)).await;
        (!manager.heard("WATCHDOG=1", before)).then_some(())
    })
    .await;
    let before = manager.1.len();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!manager.heard("WATCHDOG=1", before), "a hung loop feeds the watchdog");
    assert!(child.try_wait().unwrap().is_none(), "it is hung, not dead");
    assert!(rustix::io::ioctl_fionread(&reader).unwrap() >= waiting, "somebody read the pipe");

    // Somebody reads: the loop goes on, and so does the feeding.
    let drainer = std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
    manager.hears("WATCHDOG=1", before).await;
    filler.join().unwrap().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    drainer.join().unwrap().unwrap();
}

/// `LoadCredential=firstword:DIRECTORY` puts every file there as `firstword_NAME`: a daemon that has its secrets from
/// nowhere else works, and one that was given by its own name comes before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_secret_may_come_from_one_directory() {
    let (mut place, wire) = (Place::sqlite(), Wire::bind().await);
    place.send_to(&wire.url());
    for (section, key) in [("messenger", "app_secret"), ("messenger", "verify_token"), ("server", "api_token")] {
        place.unset(section, key);
    }
    place.set(&format!("[[pages]]\nid = \"{PAGE}\"\nmessage = \"hello.json\""));
    std::fs::create_dir(place.path("given")).unwrap();
    let page = format!("firstword_page.{PAGE}.access_token");
    for (name, secret) in [
        ("firstword_messenger.app_secret", "not this one"),
        ("messenger.app_secret", APP_SECRET),
        ("firstword_messenger.verify_token", "verify-token"),
        ("firstword_server.api_token", API_TOKEN),
        (page.as_str(), PAGE_TOKEN),
    ] {
        place.write(&format!("given/{name}"), format!("{secret}\n"));
    }
    let given = place.path("given").display().to_string();
    let mut daemon = Daemon::start(&place, "trace", &[("CREDENTIALS_DIRECTORY", &given)]);
    daemon.becomes_ready().await;
    assert_eq!(daemon.webhook("{}").await, 200);
    let path = "/webhook?hub.mode=subscribe&hub.verify_token=verify-token&hub.challenge=42";
    assert_eq!(daemon.get(path).await, (200, "42".to_owned()));
    sends(&daemon, &wire, "anna", &format!("Bearer {PAGE_TOKEN}")).await;
    for secret in [APP_SECRET, API_TOKEN, PAGE_TOKEN, "verify-token"] {
        assert!(!daemon.log().contains(secret), "{secret} is in the log");
    }
    // Without the directory nothing is left to start with.
    let told = tokio::task::block_in_place(|| place.command("config check").output().unwrap());
    let told = format!("{}{}", String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
    assert!(told.contains("access_token") && told.contains("is missing") && told.contains(&page[10..]), "{told}");
}
