//! `GET /openapi.json`: every route of the service, described for programs (OpenAPI 3.1). Written by hand; a test asks
//! the real service for every path, method and status it names, and finds every route in it.

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

/// The document.
pub const DOCUMENT: &str = include_str!("../../docs/openapi/firstword.json");

pub(super) async fn serve() -> Response {
    ([(CONTENT_TYPE, "application/json")], DOCUMENT).into_response()
}
