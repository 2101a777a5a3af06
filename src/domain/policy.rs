//! What the operator decided: the numbers and switches the state machine asks for.

use std::time::Duration;

use super::retry::Retry;
use super::window::Window;

/// What to do with an attempt whose end nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UncertainPolicy {
    /// Send again only where silence is measured to mean *not delivered*.
    Evidence,
    /// Wait for evidence or an operator.
    Hold,
    /// Send again, once: rather a second message than none.
    Resend,
}

/// The policy section of the configuration, as the domain uses it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// The window and its margins.
    pub window: Window,
    /// How long an unanswered login_id can still be of use.
    pub answer_window: Duration,
    /// How long an ended opt-in is kept.
    pub retention: Duration,
    /// How much later a consent must be to count as a new one.
    pub reopen_after: Duration,
    /// Whether a person already greeted may be greeted again after fresh consent.
    pub greet_again: bool,
    /// When to try again.
    pub retry: Retry,
    /// What to do with uncertain attempts.
    pub uncertain: UncertainPolicy,
    /// How long after the end of its lease an uncertain attempt is given for evidence to come.
    pub settle_after: Duration,
    /// How many accepted first messages must all have been echoed before silence counts as evidence.
    pub evidence_sample: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            window: Window::default(),
            answer_window: Duration::from_hours(30 * 24),
            retention: Duration::from_hours(90 * 24),
            reopen_after: Duration::from_mins(10),
            greet_again: false,
            retry: Retry::default(),
            uncertain: UncertainPolicy::Evidence,
            settle_after: Duration::from_mins(10),
            evidence_sample: 300,
        }
    }
}
