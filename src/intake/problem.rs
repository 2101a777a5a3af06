//! What a refused request is answered with: problem details (RFC 9457). They say what to mend, nothing internal.

use std::borrow::Cow;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// Seconds after which a request that the store refused may come again.
const RETRY_AFTER: &str = "30";

/// A refusal. `kind` names it for machines and never changes; `detail` is for people.
#[derive(Debug)]
pub(super) struct Problem {
    kind: &'static str,
    title: &'static str,
    status: StatusCode,
    detail: Cow<'static, str>,
    header: Option<(HeaderName, &'static str)>,
}

/// The body as it leaves; `results` is an extension member (RFC 9457, 3.2).
#[derive(Serialize)]
struct Body<'a, R> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    results: Option<R>,
}

impl Problem {
    fn new(kind: &'static str, status: StatusCode, title: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, title, status, detail: detail.into(), header: None }
    }

    /// The word for metrics and for the end of `type`.
    pub(super) fn kind(&self) -> &'static str {
        self.kind
    }

    /// 400: the body is not what the endpoint reads.
    pub(super) fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new("malformed", StatusCode::BAD_REQUEST, "The body cannot be read", detail)
    }

    /// 401, with the challenge RFC 6750 asks for.
    pub(super) fn unauthorized(token_given: bool) -> Self {
        let (challenge, detail) = if token_given {
            (r#"Bearer realm="firstword", error="invalid_token""#, "The bearer token is not the configured one.")
        } else {
            (r#"Bearer realm="firstword""#, "Send the header \"Authorization: Bearer <server.api_token>\".")
        };
        let header = Some((header::WWW_AUTHENTICATE, challenge));
        Self { header, ..Self::new("unauthorized", StatusCode::UNAUTHORIZED, "Not authorised", detail) }
    }

    /// 403: the endpoint is not set up.
    pub(super) fn not_configured(detail: &'static str) -> Self {
        Self::new("not_configured", StatusCode::FORBIDDEN, "Not set up here", detail)
    }

    /// 403: the handshake's token or the body's signature is missing or wrong.
    pub(super) fn forbidden(kind: &'static str, detail: &'static str) -> Self {
        Self::new(kind, StatusCode::FORBIDDEN, "Not from the platform", detail)
    }

    /// 413: too many bytes or items.
    pub(super) fn too_large(detail: String) -> Self {
        Self::new("too_large", StatusCode::PAYLOAD_TOO_LARGE, "Too large", detail)
    }

    /// 415: a coding or a type we do not read.
    pub(super) fn unsupported(kind: &'static str, detail: &'static str) -> Self {
        Self::new(kind, StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported type or coding", detail)
    }

    /// 422: it was read, and every item in it is invalid.
    pub(super) fn unprocessable() -> Self {
        let detail = "Nothing was stored: every item is invalid. The results name each item's fault.";
        Self::new("invalid_items", StatusCode::UNPROCESSABLE_ENTITY, "No valid item", detail)
    }

    /// 503: nothing was stored; the same request may come again.
    pub(super) fn unavailable() -> Self {
        let detail = "The store did not take it. Nothing was lost: send the same request again.";
        let header = Some((header::RETRY_AFTER, RETRY_AFTER));
        Self { header, ..Self::new("unavailable", StatusCode::SERVICE_UNAVAILABLE, "Try again later", detail) }
    }

    /// The response, with the outcome of each item where there were items.
    pub(super) fn respond<R: Serialize>(self, results: Option<R>) -> Response {
        let body = Body {
            r#type: format!("urn:firstword:problem:{}", self.kind),
            title: self.title,
            status: self.status.as_u16(),
            detail: &self.detail,
            results,
        };
        // Strings and numbers always become JSON.
        let json = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = (self.status, [(header::CONTENT_TYPE, "application/problem+json")], json).into_response();
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.respond(None::<()>)
    }
}
