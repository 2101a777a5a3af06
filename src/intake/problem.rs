//! What a refused request is answered with: problem details (RFC 9457). They say what to mend, nothing internal.

use std::borrow::Cow;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// Seconds after which a request that the store refused may come again.
const RETRY_AFTER: &str = "30";

/// A refusal. `kind` names it for machines and never changes; `detail` is for people.
#[derive(Debug)]
pub struct Problem {
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
    pub(crate) fn kind(&self) -> &'static str {
        self.kind
    }

    /// 400: the body is not what the endpoint reads.
    pub(crate) fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new("malformed", StatusCode::BAD_REQUEST, "The body cannot be read", detail)
    }

    /// 401, with the challenge RFC 6750 asks for.
    pub(crate) fn unauthorized(token_given: bool) -> Self {
        let (challenge, detail) = if token_given {
            (r#"Bearer realm="firstword", error="invalid_token""#, "The bearer token is not the configured one.")
        } else {
            (r#"Bearer realm="firstword""#, "Send the header \"Authorization: Bearer <server.api_token>\".")
        };
        let header = Some((header::WWW_AUTHENTICATE, challenge));
        Self { header, ..Self::new("unauthorized", StatusCode::UNAUTHORIZED, "Not authorised", detail) }
    }

    /// 403: the endpoint is not set up.
    pub(crate) fn not_configured(detail: &'static str) -> Self {
        Self::new("not_configured", StatusCode::FORBIDDEN, "Not set up here", detail)
    }

    /// 403: the handshake's token or the body's signature is missing or wrong.
    pub(crate) fn forbidden(kind: &'static str, detail: &'static str) -> Self {
        Self::new(kind, StatusCode::FORBIDDEN, "Not from the platform", detail)
    }

    /// 404: there is nothing.
    pub(crate) fn not_found(detail: &'static str) -> Self {
        Self::new("not_found", StatusCode::NOT_FOUND, "Not found", detail)
    }

    /// 405: there is something, for another method.
    pub(crate) fn method_not_allowed() -> Self {
        let detail = "The header Allow names the methods of this address.";
        Self::new("method_not_allowed", StatusCode::METHOD_NOT_ALLOWED, "Method not allowed", detail)
    }

    /// 408: the body took too long.
    pub(crate) fn too_slow() -> Self {
        let header = Some((header::CONNECTION, "close"));
        let detail = "The body was not whole in time. Nothing was stored.";
        Self { header, ..Self::new("too_slow", StatusCode::REQUEST_TIMEOUT, "Too slow", detail) }
    }

    /// 413: too many bytes or items.
    pub(crate) fn too_large(detail: String) -> Self {
        Self::new("too_large", StatusCode::PAYLOAD_TOO_LARGE, "Too large", detail)
    }

    /// 415: a coding or a type we do not read.
    pub(crate) fn unsupported(kind: &'static str, detail: &'static str) -> Self {
        Self::new(kind, StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported type or coding", detail)
    }

    /// 422: it was read, and every item in it is invalid.
    pub(crate) fn unprocessable() -> Self {
        let detail = "Nothing was stored: every item is invalid. The results name each item's fault.";
        Self::new("invalid_items", StatusCode::UNPROCESSABLE_ENTITY, "No valid item", detail)
    }

    /// 503: nothing was stored; the same request may come again.
    pub(crate) fn unavailable() -> Self {
        let detail = "The store did not take it. Nothing was lost: send the same request again.";
        let header = Some((header::RETRY_AFTER, RETRY_AFTER));
        Self { header, ..Self::new("unavailable", StatusCode::SERVICE_UNAVAILABLE, "Try again later", detail) }
    }

    /// 503: not now, and the same request may come again.
    pub(crate) fn busy(detail: &'static str) -> Self {
        let header = Some((header::RETRY_AFTER, "10"));
        Self { header, ..Self::new("busy", StatusCode::SERVICE_UNAVAILABLE, "Try again later", detail) }
    }

    /// 500: a fault of ours.
    pub(crate) fn internal() -> Self {
        let detail = "This is a fault here, not in the request. It is in the log.";
        Self::new("internal", StatusCode::INTERNAL_SERVER_ERROR, "Internal fault", detail)
    }

    /// The response, with the outcome of each item where there were items.
    pub(crate) fn respond<R: Serialize>(self, results: Option<R>) -> Response {
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
