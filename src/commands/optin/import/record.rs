//! A line as an opt-in.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::in_future;
use super::split::{separator, split};
use crate::cli::optin::DefaultTime;
use crate::domain::ids::{LoginId, PageId};
use crate::domain::signal::{NewOptIn, Source};
use crate::domain::time::Timestamp;

/// What lines need not say.
#[derive(Debug, Clone, Default)]
pub(super) struct Defaults {
    pub(super) page: Option<PageId>,
    pub(super) time: Option<DefaultTime>,
}

/// The keys and columns that are read, those that must be there first.
const NAMES: [&str; 5] = ["page_id", "login_id", "opted_in_at", "locale", "reference"];

/// Why a line is refused. Never repeats what it says about a person.
pub(super) type Reason = Cow<'static, str>;

/// The values of a line, in the order of [`NAMES`]; empty counts as absent.
type Values<'a> = [Cow<'a, str>; 5];

/// Where the columns of a CSV file are.
#[derive(Debug)]
pub(super) struct Header {
    separator: char,
    width: usize,
    places: [Option<usize>; 5],
    /// Columns that are not read.
    pub(super) unknown: Vec<String>,
}

impl Header {
    /// Reads the first line.
    ///
    /// # Errors
    /// Which columns it lacks, or has twice.
    pub(super) fn read(line: &str, defaults: &Defaults) -> Result<Self, String> {
        let separator = separator(line);
        let columns = split(line, separator).map_err(|flaw| format!("the header {flaw}"))?;
        let columns: Vec<String> = columns.iter().map(|name| name.to_ascii_lowercase()).collect();
        if let Some(twice) = NAMES.iter().find(|name| columns.iter().filter(|column| column == *name).count() > 1) {
            return Err(format!("the header has {twice} twice"));
        }
        let places = NAMES.map(|name| columns.iter().position(|column| column == name));
        let optional = [defaults.page.is_some(), false, defaults.time.is_some(), true, true];
        let lacking = NAMES.iter().zip(places).zip(optional).filter(|((_, place), free)| place.is_none() && !free);
        let lacking: Vec<&str> = lacking.map(|((name, _), _)| *name).collect();
        if !lacking.is_empty() {
            return Err(format!(
                "the first line must be a header with page_id, login_id and opted_in_at; it lacks {} (--page ID and \
                 --opted-in-at TIME stand in for a missing column)",
                lacking.join(", ")
            ));
        }
        let unknown = columns.iter().filter(|column| !NAMES.contains(&column.as_str()));
        Ok(Self { separator, width: columns.len(), places, unknown: unknown.cloned().collect() })
    }

    /// Reads a line below it.
    pub(super) fn optin(&self, line: &str, defaults: &Defaults, latest: Timestamp) -> Result<NewOptIn, Reason> {
        let mut fields = split(line, self.separator)?;
        if fields.len() != self.width {
            let (has, wants) = (fields.len(), self.width);
            return Err(format!("has {has} columns where the header has {wants}").into());
        }
        let mut take = |place: Option<usize>| place.and_then(|at| fields.get_mut(at)).map(std::mem::take);
        optin(&self.places.map(|place| take(place).unwrap_or_default()), defaults, latest)
    }
}

/// Reads a line of JSON.
pub(super) fn json(line: &str, defaults: &Defaults, latest: Timestamp) -> Result<NewOptIn, Reason> {
    let object: Map<String, Value> = serde_json::from_str(line).map_err(|error| {
        let column = error.column();
        if error.is_data() { "is not a JSON object".into() } else { format!("is not JSON, at column {column}") }
    })?;
    let mut values = Values::default();
    for (value, name) in values.iter_mut().zip(NAMES) {
        *value = match object.get(name) {
            None | Some(Value::Null) => continue,
            Some(Value::String(text)) => Cow::Borrowed(text.as_str()),
            Some(Value::Number(number)) if !number.is_f64() => number.to_string().into(),
            Some(_) => return Err(format!("{name} is neither a text nor a whole number").into()),
        };
    }
    optin(&values, defaults, latest)
}

