//! One item of `POST /optins`, read strictly: a typo in a field would otherwise be a lost deadline or a lost person.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::domain::ids::{IdFault, LoginId, PageId};
use crate::domain::signal::{NewOptIn, Source};
use crate::domain::time::Timestamp;
use crate::intake::Derivation;
use crate::intake::plausible::{Doubt, believe};

/// The fields an item may have.
pub(super) const FIELDS: [&str; 6] = ["page_id", "login_id", "app_scoped_id", "opted_in_at", "locale", "ref"];
/// The longest reference, in bytes.
pub(super) const LONGEST_REFERENCE: usize = 1024;
/// The longest locale, in bytes (RFC 5646, 4.4.1).
pub(super) const LONGEST_LOCALE: usize = 35;

/// What is wrong with an item. Never repeats what it says about a person.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Fault {
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'static str>,
    detail: Cow<'static, str>,
}

impl Fault {
    fn new(code: &'static str, field: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, field: Some(field), detail: detail.into() }
    }

    /// The person's data was erased at their request; nothing is stored of them again.
    pub(super) fn erased() -> Self {
        Self { code: "erased", field: None, detail: "names a person whose data was erased; nothing was stored".into() }
    }
}

/// Reads an item.
pub(super) fn read(raw: &RawValue, login: Option<&Derivation>, now: Timestamp) -> Result<NewOptIn, Fault> {
    let Ok(item) = serde_json::from_str::<Map<String, Value>>(raw.get()) else {
        return Err(Fault { code: "invalid", field: None, detail: "is not an object".into() });
    };
    if let Some(unknown) = item.keys().find(|key| !FIELDS.contains(&key.as_str())) {
        // A name is repeated, to show the typo; what may be a person's identifier in its place is not.
        let is_name = unknown.len() <= 40 && unknown.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        let field = if is_name { format!("the unknown field {unknown:?}") } else { "an unknown field".to_owned() };
        let detail = format!("has {field}; known are {}", FIELDS.join(", "));
        return Err(Fault { code: "unknown_field", field: None, detail: detail.into() });
    }
    let item = Item(&item);
    let page = item.id::<PageId>("page_id")?.ok_or_else(|| Fault::new("missing", "page_id", "is missing"))?;
    Ok(NewOptIn {
        login: item.login(&page, login)?,
        page,
        at: item.at(now)?,
        locale: item.locale()?,
        reference: item.reference()?,
        source: Source::Site,
    })
}

struct Item<'a>(&'a Map<String, Value>);

impl Item<'_> {
    fn value(&self, field: &str) -> Option<&Value> {
        self.0.get(field).filter(|value| !value.is_null())
    }

    /// A text, or a whole number as text.
    fn text(&self, field: &'static str) -> Result<Option<Cow<'_, str>>, Fault> {
        match self.value(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.into())),
            Some(Value::Number(number)) if number.is_i64() || number.is_u64() => Ok(Some(number.to_string().into())),
            Some(_) => Err(Fault::new("invalid", field, "is neither a text nor a whole number")),
        }
    }

    fn id<T>(&self, field: &'static str) -> Result<Option<T>, Fault>
    where
        T: TryFrom<String, Error = IdFault>,
    {
        let id = self.text(field)?.map(|text| T::try_from(text.into_owned())).transpose();
        id.map_err(|fault| Fault::new("invalid", field, fault.to_string()))
    }

    /// The `login_id`: given, derived, or both if they agree.
    fn login(&self, page: &PageId, derivation: Option<&Derivation>) -> Result<LoginId, Fault> {
        let given = self.id::<LoginId>("login_id")?;
        // An app-scoped id obeys the same rules as any identifier.
        let Some(user) = self.id::<LoginId>("app_scoped_id")? else {
            return given.ok_or_else(|| Fault::new("missing", "login_id", "is missing, and app_scoped_id too"));
        };
        let Some(derivation) = derivation else {
            let detail = "needs login.app_id and login.client_token in the configuration; or send login_id alone";
            return Err(Fault::new("not_configured", "app_scoped_id", detail));
        };
        let derived = derivation.login_id(user.as_str(), page);
        match given {
            Some(given) if derived.as_ref() != Some(&given) => {
                Err(Fault::new("mismatch", "login_id", "is not the one of app_scoped_id on this page"))
            }
            given => given.or(derived).ok_or_else(|| Fault::new("invalid", "app_scoped_id", "names nobody")),
        }
    }

    /// When they opted in; `None` is the time of receipt.
    fn at(&self, now: Timestamp) -> Result<Option<Timestamp>, Fault> {
        const FIELD: &str = "opted_in_at";
        let Some(text) = self.text(FIELD)? else { return Ok(None) };
        let at = Timestamp::parse(&text).ok_or_else(|| {
            Fault::new("invalid", FIELD, "is neither RFC 3339 nor seconds or milliseconds since 1970")
        })?;
        match believe(at, now) {
            Ok(at) => Ok(Some(at)),
            Err(Doubt::Future) => Err(Fault::new("in_future", FIELD, "is more than 5 minutes in the future")),
            Err(Doubt::Stale) => Err(Fault::new("too_old", FIELD, "is more than 7 days ago")),
        }
    }

    fn locale(&self) -> Result<Option<String>, Fault> {
        let Some(locale) = self.text("locale")? else { return Ok(None) };
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if locale.is_empty() || locale.len() > LONGEST_LOCALE || !locale.bytes().all(known) {
            return Err(Fault::new("invalid", "locale", "is not a locale such as de_DE"));
        }
        Ok(Some(locale.into_owned()))
    }

    fn reference(&self) -> Result<Option<String>, Fault> {
        let Some(reference) = self.text("ref")? else { return Ok(None) };
        if reference.len() > LONGEST_REFERENCE || reference.chars().any(char::is_control) {
            return Err(Fault::new("invalid", "ref", "is longer than 1024 bytes or has a control character in it"));
        }
        Ok(Some(reference.into_owned()).filter(|reference| !reference.is_empty()))
    }
}
