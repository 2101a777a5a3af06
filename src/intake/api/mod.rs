//! `POST /optins`: the site's login-success callback reports opt-ins, one object or an array.
//!
//! It may come before the webhook, after it, or be the only source; sending the same again changes nothing. Each item
//! stands for itself and has its own result:
//!
//! | answer | when |
//! |---|---|
//! | 200 | at least one item was taken in, or there were none; faulty ones carry an `error` |
//! | 400 | not JSON, or neither an object nor an array |
//! | 401, 403 | no or a wrong bearer token; no `server.api_token` configured |
//! | 413, 415 | too many bytes or items; not `application/json`, or compressed |
//! | 422 | it was read, every item is faulty, nothing was stored (RFC 9110, 15.5.21); with `results` as in 200 |
//! | 503 | the store did not take it: send it again |

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret;
use serde_json::value::RawValue;

use self::answer::{Line, Results};
use super::problem::Problem;
use super::{Intake, Settings, body};
use crate::domain::keyed::same;
use crate::domain::signal::{NewOptIn, Receipt, Signal};
use crate::domain::time::Timestamp;

mod answer;
mod item;
#[cfg(test)]
mod tests;

/// The most items one request may bring.
const MOST_ITEMS: usize = 1000;

/// `POST /optins`.
pub(super) async fn receive(State(intake): State<Intake>, request: Request) -> Response {
    take(&intake, request).await.unwrap_or_else(IntoResponse::into_response)
}

async fn take(intake: &Intake, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let settings = intake.settings();
    authorise(&settings, &parts.headers)?;
    require_json(&parts.headers)?;
    let body = body::read(intake, &parts.headers, body, settings.max_body).await?;
    let now = intake.clock.now();
    let login = settings.login.as_ref();
    let items: Vec<_> = items(&body)?.into_iter().map(|raw| item::read(raw, login, now)).collect();
    let valid: Vec<_> = items.iter().filter_map(|item| item.as_ref().ok()).cloned().map(Signal::OptIn).collect();
    let (count, nothing_valid) = (valid.len(), valid.is_empty() && !items.is_empty());
    let receipts = if valid.is_empty() { Vec::new() } else { store(intake, valid, now).await? };
    if receipts.len() != count {
        tracing::error!(asked = count, answered = receipts.len(), "the store did not answer every opt-in");
        return Err(Problem::unavailable());
    }
    let results = results(items, receipts.into_iter());
    Ok(if nothing_valid {
        Problem::unprocessable().respond(Some(results))
    } else {
        Json(Results { results }).into_response()
    })
}

/// One line an item, in order; valid items take the receipts in turn.
fn results(items: Vec<Result<NewOptIn, item::Fault>>, mut receipts: impl Iterator<Item = Receipt>) -> Vec<Line> {
    let line = |(index, item): (usize, Result<NewOptIn, item::Fault>)| match item {
        Ok(_) => receipts.next().map(|receipt| Line::of(index, receipt)),
        Err(fault) => Some(Line::faulty(index, fault)),
    };
    items.into_iter().enumerate().filter_map(line).collect()
}

async fn store(intake: &Intake, signals: Vec<Signal>, now: Timestamp) -> Result<Vec<Receipt>, Problem> {
    intake.store.apply(signals, now).await.map_err(|error| {
        tracing::warn!(error = error.chain(), "opt-ins refused: store");
        Problem::unavailable()
    })
}

fn authorise(settings: &Settings, headers: &HeaderMap) -> Result<(), Problem> {
    let expected = settings.api_token.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
    if expected.is_empty() {
        return Err(Problem::not_configured("Set server.api_token to let a site report opt-ins here."));
    }
    let given = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes().trim_ascii());
    let token = given.and_then(|given| match given.split_at_checked("bearer ".len())? {
        (scheme, token) if scheme.eq_ignore_ascii_case(b"bearer ") => Some(token.trim_ascii()),
        _ => None,
    });
    match token {
        Some(token) if same(token, expected.as_bytes()) => Ok(()),
        token => Err(Problem::unauthorized(token.is_some())),
    }
}

fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Problem::unsupported("not_json", "Send \"Content-Type: application/json\"."))
}

/// The items of the body, unread.
fn items(body: &[u8]) -> Result<Vec<&RawValue>, Problem> {
    let whole: &RawValue = serde_json::from_slice(body)
        .map_err(|fault| Problem::malformed(format!("Not JSON: line {}, column {}.", fault.line(), fault.column())))?;
    match whole.get().bytes().next() {
        Some(b'{') => Ok(vec![whole]),
        Some(b'[') => {
            let items: Vec<&RawValue> =
                serde_json::from_str(whole.get()).map_err(|_| Problem::malformed("The array cannot be read."))?;
            if items.len() > MOST_ITEMS {
                return Err(Problem::too_large(format!("{} items; at most {MOST_ITEMS} a request.", items.len())));
            }
            Ok(items)
        }
        _ => Err(Problem::malformed("Send one object or an array of objects.")),
    }
}