fn optin(values: &Values<'_>, defaults: &Defaults, latest: Timestamp) -> Result<NewOptIn, Reason> {
    let [page, login, at, locale, reference] = values;
    let page = match &defaults.page {
        Some(default) if page.is_empty() => default.clone(),
        _ => PageId::new(page).map_err(|fault| format!("page_id {fault}"))?,
    };
    let login = LoginId::new(login).map_err(|fault| format!("login_id {fault}"))?;
    let at = time(at, defaults.time)?;
    if at.is_some_and(|at| in_future(at, latest)) {
        return Err("opted_in_at lies in the future".into());
    }
    // The platform's own locales are at most 10 characters; the store takes 64.
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if locale.len() > 35 || !locale.bytes().all(known) {
        return Err("locale is not one such as de or de_DE".into());
    }
    if reference.chars().count() > 1024 || reference.chars().any(char::is_control) {
        return Err("reference is longer than 1024 characters or has a control character in it".into());
    }
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Ok(NewOptIn { page, login, at, locale: given(locale), reference: given(reference), source: Source::Operator })
}

fn time(text: &str, default: Option<DefaultTime>) -> Result<Option<Timestamp>, Reason> {
    match (text.is_empty(), default) {
        (true, None) => Err("opted_in_at is empty".into()),
        (true, Some(DefaultTime::Now)) => Ok(None),
        (true, Some(DefaultTime::At(at))) => Ok(Some(at)),
        (false, _) => match Timestamp::parse(text) {
            Some(at) => Ok(Some(at)),
            None => Err("opted_in_at is neither RFC 3339 nor seconds or milliseconds since 1970, from 2020 on".into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latest() -> Timestamp {
        Timestamp::parse("2026-06-02T00:00:00Z").unwrap()
    }

    #[test]
    fn columns_may_stand_in_any_order() {
        let none = Defaults::default();
        let header = Header::read("Reference,opted_in_at, LOGIN_ID ,page_id,extra", &none).unwrap();
        assert_eq!(header.unknown, ["extra"]);
        let new = header.optin("\"a, b\",2026-06-01T12:00:00+02:00,x,1,?", &none, latest()).unwrap();
        assert_eq!((new.page.as_str(), new.login.as_str()), ("1", "x"));
        assert_eq!(new.reference.as_deref(), Some("a, b"));
        assert_eq!(new.at.unwrap().to_string(), "2026-06-01T10:00:00.000Z");
        let few = header.optin("x,1", &none, latest()).unwrap_err();
        assert_eq!(few, "has 2 columns where the header has 5");
    }

    #[test]
    fn headers_say_what_they_lack() {
        let none = Defaults::default();
        assert!(Header::read("login_id", &none).unwrap_err().contains("it lacks page_id, opted_in_at"));
        assert!(Header::read("login_id,login_id,page_id,opted_in_at", &none).unwrap_err().contains("twice"));
        let all = Defaults { page: PageId::new("1").ok(), time: Some(DefaultTime::Now) };
        let header = Header::read("login_id", &all).unwrap();
        let new = header.optin("x", &all, latest()).unwrap();
        assert_eq!((new.page.as_str(), new.at), ("1", None));
    }

    #[test]
    fn json_lines() {
        let none = Defaults::default();
        let read = |line: &str| json(line, &none, latest());
        let new = read(r#"{"page_id": 1, "login_id": "x", "opted_in_at": 1780315200, "state": "sent"}"#).unwrap();
        assert_eq!((new.page.as_str(), new.at.unwrap().ms()), ("1", 1_780_315_200_000));
        let cases = [
            ("[1]", "is not a JSON object"),
            ("{\"page_id\": ", "is not JSON, at column"),
            (r#"{"login_id": "x", "opted_in_at": 1780315200}"#, "page_id is empty"),
            (r#"{"page_id": 1, "login_id": "x"}"#, "opted_in_at is empty"),
            (r#"{"page_id": 1, "login_id": "x", "opted_in_at": "soon"}"#, "opted_in_at is neither"),
            (r#"{"page_id": 1, "login_id": "x", "opted_in_at": "2027-01-01T00:00:00Z"}"#, "in the future"),
            (r#"{"page_id": 1, "login_id": ["x"], "opted_in_at": 1780315200}"#, "login_id is neither"),
            (r#"{"page_id": 1, "login_id": "x\u0000", "opted_in_at": 1780315200}"#, "login_id has white space"),
            (r#"{"page_id": 1, "login_id": "x", "opted_in_at": 1780315200, "locale": "d e"}"#, "locale is not"),
            (r#"{"page_id": 1, "login_id": "x", "opted_in_at": 1780315200, "reference": "\n"}"#, "reference is longer"),
        ];
        for (line, reason) in cases {
            let refused = read(line).unwrap_err();
            assert!(refused.contains(reason), "{line}: {refused}");
        }
    }
}
