//! A place to run the binary in.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use assert_cmd::Command;
use firstword::clock::{Clock, SystemClock};
use firstword::domain::ids::{LoginId, PageId, Psid};
use firstword::domain::keyed::derive_login_id;
use firstword::domain::signal::{Links, Sign, Signal};
use firstword::store::Store;
use serde_json::Value;
use tempfile::TempDir;

const MESSAGE: &str = r#"{"text": "Hello, I am the automated assistant of our shop.",
    "quick_replies": [{"content_type": "text", "title": "Hello", "payload": "HELLO"}]}"#;

/// A directory with a configuration of two pages, 1 and 2.
pub(crate) struct Site(pub(crate) TempDir);

impl Site {
    pub(crate) fn new() -> Self {
        let site = Self(TempDir::new().unwrap());
        let page = |id| format!("[[pages]]\nid = \"{id}\"\naccess_token = \"t-{id}\"\nmessage = \"hello.json\"\n");
        site.write("hello.json", MESSAGE);
        site.write("firstword.toml", format!("{}{}", page(1), page(2)));
        site
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    /// The binary, in this directory and with nothing of the environment that could lead it astray.
    pub(crate) fn run(&self, line: &str) -> Command {
        let mut command = Command::cargo_bin("firstword").unwrap();
        command.current_dir(self.0.path()).env_clear().args(line.split(' '));
        command
    }

    pub(crate) fn done(&self, line: &str) -> String {
        let output = self.run(line).assert().code(0).get_output().stdout.clone();
        String::from_utf8(output).unwrap()
    }

    pub(crate) fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.done(line)).unwrap()
    }

    pub(crate) fn lines(&self, line: &str) -> Vec<Value> {
        self.done(line).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Changes the database behind the program's back.
    #[tokio::main(flavor = "current_thread")]
    pub(crate) async fn sql(&self, text: &str) {
        use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
        let url = format!("sqlite://{}", self.path("firstword.db").display());
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// Takes in what another app's message on page 1 tells by its echo: whose PSID it is.
    #[tokio::main(flavor = "current_thread")]
    pub(crate) async fn echo(&self, login: &str, psid: &str) {
        let store = Store::open(&format!("sqlite://{}", self.path("firstword.db").display())).await.unwrap();
        let links = Links {
            psid: Some(Psid::new(psid).unwrap()),
            logins: vec![LoginId::new(login).unwrap()],
            ..Links::default()
        };
        let (page, now) = (PageId::new("1").unwrap(), SystemClock::new().now());
        let signal = Signal::Person { page, sign: Sign::Echo { elsewhere: true }, links, at: now };
        store.apply(vec![signal], now).await.unwrap();
        store.close().await;
    }
}

/// The `login_id` that an app-scoped id leads to, where `login` has the app 66 and the token "client".
pub(crate) fn derived(person: &str, page: &str) -> String {
    derive_login_id("client", "66", person, &PageId::new(page).unwrap())
}

/// A time some hours ago.
pub(crate) fn ago(hours: u64) -> String {
    SystemClock::new().now().minus(Duration::from_hours(hours)).ms().to_string()
}
