//! Takes a request's body, bounded, exactly as it was on the wire.

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, header};
use http_body_util::LengthLimitError;

use super::problem::Problem;

/// The raw bytes. A coded body is refused: the signature covers the bytes as sent, and a small one may unfold to any size.
pub(super) async fn read(headers: &HeaderMap, body: Body, max: usize) -> Result<Bytes, Problem> {
    let identity = |value: &header::HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity");
    if !headers.get_all(header::CONTENT_ENCODING).iter().all(identity) {
        return Err(Problem::unsupported("encoded", "Send the body without a content coding."));
    }
    if body.size_hint().lower() > u64::try_from(max).unwrap_or(u64::MAX) {
        return Err(too_large(max));
    }
    axum::body::to_bytes(body, max).await.map_err(|error| {
        let over = std::error::Error::source(&error).is_some_and(<dyn std::error::Error>::is::<LengthLimitError>);
        if over { too_large(max) } else { Problem::malformed("The body broke off.") }
    })
}

fn too_large(max: usize) -> Problem {
    Problem::too_large(format!("The body is longer than {max} bytes."))
}
