//! What an operator can get wrong, and what must come of it.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;

use super::{Config, Environment, Fault, Faults, Mode, find, load};

mod faults;
mod sample;
mod secrets;

const PAGE: &str = "[[pages]]\nid = \"1\"\naccess_token = \"token-1\"\nmessage = \"hello.json\"\n";

const HELLO: &str = r#"{"text": "Hello, I am the automated assistant of our shop.",
    "quick_replies": [{"content_type": "text", "title": "Hello", "payload": "HELLO"}]}"#;

/// A directory with a configuration in it.
struct Site {
    dir: TempDir,
    environment: Environment,
}

impl Site {
    fn new(text: &str) -> Self {
        let site = Self { dir: TempDir::new().unwrap(), environment: Environment::default() };
        site.write("hello.json", HELLO);
        site.write("firstword.toml", text);
        site
    }

    fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.vars.insert(name.to_owned(), value.into());
        self
    }

    /// Makes a credentials directory of one credential.
    fn with_credential(self, name: &str, value: &str) -> Self {
        self.write(&format!("credentials/{name}"), value);
        let directory = self.path("credentials").display().to_string();
        self.with("CREDENTIALS_DIRECTORY", directory)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    fn load(&self) -> Result<Config, Faults> {
        load(&self.path("firstword.toml"), &self.environment)
    }

    fn config(&self) -> Config {
        self.load().unwrap_or_else(|faults| panic!("{faults}"))
    }

    fn faults(&self) -> Vec<Fault> {
        self.load().expect_err("it should have been refused").0
    }

    /// The only fault, as it is shown, without the directory.
    fn fault(&self) -> String {
        let faults = self.faults();
        assert_eq!(faults.len(), 1, "{}", Faults(faults));
        faults[0].to_string().replace(&format!("{}/", self.dir.path().display()), "")
    }
}

/// A site with one page and this text before it.
fn site(text: &str) -> Site {
    Site::new(&format!("{text}\n{PAGE}"))
}

fn shown(secret: &SecretString) -> &str {
    secret.expose_secret()
}

#[test]
fn a_page_is_enough() {
    let site = site("");
    let config = site.config();
    assert_eq!(config.file, Some(site.path("firstword.toml")));
    assert_eq!(config.database.url, format!("sqlite://{}", site.path("firstword.db").display()));
    assert_eq!(config.policy, crate::domain::policy::Policy::default());
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.max_body, 8 * 1024 * 1024);
    assert_eq!((config.send.mode, config.send.max_in_flight), (Mode::Continuous, 64));
    assert_eq!(config.messenger.graph_url, "https://graph.facebook.com");
    assert_eq!((config.pages[0].id.as_str(), shown(&config.pages[0].access_token)), ("1", "token-1"));
    assert_eq!(config.pages[0].message_file, site.path("hello.json"));
    assert!(config.login.is_none() && config.stop_words.iter().any(|word| word == "退订"));
    let doors = ["messenger.app_secret", "messenger.verify_token", "server.api_token"];
    for door in doors {
        assert!(config.warnings.iter().any(|warning| warning.starts_with(door)), "{:?}", config.warnings);
    }
}

#[test]
fn the_environment_wins_over_the_file() {
    let site = site("[send]\nmode = \"batch\"\nmax_in_flight = 5\n[database]\nurl_file = \"nowhere\"")
        .with("FIRSTWORD__SEND__MODE", "continuous")
        .with("FIRSTWORD__SEND__POLL_INTERVAL", "250ms")
        .with("FIRSTWORD__POLICY__GREET_AGAIN", "true")
        .with("FIRSTWORD__POLICY__STOP_WORDS__0", "halt")
        .with("FIRSTWORD__POLICY__STOP_WORDS__1", "genug")
        .with("FIRSTWORD__MESSENGER__APP_SECRET", "new\nold\n")
        .with("FIRSTWORD__DATABASE__URL", "postgres://me:hunter2@db/firstword")
        .with("FIRSTWORD__PAGES__0__ACCESS_TOKEN", "token-2")
        .with("FIRSTWORD__PAGES__1__ID", "2")
        .with("FIRSTWORD__PAGES__1__ACCESS_TOKEN", "12345")
        .with("FIRSTWORD__PAGES__1__MESSAGE", "hello.json")
        .with("FIRSTWORD__PAGES__1__RATE_PER_SECOND", "0.5");
    let config = site.config();
    assert_eq!((config.send.mode, config.send.max_in_flight), (Mode::Continuous, 5));
    assert_eq!(config.send.poll_interval, Duration::from_millis(250));
    assert!(config.policy.greet_again);
    assert_eq!(config.stop_words, ["halt", "genug"]);
    assert_eq!(config.messenger.app_secrets.iter().map(shown).collect::<Vec<_>>(), ["new", "old"]);
    assert_eq!(config.database.url, "postgres://me:hunter2@db/firstword");
    assert_eq!(shown(&config.pages[0].access_token), "token-2");
    assert_eq!((config.pages[1].id.as_str(), shown(&config.pages[1].access_token)), ("2", "12345"));
    assert!((config.pages[1].rate_per_second - 0.5).abs() < f64::EPSILON);
}

