//! One section while it is read: what is given for a key, the environment over the file.

use toml::Table;

use super::environment::variable;
use super::given::Given;
use super::source::Source;

/// One section while it is read.
pub(super) struct Section<'a> {
    pub(super) source: &'a mut Source,
    /// Its name in keys: `send`, `pages[0]`.
    pub(super) name: String,
    /// Its name in credentials: `server`, `page.1234567890`.
    pub(super) credential: String,
    table: Option<&'a Table>,
}

impl<'a> Section<'a> {
    pub(super) fn new(source: &'a mut Source, name: &str, table: Option<&'a Table>) -> Self {
        Self { source, name: name.to_owned(), credential: name.to_owned(), table }
    }

    /// The key's full name.
    pub(super) fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.name)
    }

    /// What is given for a key, the environment first; from now on the key is known.
    pub(super) fn given(&mut self, key: &str) -> Option<Given<'a>> {
        self.in_environment(key).or_else(|| self.in_file(key))
    }

    /// What is given for a list: in one variable, in one for each item, or in the file.
    pub(super) fn given_list(&mut self, key: &str) -> Option<Given<'a>> {
        self.in_environment(key).or_else(|| self.items_in_environment(key)).or_else(|| self.in_file(key))
    }

    pub(super) fn in_environment(&mut self, key: &str) -> Option<Given<'a>> {
        let key = self.key(key);
        let value = self.source.environment.get(&variable(&key)).map(|value| Given::Env(value.to_owned()));
        self.source.keys.insert(key);
        value
    }

    /// What variables that end in `__0`, `__1` and so on give for a list.
    pub(super) fn items_in_environment(&mut self, key: &str) -> Option<Given<'a>> {
        let mut items = Vec::new();
        loop {
            let key = format!("{}[{}]", self.key(key), items.len());
            let Some(item) = self.source.environment.get(&variable(&key)) else { break };
            items.push(item.to_owned());
            self.source.keys.insert(key);
        }
        (!items.is_empty()).then_some(Given::EnvList(items))
    }

    pub(super) fn in_file(&self, key: &str) -> Option<Given<'a>> {
        self.table?.get(key).map(Given::File)
    }

    pub(super) fn fault(&mut self, key: &str, what: impl Into<String>, remedy: impl Into<String>) {
        let key = self.key(key);
        self.source.fault(&key, what, remedy);
    }
}
