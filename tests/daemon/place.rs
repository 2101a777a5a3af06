//! A place to run the binary in: a directory, a configuration, a database, a port.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use toml::Table;

pub(crate) const PAGE: &str = "1001";
pub(crate) const PAGE_TOKEN: &str = "page-token";
pub(crate) const APP_SECRET: &str = "app-secret";
pub(crate) const API_TOKEN: &str = "site-token";
pub(crate) const MESSAGE: &str = r#"{"text": "Hello, I am the automated assistant of our shop.",
    "quick_replies": [{"content_type": "text", "title": "Hello", "payload": "HELLO"}]}"#;

/// How long a state is waited for. Far longer than it takes: other work shares the machine, and a held page is probed
/// after a minute.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// Waits for something to be seen.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
}

pub(crate) struct Place {
    dir: TempDir,
    pub(crate) port: u16,
    pub(crate) database: String,
    config: Table,
    /// Whether the binary lives on where a file may not grow.
    pub(crate) survives_limits: bool,
}

impl Place {
    pub(crate) fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let database = format!("sqlite://{}/firstword.db", dir.path().display());
        Self::on(dir, database)
    }

    pub(crate) async fn postgres() -> Self {
        Self::on(tempfile::tempdir().unwrap(), crate::support::postgres().await)
    }

    /// A place with a database that is somebody else's.
    pub(crate) fn at(database: String) -> Self {
        Self::on(tempfile::tempdir().unwrap(), database)
    }

    /// Another node beside this one, on the same database.
    pub(crate) fn beside(&self) -> Self {
        let mut other = Self::on(tempfile::tempdir().unwrap(), self.database.clone());
        let listen = other.config["server"]["listen"].clone();
        other.config = self.config.clone();
        other.config["server"]["listen"] = listen;
        other.save();
        other
    }

    fn on(dir: TempDir, database: String) -> Self {
        let port = free_port();
        let config = format!(
            r#"
[database]
url = "{database}"
[server]
listen = "127.0.0.1:{port}"
api_token = "{API_TOKEN}"
[messenger]
graph_url = "http://127.0.0.1:9"
app_secret = "{APP_SECRET}"
verify_token = "verify-token"
request_timeout = "3s"
[[pages]]
id = "{PAGE}"
access_token = "{PAGE_TOKEN}"
message = "hello.json"
rate_per_second = 200
[send]
poll_interval = "100ms"
start_within = "1s"
[retry]
initial_interval = "200ms"
max_interval = "1s"
"#
        );
        let place = Self { dir, port, database, config: config.parse().unwrap(), survives_limits: false };
        place.write("hello.json", MESSAGE);
        place.save();
        place
    }

    /// Changes the configuration: keys of tables are added or replaced, anything else is replaced whole.
    pub(crate) fn set(&mut self, toml: &str) {
        for (name, value) in toml.parse::<Table>().unwrap() {
            match (self.config.get_mut(&name).and_then(toml::Value::as_table_mut), value) {
                (Some(section), toml::Value::Table(keys)) => section.extend(keys),
                (_, value) => _ = self.config.insert(name, value),
            }
        }
        self.save();
    }

    /// Takes a key out of the configuration.
    pub(crate) fn unset(&mut self, section: &str, key: &str) {
        self.config[section].as_table_mut().unwrap().remove(key);
        self.save();
    }

    /// Has the app's secrets read from the file `app`, as an operator changes them; the current one first.
    pub(crate) fn app_secrets_in_file(&mut self, secrets: &str) {
        self.write("app", secrets);
        self.set("[messenger]\napp_secret_file = \"app\"");
        self.unset("messenger", "app_secret");
    }

    /// Leaves the jobs out. They tick by the clock, whatever a case is about, and may find something to alert.
    pub(crate) fn without_jobs(&mut self) {
        fs::create_dir(self.path("no-jobs")).unwrap();
        self.set("[jobs]\ndir = \"no-jobs\"");
    }

    pub(crate) fn send_to(&mut self, graph_url: &str) {
        self.set(&format!("[messenger]\ngraph_url = \"{graph_url}\""));
    }

    fn save(&self) {
        self.write("firstword.toml", self.config.to_string());
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The binary, with nothing of the environment that could lead it astray.
    pub(crate) fn command(&self, line: &str) -> Command {
        let binary = env!("CARGO_BIN_EXE_firstword");
        let mut command = if self.survives_limits {
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", binary]);
            shell
        } else {
            Command::new(binary)
        };
        command.current_dir(self.dir()).env_clear().args(line.split(' ')).stdin(Stdio::null());
        command
    }

    /// What a command prints as JSON, one object a line.
    pub(crate) fn lines(&self, line: &str) -> Vec<Value> {
        let output = tokio::task::block_in_place(|| self.command(line).output().unwrap());
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{line}: {told}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(crate) fn json(&self, line: &str) -> Value {
        self.lines(line).remove(0)
    }
}

/// A port nobody has, outside the range that outgoing connections are given theirs from.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 1000).unwrap() * 20;
    (0..1000)
        .map(|_| 11_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .unwrap()
}