#[test]
fn paths_start_at_the_file_and_the_database_at_the_state_directory() {
    let at = |text, state| {
        let site = Site::new(&format!("[jobs]\ndir = \"jobs\"\n[database]\nurl = \"{text}\"\n{PAGE}"))
            .with("STATE_DIRECTORY", state);
        site.write("jobs/x.toml", "");
        let config = site.config();
        assert_eq!(config.jobs.dir, Some(site.path("jobs")));
        config.database.url.replace(&format!("{}", site.dir.path().display()), "HERE")
    };
    assert_eq!(at("sqlite://data/x.db", ""), "sqlite://HERE/data/x.db");
    assert_eq!(at("sqlite://x.db", "/var/lib/firstword:/var/lib/other"), "sqlite:///var/lib/firstword/x.db");
    assert_eq!(at("sqlite:x.db", "/var/lib/100%"), "sqlite:///var/lib/100%25/x.db");
    assert_eq!(at("sqlite:///srv/x.db", "/var/lib/firstword"), "sqlite:///srv/x.db");
    for (url, what) in [("sqlite::memory:", "in memory"), ("sqlite://", "no file"), ("sqlite://x?mode=rwc", "options")]
    {
        let fault = site(&format!("[database]\nurl = \"{url}\"")).fault();
        assert!(fault.contains(what), "{fault}");
    }
}

#[test]
fn the_file_is_found_in_this_order() {
    let site = site("");
    let mut environment = Environment { dir: site.dir.path().to_owned(), ..Environment::default() };
    let here = site.path("firstword.toml");
    assert_eq!(find(None, &environment), Ok(here.clone()));
    site.write("other.toml", "");
    let other = site.path("other.toml");
    environment.vars.insert("FIRSTWORD_CONFIG".to_owned(), other.display().to_string());
    assert_eq!(find(None, &environment), Ok(other));
    assert_eq!(find(Some(&here), &environment), Ok(here));
    let missing = find(Some(&site.path("missing.toml")), &environment).unwrap_err().to_string();
    assert!(missing.contains("does not exist, but --config names it"), "{missing}");
    let directory = find(Some(site.dir.path()), &environment).unwrap_err().to_string();
    assert!(directory.contains("is a directory"), "{directory}");
    let nowhere = Environment { dir: site.path("nowhere"), ..Environment::default() };
    let nowhere = find(None, &nowhere).unwrap_err().to_string();
    assert!(nowhere.contains("config sample"), "{nowhere}");
}

/// The default stop words work as they are meant to: each is found however it is dressed, and none in ordinary answers.
#[test]
fn the_default_stop_words_are_good() {
    use crate::intake::StopWords;
    let defaults = site("").config().stop_words;
    let words = StopWords::new(&defaults);
    for word in &defaults {
        for dressed in [word.clone(), word.to_uppercase(), format!(" {word}! "), format!("\u{201c}{word}\u{201d}.")] {
            assert!(words.is_stop(&dressed), "{dressed}");
        }
    }
    for text in [
        "STOP",
        "Stop.",
        "Arret",
        "ARRÊT",
        "Desabonner",
        "BAJA",
        "cancelar suscripcion",
        "Стоп!",
        "ОТПИСАТЬСЯ",
        "停止。",
        "やめて！",
        "수신거부",
        "ايقاف",
        "बंद",
        "หยุด",
        "DỪNG",
        "dung lai",
        "stop 🛑",
        "Hủy",
        "הסר",
        "στοπ",
        "Rezygnuje",
    ] {
        assert!(words.is_stop(text), "{text}");
    }
    for text in [
        "yes",
        "hello",
        "ok",
        "don't stop",
        "bus stop",
        "sí",
        "oui",
        "ja",
        "no",
        "да",
        "はい",
        "네",
        "نعم",
        "हाँ",
        "?",
        "👍",
        "1",
    ] {
        assert!(!words.is_stop(text), "{text}");
    }
    assert!(defaults.len() > 100, "{}", defaults.len());
}
