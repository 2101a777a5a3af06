//! What a check of a page asks: whose token it is, who gets the webhooks, when the token ends; and by the headers of the
//! answers which version of the Graph API served them, and what time the platform has.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, Uri, header};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::events::APP_ID;
use super::graph;
use super::options::Faults;
use super::platform::Platform;
use super::routes::{Shared, credentials, in_url, is_version};

/// The header that names the version that served a call.
const SERVED: HeaderName = HeaderName::from_static("facebook-api-version");
/// The webhook fields the sandbox sends.
const FIELDS: [&str; 5] =
    ["messages", "messaging_postbacks", "messaging_optins", "messaging_optouts", "message_echoes"];

pub(super) async fn node(
    State(platform): Shared,
    Path((version, node)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Response<Body> {
    read(&platform, &version, &node, &uri, &headers, |page, _| json!({"id": page})).await
}

pub(super) async fn subscribed_apps(
    State(platform): Shared,
    Path((version, node)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Response<Body> {
    let ours = json!({"id": APP_ID.to_string(), "name": "firstword sandbox", "subscribed_fields": FIELDS});
    let list = |_: &str, faults: &Faults| json!({"data": if faults.unsubscribed { vec![] } else { vec![ours] }});
    read(&platform, &version, &node, &uri, &headers, list).await
}

/// Answers a read with the page's token, after the latency that sends have too.
async fn read(
    platform: &Arc<Platform>,
    version: &str,
    node: &str,
    uri: &Uri,
    headers: &HeaderMap,
    body: impl FnOnce(&str, &Faults) -> Value,
) -> Response<Body> {
    let faults = platform.faults();
    platform.rest(faults.latency).await;
    let url = in_url(uri);
    let admitted =
        if is_version(version) { platform.admit(node, &credentials(headers, &url)) } else { Err(graph::BAD_PATH) };
    let answer = match admitted.map(|place| platform.desks.get(place)) {
        Ok(Some(desk)) => graph::plain(200, "application/json", body(&desk.id, &faults).to_string()),
        Ok(None) => graph::WRONG_PAGE.answer(&Platform::trace()),
        Err(refusal) => refusal.answer(&Platform::trace()),
    };
    headed(answer, platform, version, &faults)
}

pub(super) async fn debug_token(State(platform): Shared, uri: Uri, headers: HeaderMap) -> Response<Body> {
    let faults = platform.faults();
    platform.rest(faults.latency).await;
    let url = in_url(&uri);
    if credentials(&headers, &url).any().is_none() {
        return graph::NO_TOKEN.answer(&Platform::trace());
    }
    let known =
        platform.desks.iter().find(|desk| url.input_token.as_deref().is_some_and(|token| desk.opened_by(token)));
    // Zero is no end.
    let ends = faults.token_ends_in.map_or(0, |span| platform.clock.now().plus(span).ms() / 1000);
    let data = match known {
        Some(desk) => json!({
            "app_id": APP_ID.to_string(),
            "type": "PAGE",
            "application": "firstword sandbox",
            "is_valid": true,
            "expires_at": ends,
            "data_access_expires_at": 0,
            "profile_id": desk.id,
            "scopes": ["pages_messaging", "user_messenger_contact"],
        }),
        None => {
            json!({"is_valid": false, "scopes": [], "error": {"code": 190, "message": "Invalid OAuth access token."}})
        }
    };
    graph::plain(200, "application/json", json!({"data": data}).to_string())
}

/// The answer with the version that served it, and with the platform's time where that is not everybody's.
fn headed(mut answer: Response<Body>, platform: &Platform, version: &str, faults: &Faults) -> Response<Body> {
    let served = faults.served.as_deref().unwrap_or(version);
    if let Ok(served) = HeaderValue::from_str(served) {
        answer.headers_mut().insert(SERVED, served);
    }
    if faults.clock_ahead > Duration::ZERO
        && let Some(date) = date(platform.clock.now().plus(faults.clock_ahead).ms())
    {
        answer.headers_mut().insert(header::DATE, date);
    }
    answer
}

/// A time in the form of the header `Date` (RFC 9110, IMF-fixdate).
fn date(ms: i64) -> Option<HeaderValue> {
    let time = DateTime::<Utc>::from_timestamp_millis(ms)?;
    HeaderValue::from_str(&time.format("%a, %d %b %Y %H:%M:%S GMT").to_string()).ok()
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn dates_are_written_as_http_does() {
        assert_eq!(date(784_111_777_999).unwrap(), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(date(i64::MAX), None);
    }
}
