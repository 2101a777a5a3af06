//! Answers that never arrive: what a client sees when the platform took the message and the way back broke.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Response, header};
use http_body::{Frame, SizeHint};

use super::graph::{DELIVERED_ALL_THE_SAME, plain};

/// How an answer is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// The connection closes without a byte.
    Dropped,
    /// The connection closes in the middle of the body.
    Cut,
    /// A proxy answers 502 in its own words.
    Gateway,
    /// The answer comes after longer than the client waits.
    Hung,
    /// Code 1 with the subcode that was seen on delivered messages.
    ErrorCode,
    /// 200 without a message id.
    Empty,
}

impl Loss {
    /// Every way, to draw from.
    pub(super) const ALL: [Self; 6] =
        [Self::Dropped, Self::Cut, Self::Gateway, Self::Hung, Self::ErrorCode, Self::Empty];

    /// What is sent in place of `answer`.
    pub(super) fn spoil(self, answer: Response<Body>, trace: &str) -> Response<Body> {
        match self {
            Self::Dropped => Broken::answer(None),
            Self::Cut => Broken::answer(Some(Bytes::from_static(b"{\"message_id\":\"m_"))),
            Self::Gateway => plain(502, "text/html", "<html><body><h1>502 Bad Gateway</h1></body></html>".to_owned()),
            Self::Hung => answer,
            Self::ErrorCode => DELIVERED_ALL_THE_SAME.answer(trace),
            Self::Empty => plain(200, "application/json", "{}".to_owned()),
        }
    }
}

/// A body that promises more than it gives and then fails, at which the server closes the connection.
struct Broken {
    first: Option<Bytes>,
    /// Whether the server got a chance to put the first bytes on the wire.
    flushed: bool,
}

impl Broken {
    const PROMISED: u64 = 120;

    fn answer(first: Option<Bytes>) -> Response<Body> {
        // Without first bytes nothing is flushed, not even the head.
        let flushed = first.is_none();
        let mut response = Response::new(Body::new(Self { first, flushed }));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

impl http_body::Body for Broken {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        if let Some(first) = this.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        if !this.flushed {
            this.flushed = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::ConnectionAborted))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(Self::PROMISED)
    }
}
