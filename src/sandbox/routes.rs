//! The routes: the part of the Graph API that a first message needs, and the sandbox's own pages beside it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, Response, StatusCode, Uri, header};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::behaviour::{Behaviour, Kind};
use super::desk::Credentials;
use super::graph::{self, Refusal};
use super::listing::Listing;
use super::options::duration;
use super::platform::Platform;
use super::reads;
use super::report::Report;

/// The largest send that is read, in bytes.
const LARGEST_BODY: usize = 1 << 20;

pub(super) type Shared = State<Arc<Platform>>;

/// What may stand in the URL of a Graph call.
#[derive(Default, Deserialize)]
pub(super) struct InUrl {
    access_token: Option<String>,
    appsecret_proof: Option<String>,
    pub(super) input_token: Option<String>,
}

/// Everything the sandbox answers to.
pub(super) fn router(platform: Arc<Platform>) -> Router {
    Router::new()
        .route("/", get(about))
        .route("/sandbox/report", get(report))
        .route("/sandbox/in-flight", get(in_flight))
        .route("/sandbox/people", get(people).post(newcomer))
        .route("/debug_token", get(reads::debug_token))
        .route("/{version}/debug_token", get(reads::debug_token))
        .route("/{version}/{node}", get(reads::node))
        .route("/{version}/{node}/subscribed_apps", get(reads::subscribed_apps))
        .route("/{version}/{node}/messages", post(messages))
        .fallback(unknown)
        .with_state(platform)
}

async fn about() -> Json<Value> {
    Json(json!({
        "about": "firstword sandbox: a stand-in for the Messenger platform; nobody real is written to",
        "routes": {
            "POST /{version}/{page_id}/messages": "Send API; also /{version}/me/messages",
            "GET /{version}/me?fields=id": "whose token this is",
            "GET /{version}/{page_id}/subscribed_apps": "webhook fields of the page",
            "GET /debug_token?input_token=TOKEN": "whether a token is valid",
            "GET /sandbox/report": "what was delivered, refused and broken",
            "GET /sandbox/in-flight": "login_ids whose message was judged and whose answer is not out yet",
            "GET /sandbox/people": "everybody, one JSON object a line",
            "POST /sandbox/people": "an opt-in: page_id, login_id, behaviour, after",
        },
    }))
}

async fn report(State(platform): Shared) -> Json<Report> {
    Json(platform.snapshot())
}

async fn in_flight(State(platform): Shared) -> Json<Vec<String>> {
    Json(platform.unanswered())
}

async fn people(State(platform): Shared) -> Response<Body> {
    Listing::answer(platform)
}

/// An opt-in asked for from outside, for tests in other languages.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Newcomer {
    page_id: String,
    login_id: String,
    #[serde(default)]
    behaviour: Kind,
    #[serde(default, deserialize_with = "duration")]
    after: Duration,
}

async fn newcomer(State(platform): Shared, Json(new): Json<Newcomer>) -> (StatusCode, Json<Value>) {
    let (at, behaviour) = (platform.clock.now(), Behaviour::from_kind(new.behaviour, new.after));
    let someone =
        platform.desk_named(&new.page_id).and_then(|desk| platform.register(desk, &new.login_id, behaviour, at));
    let Some(someone) = someone else {
        return (StatusCode::NOT_FOUND, Json(json!({"error": "no such page", "page_id": new.page_id})));
    };
    let sender = Arc::clone(&platform);
    platform.tracker.spawn(async move { sender.announce(someone, at).await });
    (StatusCode::ACCEPTED, Json(json!({"page_id": new.page_id, "login_id": new.login_id, "opted_in_at": at.ms()})))
}

async fn messages(
    State(platform): Shared,
    Path((version, node)): Path<(String, String)>,
    request: Request,
) -> Response<Body> {
    let mut in_flight = platform.enter();
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
        return Refusal::parameter("(#100) The request's body could not be read").answer(&Platform::trace());
    };
    in_flight.whole();
    if !is_version(&version) {
        return graph::BAD_PATH.answer(&Platform::trace());
    }
    let url = in_url(&head.uri);
    let answer = platform.receive(&node, sender(&head.headers), &credentials(&head.headers, &url), &body);
    in_flight.of(answer.login_id);
    platform.rest(answer.delay).await;
    answer.response
}

async fn unknown() -> Response<Body> {
    graph::BAD_PATH.answer(&Platform::trace())
}

/// Whether this is a version of the Graph API, as in `v26.0`.
pub(super) fn is_version(text: &str) -> bool {
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.strip_prefix('v')
        .and_then(|rest| rest.split_once('.'))
        .is_some_and(|(major, minor)| number(major) && number(minor))
}

pub(super) fn in_url(uri: &Uri) -> InUrl {
    match uri.query() {
        Some(_) => Query::try_from_uri(uri).map(|Query(url)| url).unwrap_or_default(),
        None => InUrl::default(),
    }
}

pub(super) fn credentials<'a>(headers: &'a HeaderMap, url: &'a InUrl) -> Credentials<'a> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    Credentials { bearer, token: url.access_token.as_deref(), proof: url.appsecret_proof.as_deref() }
}

fn sender(headers: &HeaderMap) -> &str {
    headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or("unnamed")
}

#[cfg(test)]
mod tests {
    use super::is_version;

    #[test]
    fn versions_are_told_from_other_paths() {
        assert!(is_version("v26.0") && is_version("v9.12"));
        assert!(["26.0", "v26", "v.0", "va.0", "vv1.0", ""].into_iter().all(|text| !is_version(text)));
    }
}
