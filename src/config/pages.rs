//! `[[pages]]`: whom we send for, and what.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use toml::Table;

use crate::domain::ids::PageId;
use crate::domain::message::Template;

use super::Fault;
use super::environment::variable;
use super::section::Section;
use super::source::Source;

/// A business page and its first message.
#[derive(Debug, Clone)]
pub struct Page {
    /// The page.
    pub id: PageId,
    /// The token its messages are sent with.
    pub access_token: SecretString,
    /// The file the message was read from, as an absolute path.
    pub message_file: PathBuf,
    /// The message.
    pub template: Template,
    /// The most requests that may start in a second.
    pub rate_per_second: f64,
}

/// Reads every page of the file and of the environment.
pub(super) fn read(source: &mut Source, root: &Table) -> Vec<Page> {
    let Some(tables) = source.tables(root, "pages") else { return Vec::new() };
    let count = count(source, tables.len());
    if count == 0 {
        source.fault("pages", "names no page", "write [[pages]] with id, access_token and message");
    }
    let mut ids = BTreeSet::new();
    let mut pages = Vec::new();
    for number in 0..count {
        let table = tables.get(number).copied();
        pages.extend(source.part(&format!("pages[{number}]"), table, |section| page(section, &mut ids)));
    }
    pages
}

/// How many pages there are: those of the file, and those that only the environment speaks of, without a gap.
fn count(source: &Source, in_file: usize) -> usize {
    let mut count = in_file;
    loop {
        let prefix = format!("{}__", variable(&format!("pages[{count}]")));
        if !source.environment.settings().any(|name| name.starts_with(&prefix)) {
            return count;
        }
        count += 1;
    }
}

/// Reads all of a page, so that all its faults are seen, and then asks whether it is whole.
fn page(section: &mut Section<'_>, ids: &mut BTreeSet<PageId>) -> Option<Page> {
    let id = id(section, ids);
    if let Some(id) = &id {
        section.credential = format!("page.{id}");
    }
    let access_token = section.required_secret("access_token").filter(|token| fits_header(section, token));
    let message = message(section);
    let rate_per_second = section.float_in("rate_per_second", 0.001..=1_000_000.0, 20.0);
    let (message_file, template) = message?;
    Some(Page { id: id?, access_token: access_token?, message_file, template, rate_per_second })
}

/// The token travels in a header.
fn fits_header(section: &mut Section<'_>, token: &SecretString) -> bool {
    let fits = token.expose_secret().chars().all(|c| c.is_ascii_graphic());
    if !fits {
        section.fault("access_token", "has a character in it that no token has", "copy it from the dashboard again");
    }
    fits
}

fn id(section: &mut Section<'_>, ids: &mut BTreeSet<PageId>) -> Option<PageId> {
    if section.given("id").is_none() {
        section.fault("id", "is missing", "set it to the page's id, in quotes");
        return None;
    }
    let id = section.id_as("id", "use the page's id, as the platform shows it", |text| PageId::new(text).ok())?;
    if !ids.insert(id.clone()) {
        section.fault("id", format!("is {id}, as another page's is"), "give each page one section");
    }
    Some(id)
}

fn message(section: &mut Section<'_>) -> Option<(PathBuf, Template)> {
    if section.given("message").is_none() {
        section.fault("message", "is missing", "name the file with the page's first message");
        return None;
    }
    let path = section.path("message")?;
    match fs::read_to_string(&path) {
        Ok(json) => template(section.source, &path, &json).map(|template| (path, template)),
        Err(error) => {
            let what = format!("cannot be read from {}: {error}", path.display());
            section.fault("message", what, "check the path and its permissions; it starts at the configuration file");
            None
        }
    }
}

fn template(source: &mut Source, path: &Path, json: &str) -> Option<Template> {
    let file = path.display().to_string();
    match Template::parse(json) {
        Ok((template, warnings)) => {
            for warning in &warnings {
                source.warn(format!("{file}: {warning}"));
            }
            Some(template)
        }
        Err(faults) => {
            source.faults.extend(faults.into_iter().map(|fault| {
                let remedy = fault.rule.map_or_else(String::new, |rule| format!("allowed: {rule}"));
                Fault::new(&file, &fault.path, fault.problem, remedy)
            }));
            None
        }
    }
}
