//! The gate: the last look before a request's body leaves.
//!
//! The HTTP client asks for the body when the connection stands, TLS included. Only then, and only once, the gate
//! decides. It lets the bytes go if little time has passed since the claim, the hard stop lies ahead, and nothing
//! cancelled the attempt; else the body is never given out, and the attempt surely did not happen. A process that was
//! frozen between claim and write wakes up in front of a closed gate.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::domain::time::Timestamp;

const WAITING: u8 = 0;
const OPEN: u8 = 1;
const REFUSED: u8 = 2;

/// One attempt's gate.
#[derive(Debug)]
pub struct Gate {
    state: AtomicU8,
    decided: Notify,
    clock: Arc<dyn Clock>,
    /// Boot time, read before the claim.
    since: Duration,
    start_within: Duration,
    hard_stop: Timestamp,
}

impl Gate {
    /// A gate that opens for `start_within` after the boot time `since`, and never at or after the hard stop.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, since: Duration, start_within: Duration, hard_stop: Timestamp) -> Self {
        Self { state: AtomicU8::new(WAITING), decided: Notify::new(), clock, since, start_within, hard_stop }
    }

    /// Decides, once. Whether the bytes may go.
    pub fn pass(&self) -> bool {
        let in_time = !self.left().is_zero();
        let in_window = self.clock.now() < self.hard_stop;
        self.decide(if in_time && in_window { OPEN } else { REFUSED }) == OPEN
    }

    /// Refuses, unless the bytes have gone. Whether they have not.
    pub fn close(&self) -> bool {
        self.decide(REFUSED) == REFUSED
    }

    /// Whether the bytes were let go.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state.load(Ordering::SeqCst) == OPEN
    }

    /// Whether they never will be.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.state.load(Ordering::SeqCst) == REFUSED
    }

    /// How much is left of `start_within`.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.start_within.saturating_sub(self.clock.boot().saturating_sub(self.since))
    }

    /// Waits for the decision. Where none comes within `start_within`, because there is still no connection, it is
    /// taken here: the gate closes for good, and the answer is `true`.
    pub async fn timed_out(&self) -> bool {
        tokio::select! {
            biased;
            () = self.decided.notified() => false,
            () = tokio::time::sleep(self.left()) => self.close(),
        }
    }

    fn decide(&self, wish: u8) -> u8 {
        match self.state.compare_exchange(WAITING, wish, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => {
                self.decided.notify_one();
                wish
            }
            Err(decided) => decided,
        }
    }
}

/// Why a body was not given out.
#[derive(Debug, thiserror::Error)]
#[error("the gate refused")]
struct Refused;

/// A body of known length behind a gate.
#[derive(Debug)]
pub(super) struct Gated {
    body: Full<Bytes>,
    gate: Arc<Gate>,
    asked: bool,
}

impl Gated {
    pub(super) fn new(body: Full<Bytes>, gate: Arc<Gate>) -> Self {
        Self { body, gate, asked: false }
    }
}

impl Body for Gated {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if !self.asked {
            self.asked = true;
            if !self.gate.pass() {
                return Poll::Ready(Some(Err(Box::new(Refused))));
            }
        }
        Pin::new(&mut self.body).poll_frame(cx).map_err(|never| match never {})
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    const START: Timestamp = Timestamp::from_ms(1_780_000_000_000);

    fn gate(clock: &Arc<ManualClock>) -> Gate {
        let stop = START.plus(Duration::from_secs(10));
        Gate::new(Arc::clone(clock) as Arc<dyn Clock>, Duration::ZERO, Duration::from_secs(2), stop)
    }

    #[test]
    fn it_opens_once_and_in_time() {
        let clock = Arc::new(ManualClock::at(START));
        let open = gate(&clock);
        assert!(open.pass());
        assert!(!open.close(), "what has left cannot be called back");
        clock.advance(Duration::from_secs(2));
        let late = gate(&clock);
        assert!(!late.pass() && late.is_refused());
    }

    #[test]
    fn neither_the_hard_stop_nor_a_cancel_lets_anything_through() {
        let clock = Arc::new(ManualClock::at(START));
        let cancelled = gate(&clock);
        assert!(cancelled.close());
        assert!(!cancelled.pass());
        let stop = START;
        let at_stop = Gate::new(clock, Duration::ZERO, Duration::from_secs(2), stop);
        assert!(!at_stop.pass());
    }
}
