//! A value in the template file with the path that leads to it, and the checks every value may need.

use serde_json::Value;

use super::limits::{Limit, length};
use super::report::Report;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Node<'a> {
    pub(super) path: String,
    pub(super) value: &'a Value,
}

impl<'a> Node<'a> {
    /// The file itself.
    pub(super) fn root(value: &'a Value) -> Self {
        Self { path: String::new(), value }
    }

    /// The path of a key below this object, present or not.
    pub(super) fn path_to(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// What stands under a key, if this is an object that has it.
    pub(super) fn get(&self, key: &str) -> Option<Self> {
        self.value.get(key).map(|value| Self { path: self.path_to(key), value })
    }

    /// The text under a key, if it is one.
    pub(super) fn word(&self, key: &str) -> Option<&'a str> {
        self.value.get(key)?.as_str()
    }

    /// Every key of an object and what stands there.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&'a str, Self)> {
        let fields = self.value.as_object().into_iter().flatten();
        fields.map(|(key, value)| (key.as_str(), Self { path: self.path_to(key), value }))
    }

    /// Every item of an array.
    pub(super) fn items(&self) -> impl Iterator<Item = Self> {
        let items = self.value.as_array().into_iter().flatten().enumerate();
        items.map(|(i, value)| Self { path: format!("{}[{i}]", self.path), value })
    }

    /// Whether this is an object; a fault if not.
    pub(super) fn is_object(&self, report: &mut Report) -> bool {
        self.value.is_object() || {
            report.fault(self, "must be an object: {..}");
            false
        }
    }

    /// What stands under a key that must be there.
    pub(super) fn required(&self, key: &str, report: &mut Report) -> Option<Self> {
        let found = self.get(key);
        if found.is_none() {
            report.missing(self, key, "is missing");
        }
        found
    }

    /// This as a text, of whatever length; a fault if it is none.
    pub(super) fn as_text(&self, report: &mut Report) -> Option<&'a str> {
        let text = self.value.as_str();
        if text.is_none() {
            report.fault(self, "must be a text: \"..\"");
        }
        text
    }

    /// Checks a text people see: not blank and within the limit.
    pub(super) fn check_text(&self, limit: &Limit, report: &mut Report) {
        match self.as_text(report) {
            Some(text) if text.trim().is_empty() => report.fault(self, "is empty"),
            Some(text) => self.check_length(text, 0, limit, report),
            None => {}
        }
    }

    /// Checks the length of a text to which `added` characters come later.
    pub(super) fn check_length(&self, text: &str, added: usize, limit: &Limit, report: &mut Report) {
        let (units, points) = (length(text), text.chars().count());
        if units + added <= limit.most {
            return;
        }
        let stricter =
            " (an emoji counts as 2: which unit the platform counts is unconfirmed, so we take the stricter)";
        let unit = if units == points { "" } else { stricter };
        let token = if added == 0 { String::new() } else { format!(", and our token adds {added}") };
        report.exceeds(self, format!("has {units} characters{unit}{token}"), limit);
    }

    /// Checks that this is an array of an allowed size.
    pub(super) fn check_list(&self, limit: &Limit, report: &mut Report) {
        match self.value.as_array() {
            None => report.fault(self, "must be an array: [..]"),
            Some(items) if !limit.allows(items.len()) => report.exceeds(self, format!("has {}", items.len()), limit),
            Some(_) => {}
        }
    }

    /// Checks that this is an address the platform may be sent to; gives its host.
    pub(super) fn check_https(&self, report: &mut Report) -> Option<&'a str> {
        let url = self.as_text(report)?;
        let host = https_host(url);
        if host.is_none() {
            report.fault(self, format!("is {url:?}, which is not an https:// address"));
        }
        host
    }

    /// Warns of keys the platform does not document here; it may refuse the whole message for one.
    pub(super) fn check_keys(&self, known: &[&str], report: &mut Report) {
        for (key, node) in self.fields().filter(|(key, _)| !known.contains(key)) {
            report.warn(
                &node,
                format!("is not a key we know here ({key:?}); a misspelt one makes the platform refuse the message"),
            );
        }
    }
}

/// The host of an https address, or nothing if it is not one.
fn https_host(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#', ':']).next()?;
    let clean = |c: char| !c.is_whitespace() && !c.is_control();
    let in_host = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    let fine = scheme.eq_ignore_ascii_case("https")
        && !host.is_empty()
        && host.chars().all(in_host)
        && rest.chars().all(clean);
    fine.then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_addresses_are_told_from_others() {
        for (url, host) in [
            ("https://example.com", Some("example.com")),
            ("HTTPS://shop.example:8443/a?b#c", Some("shop.example")),
            ("https://m\u{fc}nchen.example/x", Some("m\u{fc}nchen.example")),
            ("http://example.com", None),
            ("https://", None),
            ("https:///path", None),
            ("https://user@example.com", None),
            ("https://example.com/a b", None),
            ("example.com", None),
            ("", None),
        ] {
            assert_eq!(https_host(url), host, "{url}");
        }
    }
}
