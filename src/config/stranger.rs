//! What is given and nobody asked for: mistyped, misplaced or meant for another version.

use std::collections::BTreeSet;

use super::Fault;
use super::environment::{PREFIX, variable};
use super::near::nearest;
use super::source::Source;

impl Source {
    /// Faults for keys, sections and variables that set nothing.
    pub(super) fn unasked(&self) -> Vec<Fault> {
        let in_file = self.strangers.iter().map(|path| {
            let what = if path.contains('.') { "is not a known key" } else { "is not a known section" };
            Fault::new(&self.file, path, what, self.suggestion(path))
        });
        let garbled = self
            .environment
            .unreadable
            .iter()
            .map(|name| Fault::new("environment", name, "is not UTF-8", "set it to readable text, or unset it"));
        in_file.chain(self.stray_variables()).chain(garbled).collect()
    }

    /// What a key of the file that nobody asked for may have been meant to be.
    fn suggestion(&self, path: &str) -> String {
        let (parent, leaf) = path.rsplit_once('.').unwrap_or(("", path));
        let elsewhere: BTreeSet<&str> = self.keys.iter().filter_map(|key| section_of(key, leaf)).collect();
        if !elsewhere.is_empty() {
            let sections: Vec<&str> = elsewhere.into_iter().collect();
            return format!("it belongs to the section {}", sections.join(" or "));
        }
        let known = if parent.is_empty() { &self.sections } else { &self.keys };
        let family = || known.iter().filter_map(|key| family_member(key, parent));
        match nearest(leaf, family()) {
            Some(meant) => format!("did you mean {meant:?}?"),
            None => format!("remove it; known here: {}", family().collect::<Vec<_>>().join(", ")),
        }
    }

    /// Faults for variables that set nothing.
    fn stray_variables(&self) -> Vec<Fault> {
        let known: BTreeSet<String> = self.keys.iter().map(|key| variable(key)).collect();
        let stray = self.environment.settings().filter(|name| !known.contains(*name));
        let fault = |name: &str| {
            let remedy = match nearest(bare(name), known.iter().map(|known| bare(known))) {
                Some(meant) => format!("did you mean {PREFIX}{meant}?"),
                None => "unset it; variables are named FIRSTWORD__SECTION__KEY, lists are counted from 0".to_owned(),
            };
            Fault::new("environment", name, "sets no known key", remedy)
        };
        stray.map(fault).collect()
    }
}

/// The last part of a key, if the rest is `parent`.
fn family_member<'k>(key: &'k str, parent: &str) -> Option<&'k str> {
    let (before, leaf) = key.rsplit_once('.').unwrap_or(("", key));
    (before == parent).then_some(leaf)
}

/// The section a key stands in, if its last part is `leaf`: `pages` for `pages[0].id`.
fn section_of<'k>(key: &'k str, leaf: &str) -> Option<&'k str> {
    let (section, last) = key.rsplit_once('.')?;
    (last == leaf).then(|| section.split('[').next().unwrap_or(section))
}

/// A variable's name without what all have in common.
fn bare(name: &str) -> &str {
    name.strip_prefix(PREFIX).unwrap_or(name)
}
