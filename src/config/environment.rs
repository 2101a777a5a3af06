//! The environment, read in one place.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// What every variable that sets a key begins with.
pub(super) const PREFIX: &str = "FIRSTWORD__";

/// The process environment as the configuration sees it. Variables can hold secrets: `Debug` shows their names only.
#[derive(Clone, Default)]
pub struct Environment {
    /// Variables and their values.
    pub vars: BTreeMap<String, String>,
    /// Names of variables of ours whose value is not UTF-8.
    pub unreadable: Vec<String>,
    /// The directory in which `./firstword.toml` is looked for; empty means the current one.
    pub dir: PathBuf,
}

impl Environment {
    /// The environment of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let mut environment = Self::default();
        for (name, value) in std::env::vars_os() {
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => _ = environment.vars.insert(name, value),
                Err(_) if name.starts_with(PREFIX) => environment.unreadable.push(name),
                Err(_) => {}
            }
        }
        environment
    }

    /// An environment of these variables alone.
    #[must_use]
    pub fn of<N: Into<String>, V: Into<String>>(vars: impl IntoIterator<Item = (N, V)>) -> Self {
        let vars = vars.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { vars, ..Self::default() }
    }

    /// Whether standard error is connected to systemd's journal.
    #[must_use]
    pub fn has_journal(&self) -> bool {
        self.vars.contains_key("JOURNAL_STREAM")
    }

    /// The value of a variable, where it has one.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.vars.get(name).map(String::as_str)
    }

    /// The path in a variable that systemd sets. Of several, separated by colons, the first.
    pub(super) fn directory(&self, name: &str) -> Option<PathBuf> {
        let first = self.get(name)?.split(':').next()?;
        (!first.is_empty()).then(|| PathBuf::from(first))
    }

    /// The variables that set keys.
    pub(super) fn settings(&self) -> impl Iterator<Item = &str> {
        self.vars.keys().map(String::as_str).filter(|name| name.starts_with(PREFIX))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.vars.keys()).finish()
    }
}

/// The variable that sets a key: `pages[0].access_token` is set by `FIRSTWORD__PAGES__0__ACCESS_TOKEN`.
pub(super) fn variable(key: &str) -> String {
    let flat = key.replace('[', "__").replace(']', "").replace('.', "__");
    format!("{PREFIX}{}", flat.to_ascii_uppercase())
}
