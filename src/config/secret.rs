//! Secrets: given as a value, in the file that the key's `_file` twin names, or as a systemd credential, in this order.
//! Their values never become part of a fault.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use secrecy::SecretString;

use super::Fault;
use super::given::Given;
use super::section::Section;

/// Where a secret was found: the file and key that a fault about it names.
type Place = (String, String);

/// What the search for a secret brought.
enum Found {
    Nothing,
    /// Something is wrong with it, and reported.
    Faulty,
    /// The text as it was written. A list has one item a line, or is given as such.
    Secret(Place, Vec<String>),
}

impl Section<'_> {
    /// One secret.
    pub(super) fn secret(&mut self, key: &str) -> Option<SecretString> {
        match self.search(key) {
            Found::Secret(place, texts) => self.only(place, texts),
            Found::Nothing | Found::Faulty => None,
        }
    }

    /// One secret that must be there.
    pub(super) fn required_secret(&mut self, key: &str) -> Option<SecretString> {
        match self.search(key) {
            Found::Secret(place, texts) => self.only(place, texts),
            Found::Nothing => {
                let credential = self.credential_name(key);
                let remedy = format!("set it, or {key}_file, or give systemd the credential {credential}");
                self.fault(key, "is missing", remedy);
                None
            }
            Found::Faulty => None,
        }
    }

    /// Several secrets, the current one first.
    pub(super) fn secrets(&mut self, key: &str) -> Vec<SecretString> {
        let Found::Secret(place, texts) = self.search(key) else { return Vec::new() };
        let lines = texts.iter().flat_map(|text| text.lines()).filter(|line| !line.is_empty());
        let lines: Vec<String> = lines.map(str::to_owned).collect();
        if lines.is_empty() || texts.iter().any(String::is_empty) {
            self.complain(place, "is empty", "give it a value, or leave the key out");
            return Vec::new();
        }
        lines.into_iter().filter_map(|line| self.clean(&place, line)).collect()
    }

    fn only(&mut self, place: Place, texts: Vec<String>) -> Option<SecretString> {
        let mut texts = texts.into_iter();
        let (first, second) = (texts.next().unwrap_or_default(), texts.next());
        if second.is_some() {
            self.complain(place, "is a list", "give one value");
            return None;
        }
        self.clean(&place, first)
    }

    /// Takes a secret that could be sent and compared as it is.
    fn clean(&mut self, place: &Place, text: String) -> Option<SecretString> {
        if text.is_empty() {
            self.complain(place.clone(), "is empty", "give it a value, or leave the key out");
            return None;
        }
        if text.trim() != text || text.chars().any(char::is_control) {
            let what = "has white space around it, several lines, or a control character in it";
            self.complain(place.clone(), what, "give the value alone");
            return None;
        }
        Some(SecretString::from(text))
    }

    fn search(&mut self, key: &str) -> Found {
        let twin = format!("{key}_file");
        let environment =
            (self.in_environment(key).or_else(|| self.items_in_environment(key)), self.in_environment(&twin));
        let file = (self.in_file(key), self.in_file(&twin));
        for layer in [environment, file] {
            return match layer {
                (Some(_), Some(_)) => {
                    self.fault(key, format!("is given, and {twin} too"), "keep one of them");
                    Found::Faulty
                }
                (Some(given), None) => self.inline(key, &given),
                (None, Some(path)) => self.in_its_file(&twin, &path),
                (None, None) => continue,
            };
        }
        self.credential(key)
    }

    fn inline(&mut self, key: &str, given: &Given<'_>) -> Found {
        let place = self.source.place(&self.key(key));
        let texts = match given {
            Given::Env(text) => Some(vec![without_newlines(text)]),
            _ => given.texts(),
        };
        let Some(texts) = texts else {
            self.complain(place, "is not a text", "write it in quotes");
            return Found::Faulty;
        };
        Found::Secret(place, texts)
    }

    fn in_its_file(&mut self, twin: &str, path: &Given<'_>) -> Found {
        let place = self.source.place(&self.key(twin));
        let Some(path) = path.text() else {
            self.complain(place, "is not a path", "name a file that holds the secret alone");
            return Found::Faulty;
        };
        let path = self.source.dir.join(path);
        match fs::read_to_string(&path) {
            Ok(text) => Found::Secret((path.display().to_string(), place.1), vec![without_newlines(&text)]),
            Err(error) => self.unreadable(place, &path, &error),
        }
    }

    fn credential(&mut self, key: &str) -> Found {
        let name = self.credential_name(key);
        let directory = self.source.environment.directory("CREDENTIALS_DIRECTORY");
        let Some(directory) = directory.filter(|_| !name.contains('/')) else { return Found::Nothing };
        // A directory given to systemd as `firstword` comes as files that have this before their names.
        let (path, of_directory) = (directory.join(&name), directory.join(format!("firstword_{name}")));
        let path = if !path.exists() && of_directory.exists() { of_directory } else { path };
        match fs::read_to_string(&path) {
            Ok(text) => Found::Secret((path.display().to_string(), self.key(key)), vec![without_newlines(&text)]),
            Err(error) if error.kind() == ErrorKind::NotFound => Found::Nothing,
            Err(error) => {
                let place = (path.display().to_string(), self.key(key));
                self.unreadable(place, &path, &error)
            }
        }
    }

    fn credential_name(&self, key: &str) -> String {
        format!("{}.{key}", self.credential)
    }

    fn unreadable(&mut self, place: Place, path: &Path, error: &std::io::Error) -> Found {
        let what = format!("cannot be read from {}: {error}", path.display());
        self.complain(place, &what, "check the path and its permissions");
        Found::Faulty
    }

    fn complain(&mut self, (file, key): Place, what: &str, remedy: &str) {
        self.source.faults.push(Fault::new(&file, &key, what, remedy));
    }
}

fn without_newlines(text: &str) -> String {
    text.trim_end_matches(['\n', '\r']).to_owned()
}
