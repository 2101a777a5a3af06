//! The window a person gives us, and the last moment a message may leave.

use std::time::Duration;

use super::time::Timestamp;

/// How long after a person's message promotional content is allowed: the platform's rule, whatever we are told.
pub const PROMOTIONAL: Duration = Duration::from_hours(24);

/// The times that bound one first message.
///
/// "You must send one message within 24 hours of the opt-in" (Login Connect FAQ). We stop earlier: a request that
/// leaves at the [hard stop](Window::hard_stop) still reaches the platform inside the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The platform's window, counted from the opt-in.
    pub window: Duration,
    /// Room for clocks that disagree.
    pub safety_margin: Duration,
    /// The longest time between the claim and the first byte of the body.
    pub start_within: Duration,
    /// The longest time from the first byte of the body to the answer.
    pub request_timeout: Duration,
}

impl Window {
    /// When the platform stops accepting.
    #[must_use]
    pub fn deadline(&self, opted_in_at: Timestamp) -> Timestamp {
        opted_in_at.plus(self.window)
    }

    /// The last moment a request body may leave.
    #[must_use]
    pub fn hard_stop(&self, opted_in_at: Timestamp) -> Timestamp {
        opted_in_at.plus(self.usable())
    }

    /// The latest opt-in time whose hard stop has passed at `now`: only later ones may still be sent to.
    #[must_use]
    pub fn cutoff(&self, now: Timestamp) -> Timestamp {
        now.minus(self.usable())
    }

    /// The time from an opt-in to its hard stop.
    #[must_use]
    pub fn usable(&self) -> Duration {
        self.window.saturating_sub(self.safety_margin + self.start_within + self.request_timeout)
    }

    /// How long a claim is ours: until its request must have ended, and two seconds to write that down. Whoever looks
    /// once a second then settles a dead node's work within `request_timeout` + 5 s of its death.
    #[must_use]
    pub fn lease(&self) -> Duration {
        self.start_within + self.request_timeout + Duration::from_secs(2)
    }
}

impl Default for Window {
    fn default() -> Self {
        Self {
            window: Duration::from_hours(24),
            safety_margin: Duration::from_mins(5),
            start_within: Duration::from_secs(2),
            request_timeout: Duration::from_secs(10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cutoff_and_hard_stop_agree() {
        let window = Window::default();
        let opted_in = Timestamp::from_ms(1_780_000_000_000);
        let stop = window.hard_stop(opted_in);
        assert_eq!(window.cutoff(stop), opted_in);
        assert_eq!(window.deadline(opted_in).since(stop), Duration::from_secs(312));
    }
}
