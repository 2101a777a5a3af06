//! How one argument is read.

use std::convert::Infallible;
use std::fmt;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use secrecy::SecretString;

use crate::domain::ids::{LoginId, PageId};
use crate::domain::optin::State;
use crate::domain::span;
use crate::domain::time::Timestamp;

/// A page of the sandbox and its token, written `ID=TOKEN`.
#[derive(Clone)]
pub struct PageToken {
    /// The page.
    pub id: PageId,
    /// The token that may send for it.
    pub token: SecretString,
}

impl fmt::Debug for PageToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=(hidden)", self.id)
    }
}

pub(super) fn page_token(text: &str) -> Result<PageToken, String> {
    let parts = text.split_once('=').filter(|(_, token)| !token.is_empty());
    let (id, token) = parts.ok_or("write ID=TOKEN, as in --page 1234567890=page-token")?;
    Ok(PageToken { id: page(id)?, token: SecretString::from(token) })
}

pub(super) fn page(text: &str) -> Result<PageId, String> {
    PageId::new(text).map_err(|fault| format!("a page id {fault}"))
}

/// A reason of one line, as an alert shows it.
pub(super) fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.chars().count() {
        1..=300 if !text.chars().any(char::is_control) => Ok(text.to_owned()),
        _ => Err("write one line of 1 to 300 characters".to_owned()),
    }
}

pub(super) fn login(text: &str) -> Result<LoginId, String> {
    LoginId::new(text).map_err(|fault| format!("a login_id {fault}"))
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of a value parser")]
pub(super) fn secret(text: &str) -> Result<SecretString, Infallible> {
    Ok(SecretString::from(text))
}

pub(super) fn span(text: &str) -> Result<Duration, String> {
    span::parse(text)
}

pub(super) fn interval(text: &str) -> Result<Duration, String> {
    span::parse(text).map(|span| span.max(Duration::from_millis(100)))
}

pub(super) fn time(text: &str) -> Result<Timestamp, String> {
    let remedy = "write RFC 3339, as in 2026-06-01T12:00:00Z, or seconds or milliseconds since 1970";
    Timestamp::parse(text).ok_or_else(|| remedy.to_owned())
}

pub(super) fn chance(text: &str) -> Result<f64, String> {
    let chance = text.parse().ok().filter(|chance| (0.0..=1.0).contains(chance));
    chance.ok_or_else(|| "write a probability from 0 to 1, as in 0.2".to_owned())
}

pub(super) fn locale(text: &str) -> Result<String, String> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let fits = (1..=35).contains(&text.len()) && text.bytes().all(known);
    fits.then(|| text.to_owned()).ok_or_else(|| "write a locale such as de or de_DE".to_owned())
}

pub(super) fn reference(text: &str) -> Result<String, String> {
    let fits = !text.is_empty() && text.chars().count() <= 1024 && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned()).ok_or_else(|| "write up to 1024 characters without control characters".to_owned())
}

/// One of the states.
pub(super) fn state() -> impl TypedValueParser<Value = State> {
    PossibleValuesParser::new(State::ALL.iter().map(|state| state.as_str())).try_map(|word| word.parse::<State>())
}
