//! `[database]`: where opt-ins are kept.

use std::fmt;
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;

use super::section::Section;
use crate::store::Access;

/// Where opt-ins are kept. `Debug` hides a password.
#[derive(Clone)]
pub struct Database {
    /// `sqlite://` and an absolute path (`%` and `?` in it percent-encoded), or `postgres://` and what the operator
    /// wrote. May hold a password: show [`Database::shown`] instead.
    pub url: String,
    /// Whether a transaction pooler stands before `PostgreSQL`, so that nothing may outlive a transaction.
    pub pooler: bool,
    /// What a new timeline of the database means.
    pub failover: Failover,
    /// The file in which a node remembers which database it works with; none on PostgreSQL without a state directory.
    pub memory: Option<PathBuf>,
}

/// What it means that `PostgreSQL` answers from a new timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failover {
    /// Commits may be lost: every page is held until an operator has looked.
    None,
    /// A synchronous standby took over and nothing is lost: go on.
    Synchronous,
}

const DEFAULT_URL: &str = "sqlite://firstword.db";
const REMEDY: &str = "use \"sqlite://FILE\" or \"postgres://USER@HOST/DATABASE\"";

pub(super) fn read(section: &mut Section<'_>) -> Database {
    let given = section.secret("url");
    let url = resolve(section, given.as_ref().map_or(DEFAULT_URL, |url| url.expose_secret()));
    let words = [("none", Failover::None), ("synchronous", Failover::Synchronous)];
    let memory = memory(section, &url);
    Database {
        memory,
        url,
        pooler: section.switch("pooler", false),
        failover: section.choice("failover", &words, Failover::None),
    }
}

/// The state directory holds what a node remembers of its database; without one it lies beside a SQLite file.
fn memory(section: &Section<'_>, url: &str) -> Option<PathBuf> {
    let state = section.source.environment.directory("STATE_DIRECTORY");
    let Some(file) = url.strip_prefix("sqlite://") else { return state.map(|state| state.join("postgres.seen")) };
    let file = PathBuf::from(file.replace("%3F", "?").replace("%25", "%")).with_added_extension("seen");
    match (state, file.file_name()) {
        (Some(state), Some(name)) => Some(state.join(name)),
        _ => Some(file),
    }
}

/// The address with nothing relative in it. A fault never quotes it: it may hold a password.
fn resolve(section: &mut Section<'_>, url: &str) -> String {
    let postgres = ["postgres://", "postgresql://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    let sqlite = url.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path));
    let (what, remedy) = match (postgres, sqlite) {
        (Some(""), _) => ("names no host", REMEDY),
        (Some(_), _) => return url.to_owned(),
        (None, Some("")) => ("names no file", REMEDY),
        (None, Some(path)) if path.contains(":memory:") => (
            "keeps opt-ins in memory: they would be lost at a restart, and the command line could not see them",
            "name a file, such as \"sqlite://firstword.db\"",
        ),
        (None, Some(path)) if path.contains(['?', '#']) => {
            ("has options after the file name", "leave them out: the options are ours to set")
        }
        (None, Some(path)) => return format!("sqlite://{}{path}", start_of(section, path)),
        (None, None) => ("is not the address of a database we know", REMEDY),
    };
    section.fault("url", what, remedy);
    DEFAULT_URL.to_owned()
}

/// What stands before a relative path: the service's state directory, or else the configuration file's directory.
fn start_of(section: &Section<'_>, path: &str) -> String {
    if Path::new(path).is_absolute() {
        return String::new();
    }
    let state: Option<PathBuf> = section.source.environment.directory("STATE_DIRECTORY");
    let directory = state.unwrap_or_else(|| section.source.dir.clone());
    let directory = directory.display().to_string().replace('%', "%25").replace('?', "%3F");
    format!("{}/", directory.trim_end_matches('/'))
}

impl Database {
    /// The database as the store opens it.
    #[must_use]
    pub fn access(&self) -> Access {
        Access { url: self.url.clone(), pooler: self.pooler }
    }

    /// The address without user, password and options, for logs.
    #[must_use]
    pub fn shown(&self) -> String {
        let Some((scheme, rest)) = self.url.split_once("://") else { return "(hidden)".to_owned() };
        if scheme == "sqlite" {
            return self.url.clone();
        }
        match rest.split_once('?') {
            Some((_, options)) if options.contains('@') => format!("{scheme}://(hidden)"),
            Some((place, _)) => format!("{scheme}://{}", after_user(place)),
            None => format!("{scheme}://{}", after_user(rest)),
        }
    }
}

fn after_user(place: &str) -> &str {
    place.rsplit_once('@').map_or(place, |(_, place)| place)
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("url", &self.shown())
            .field("pooler", &self.pooler)
            .field("failover", &self.failover)
            .field("memory", &self.memory)
            .finish()
    }
}
