//! Everybody as JSON lines, written a piece at a time: a million people are neither copied nor locked at once.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Response, header};
use http_body::Frame;

use super::platform::Platform;
use super::report::PersonReport;

/// People in one piece.
const PIECE: usize = 1_000;

/// Where a reading of all people stands.
pub(super) struct Listing {
    platform: Arc<Platform>,
    desk: usize,
    from: usize,
}

impl Listing {
    /// From the first person on.
    pub(super) fn new(platform: Arc<Platform>) -> Self {
        Self { platform, desk: 0, from: 0 }
    }

    /// The whole list as an answer.
    pub(super) fn answer(platform: Arc<Platform>) -> Response<Body> {
        let mut response = Response::new(Body::new(Self::new(platform)));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
        response
    }
}

impl Iterator for Listing {
    type Item = Vec<PersonReport>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let piece = self.platform.desks.get(self.desk)?.book().reports(self.from, PIECE);
            if !piece.is_empty() {
                self.from += piece.len();
                return Some(piece);
            }
            self.desk += 1;
            self.from = 0;
        }
    }
}

impl http_body::Body for Listing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.get_mut().next().map(|people| {
            // A struct of texts and numbers always has a JSON form.
            let lines = people.iter().map(|person| serde_json::to_string(person).unwrap_or_default() + "\n");
            Ok(Frame::data(Bytes::from(lines.collect::<String>())))
        });
        Poll::Ready(piece)
    }
}
