//! `GET /deletion/{code}`: what a person who asked for deletion may look at, in a browser or by program.

use axum::extract::{Path, State};
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::domain::time::Timestamp;
use crate::intake::Intake;
use crate::intake::problem::Problem;

/// The length of a code, which is hex digits.
const CODE: usize = 32;

/// `GET /deletion/{code}`.
pub(in crate::intake) async fn show(
    State(intake): State<Intake>,
    Path(code): Path<String>,
    headers: HeaderMap,
) -> Response {
    let plain = code.len() == CODE && code.bytes().all(|byte| byte.is_ascii_hexdigit());
    let at = if plain { intake.store.deletion(&code.to_ascii_lowercase()).await } else { Ok(None) };
    let mut response = match (at, wants_json(&headers)) {
        (Err(error), _) => {
            tracing::warn!(error = error.chain(), "a deletion's status cannot be read");
            Problem::unavailable().into_response()
        }
        (Ok(Some(at)), true) => {
            axum::Json(json!({"status": "completed", "completed_at": at, "confirmation_code": code})).into_response()
        }
        (Ok(Some(at)), false) => page(StatusCode::OK, "Your data was deleted", &deleted(&code, at)),
        (Ok(None), true) => Problem::not_found("No deletion request has this code.").into_response(),
        (Ok(None), false) => page(StatusCode::NOT_FOUND, "Unknown code", UNKNOWN),
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// What a person's browser, and whoever stands between, should make of the page.
const HEADERS: [(HeaderName, &str); 6] = [
    (CACHE_CONTROL, "no-store"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    (REFERRER_POLICY, "no-referrer"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (VARY, "Accept"),
    (HeaderName::from_static("x-robots-tag"), "noindex"),
];

/// Whether JSON is asked for, and asked for before HTML.
fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kinds = accept.split(',').map(|kind| kind.split(';').next().unwrap_or_default().trim());
    let known = |kind: &str| matches!(kind, "text/html" | "application/json" | "application/problem+json");
    kinds.map(str::to_ascii_lowercase).find(|kind| known(kind)).is_some_and(|kind| kind != "text/html")
}

const UNKNOWN: &str = "<p>No deletion request has this code. Please check the address you were given: the code has 32 \
                       letters and digits.</p>";

fn deleted(code: &str, at: Timestamp) -> String {
    let text = at.to_string();
    let day = text.get(..10).unwrap_or(&text);
    format!(
        "<p>Your request was carried out on <time datetime=\"{text}\">{day}</time>. Everything this service knew of you \
         is deleted: your identifiers, when you agreed to a message, whether you answered, and every record of messages \
         to you.</p>\n\
         <p>What stays is a number from which nobody can find you. It serves one purpose: if your identifier turns up \
         again, it is recognised, and nothing is stored and nothing is sent to you.</p>\n\
         <p>Your confirmation code is <code>{code}</code>.</p>"
    )
}

/// A page without anything from elsewhere.
fn page(status: StatusCode, title: &str, text: &str) -> Response {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>body{{font-family:sans-serif;max-width:36em;margin:3em auto;padding:0 1em;line-height:1.5}}\
         code{{overflow-wrap:anywhere}}</style></head>\n<body>\n<h1>{title}</h1>\n{text}\n</body>\n</html>\n"
    );
    (status, [(CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_get_html_and_programs_json() {
        for (accept, json) in [
            ("", false),
            ("*/*", false),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", false),
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/problem+json, application/json", true),
            ("text/html, application/json", false),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(wants_json(&headers), json, "{accept}");
        }
        assert!(!wants_json(&HeaderMap::new()));
    }
}
