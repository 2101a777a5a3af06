//! What is given, and by whom: the environment over the file. Collects faults, and knows what nobody asked for.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::environment::variable;
use super::section::Section;
use super::{Config, Environment, Fault, Faults};

/// The file's and the environment's settings while they are read.
pub(super) struct Source {
    /// The file as the operator named it.
    pub(super) file: String,
    /// The directory relative paths start from: the file's.
    pub(super) dir: PathBuf,
    pub(super) environment: Environment,
    /// Every key a section has asked for, such as `send.mode`.
    pub(super) keys: BTreeSet<String>,
    pub(super) sections: BTreeSet<String>,
    /// Keys of the file that no section has asked for.
    pub(super) strangers: Vec<String>,
    pub(super) faults: Vec<Fault>,
    warnings: Vec<String>,
}

impl Source {
    pub(super) fn new(shown: String, file: &Path, environment: &Environment) -> Self {
        Self {
            file: shown,
            dir: file.parent().unwrap_or(Path::new("/")).to_owned(),
            environment: environment.clone(),
            keys: BTreeSet::new(),
            sections: BTreeSet::new(),
            strangers: Vec::new(),
            faults: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Reads the section `[name]`. Keys that `read` does not ask for are faults.
    pub(super) fn section<T>(
        &mut self,
        root: &Table,
        name: &'static str,
        read: impl FnOnce(&mut Section<'_>) -> T,
    ) -> T {
        self.sections.insert(name.to_owned());
        let table = root.get(name).and_then(|value| {
            if !value.is_table() {
                self.fault(name, "is not a section", format!("write [{name}] once, and its keys below it"));
            }
            value.as_table()
        });
        self.part(name, table, read)
    }

    /// Reads a part of the file that has a table, or of which only the environment speaks.
    pub(super) fn part<T>(&mut self, name: &str, table: Option<&Table>, read: impl FnOnce(&mut Section<'_>) -> T) -> T {
        let mut section = Section::new(self, name, table);
        let value = read(&mut section);
        let paths = table.into_iter().flat_map(Table::keys).map(|key| format!("{name}.{key}"));
        let strangers: Vec<String> = paths.filter(|path| !self.keys.contains(path)).collect();
        self.strangers.extend(strangers);
        value
    }

    /// The tables of `[[name]]`; `None` after a fault.
    pub(super) fn tables<'t>(&mut self, root: &'t Table, name: &'static str) -> Option<Vec<&'t Table>> {
        self.sections.insert(name.to_owned());
        let Some(value) = root.get(name) else { return Some(Vec::new()) };
        let tables = value.as_array().and_then(|all| all.iter().map(Value::as_table).collect());
        if tables.is_none() {
            self.fault(name, "is not a list of sections", format!("write [[{name}]] above the keys of each"));
        }
        tables
    }

    /// Notes the keys of the file's top level that are no sections.
    pub(super) fn strangers(&mut self, root: &Table) {
        self.strangers.extend(root.keys().filter(|key| !self.sections.contains(*key)).cloned());
    }

    /// Where a key was given: the environment and the variable, or the file and the key.
    pub(super) fn place(&self, key: &str) -> (String, String) {
        let name = variable(key);
        let item = format!("{name}__");
        let set = self.environment.settings().find(|var| **var == name || (var.starts_with(&item)));
        match set.filter(|_| self.keys.contains(key)) {
            Some(var) => ("environment".to_owned(), var.to_owned()),
            None => (self.file.clone(), key.to_owned()),
        }
    }

    pub(super) fn fault(&mut self, key: &str, what: impl Into<String>, remedy: impl Into<String>) {
        let (file, key) = self.place(key);
        self.faults.push(Fault::new(&file, &key, what, remedy));
    }

    pub(super) fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// Every key a section has asked for.
    #[cfg(test)]
    pub(super) fn known(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(String::as_str)
    }

    /// The configuration, if nothing was wrong with it and nothing given went unread.
    pub(super) fn finish(mut self, config: Config) -> Result<Config, Faults> {
        let strangers = self.unasked();
        self.faults.extend(strangers);
        let mut seen = BTreeSet::new();
        self.faults.retain(|fault| seen.insert(fault.to_string()));
        if self.faults.is_empty() { Ok(Config { warnings: self.warnings, ..config }) } else { Err(Faults(self.faults)) }
    }
}
