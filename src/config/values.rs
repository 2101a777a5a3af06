//! Reading one key by its type. What cannot be read is a fault, and the default stands in for it.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use toml::Value;

use crate::domain::span::{self, show};

use super::given::{Given, bytes, show_bytes};
use super::section::Section;

impl Section<'_> {
    /// Reads what is given; where `take` finds nothing in it, that is a fault with this remedy.
    fn read<T>(&mut self, key: &str, remedy: &str, take: impl FnOnce(&Given<'_>) -> Option<T>) -> Option<T> {
        let given = self.given(key)?;
        let value = take(&given);
        if value.is_none() {
            self.fault(key, given.shown(), remedy);
        }
        value
    }

    /// A duration with a unit.
    pub(super) fn span(&mut self, key: &str, range: RangeInclusive<Duration>, default: Duration) -> Duration {
        let [least, most] = [range.start(), range.end()].map(|end| show(*end));
        let remedy = format!("use {least} to {most}, written as in \"500ms\", \"90s\" or \"24h\"");
        let take = |given: &Given<'_>| span::parse(given.text()?).ok().filter(|span| range.contains(span));
        self.read(key, &remedy, take).unwrap_or(default)
    }

    /// A whole number.
    pub(super) fn int_in<T>(&mut self, key: &str, range: RangeInclusive<T>, default: T) -> T
    where
        T: TryFrom<i64> + FromStr + PartialOrd + Display,
    {
        let remedy = format!("use {} to {}", range.start(), range.end());
        let take = |given: &Given<'_>| {
            let number = match given {
                Given::File(value) => T::try_from(value.as_integer()?).ok(),
                Given::Env(text) => text.trim().parse().ok(),
                Given::EnvList(_) => None,
            };
            number.filter(|number| range.contains(number))
        };
        self.read(key, &remedy, take).unwrap_or(default)
    }

    /// A number that may have a fraction.
    pub(super) fn float_in(&mut self, key: &str, range: RangeInclusive<f64>, default: f64) -> f64 {
        let remedy = format!("use {} to {}", range.start(), range.end());
        let take = |given: &Given<'_>| {
            let number = match given {
                Given::File(Value::Integer(number)) => number.to_string().parse().ok(),
                Given::File(value) => value.as_float(),
                Given::Env(text) => text.trim().parse().ok(),
                Given::EnvList(_) => None,
            };
            number.filter(|number| range.contains(number))
        };
        self.read(key, &remedy, take).unwrap_or(default)
    }

    /// A number of bytes, such as `"8MiB"`.
    pub(super) fn size(&mut self, key: &str, range: RangeInclusive<usize>, default: usize) -> usize {
        let [least, most] = [range.start(), range.end()].map(|bytes| show_bytes(*bytes));
        let remedy = format!("use {least} to {most}, written as in \"512KiB\" or \"8MiB\"");
        let take = |given: &Given<'_>| bytes(given.text()?).filter(|bytes| range.contains(bytes));
        self.read(key, &remedy, take).unwrap_or(default)
    }

    /// `true` or `false`.
    pub(super) fn switch(&mut self, key: &str, default: bool) -> bool {
        let take = |given: &Given<'_>| match given {
            Given::File(value) => value.as_bool(),
            Given::Env(text) => text.trim().parse().ok(),
            Given::EnvList(_) => None,
        };
        self.read(key, "use true or false", take).unwrap_or(default)
    }

    /// One of several words.
    pub(super) fn choice<T: Copy>(&mut self, key: &str, words: &[(&str, T)], default: T) -> T {
        let known: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        let remedy = format!("use {}", known.join(" or "));
        let take = |given: &Given<'_>| {
            let text = given.text()?;
            words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value)
        };
        self.read(key, &remedy, take).unwrap_or(default)
    }

    /// A text that is not empty, or whatever else `check` makes of it.
    pub(super) fn text_as<T>(&mut self, key: &str, remedy: &str, check: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        self.read(key, remedy, |given| check(given.text()?))
    }

    /// An identifier. The platform's are numbers, so that one without quotes is read too.
    pub(super) fn id_as<T>(&mut self, key: &str, remedy: &str, check: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        self.read(key, remedy, |given| match given {
            Given::File(Value::Integer(number)) => check(&number.to_string()),
            _ => check(given.text()?),
        })
    }

    /// A path; a relative one starts at the configuration file.
    pub(super) fn path(&mut self, key: &str) -> Option<PathBuf> {
        let path = self.text_as(key, "name a path in quotes", |text| Some(PathBuf::from(text)))?;
        Some(self.source.dir.join(path))
    }

    /// A list of texts, none empty.
    pub(super) fn list(&mut self, key: &str, remedy: &str) -> Option<Vec<String>> {
        let given = self.given_list(key)?;
        let items = if given.is_file_text() { None } else { given.texts() };
        let items = items.filter(|items| items.iter().all(|item| !item.trim().is_empty()));
        if items.is_none() {
            self.fault(key, "is not a list of texts, none of them empty", remedy);
        }
        items
    }
}
