//! When a request began to arrive. Its head and its body have one time together: whoever sends both slowly must not hold
//! on twice as long.

use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// When the request that a connection is at began, if it has.
#[derive(Debug, Clone, Default)]
pub(super) struct Arrival(Arc<Mutex<Option<Instant>>>);

impl Arrival {
    /// How much of its time a request has left whose head is read.
    pub(super) fn left(&self, whole: Duration, now: Instant) -> Duration {
        self.lock().map_or(whole, |began| whole.saturating_sub(now.saturating_duration_since(began)))
    }

    /// The request is answered: what comes next is another.
    pub(super) fn over(&self) {
        *self.lock() = None;
    }

    fn heard(&self, now: Instant) {
        self.lock().get_or_insert(now);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that notes when a request begins.
pub(super) struct Watched {
    stream: TcpStream,
    arrival: Arrival,
}

impl Watched {
    pub(super) fn new(stream: TcpStream, arrival: Arrival) -> Self {
        Self { stream, arrival }
    }
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.arrival.heard(Instant::now());
        }
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_takes_from_the_time_of_the_body() {
        let (arrival, whole) = (Arrival::default(), Duration::from_secs(20));
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(arrival.left(whole, start), whole);
        arrival.heard(start);
        arrival.heard(after(9));
        assert_eq!(arrival.left(whole, after(15)), Duration::from_secs(5));
        assert_eq!(arrival.left(whole, after(60)), Duration::ZERO);
        arrival.over();
        assert_eq!(arrival.left(whole, after(60)), whole, "the next one has a time of its own");
    }
}
