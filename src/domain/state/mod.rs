//! The life of an opt-in, as one function from a row and an event to a row.
//!
//! ```text
//!              admit             claim              accepted            reply
//!   (opt-in) -> new ----> pending ----> sending -----------> sent -----------> answered
//!                |          ^  |          | | \                 \                 ^
//!                |       due|  |hard stop | |  \ end unknown     \ no reply       | reply
//!                v          |  v          | |   v                 v               |
//!             refused    retrying <-------+ | uncertain ----------> expired ------+
//!                           |   surely not  |   | evidence: sent
//!                           v               v   | surely not: retrying
//!                         missed       unavailable + policy, once: pending
//! ```
//!
//! Every open state also leads to `opted_out` (at once, except that `sending` and `uncertain` first learn their end),
//! and the waiting ones to `cancelled`. Facts (`maybe_greeted_at`, `opted_out_at`, ..) hold in every state:
//!
//! - `maybe_greeted_at` closes the ways to `missed` and `unavailable`, and to any new message unless `greet_again`.
//! - `opted_out_at` closes every way back to sending.
//! - Evidence of delivery wins over what the attempt itself reported.

mod attempt;
mod event;
mod operator;
mod person;
#[cfg(test)]
mod tests;
pub use event::{Context, Event, Tombstone, Verdict};

use attempt::{claimed, doubt, ended, give_back, holds, reprieve, send_again};
use operator::{cancel, retry_now, settle};
use person::{consent, delivered, learn, opt_out, replied};

use super::optin::{OptIn, Reason, State};
use super::policy::Policy;
use super::time::Timestamp;

/// Applies one event. Nothing else decides states and facts; the two commonest steps, the claim and a plain acceptance,
/// stand in the store's SQL as well, word for word, and its conformance suite holds them to this.
pub fn step(o: &mut OptIn, event: &Event, cx: &Context<'_>) -> Verdict {
    match event {
        Event::Admit { page_known, tombstone } => admit(o, *page_known, *tombstone, cx),
        Event::Consent { at, own_time } => return consent(o, *at, *own_time, cx),
        Event::Due if o.state == State::Retrying && o.next_attempt_at.is_none_or(|at| at <= cx.now) => due(o, cx),
        Event::HardStop if o.state.is_waiting() && past_hard_stop(o, cx) => miss(o, Reason::HardStop, cx),
        Event::Claimed { attempt, lease_until } => return claimed(o, *attempt, *lease_until, cx),
        Event::Ended { attempt, outcome, others_succeed } => return ended(o, *attempt, outcome, *others_succeed, cx),
        Event::GivenBack { attempt } => give_back(o, *attempt, cx),
        Event::LeaseLapsed { attempt } if holds(o, *attempt) && o.lease_until.is_some_and(|until| until <= cx.now) => {
            doubt(o, Reason::LeaseExpired, cx);
        }
        Event::Delivered { at, this_cycle, psid, message_id, elsewhere } => {
            if *this_cycle {
                delivered(o, *at, message_id.as_deref(), *elsewhere, cx);
            }
            return learn(o, psid.as_ref());
        }
        Event::Replied { at, this_cycle, psid, stop } => {
            replied(o, *at, *this_cycle, *stop, cx);
            return learn(o, psid.as_ref());
        }
        Event::OptedOut { at, reason } => opt_out(o, *at, *reason, cx),
        Event::AnswerOver => answer_over(o, cx),
        Event::Cancel => return cancel(o, cx),
        Event::Reprieved => reprieve(o, cx),
        Event::StoreRewound if o.state.is_waiting() || o.state == State::Sending => doubt(o, Reason::StoreRewound, cx),
        Event::SendAgain { attempt } => return send_again(o, *attempt, cx),
        Event::RetryNow => return retry_now(o, cx),
        Event::Settle { delivered, before } => return settle(o, *delivered, *before, cx),
        Event::Due | Event::HardStop | Event::LeaseLapsed { .. } | Event::StoreRewound => {}
    }
    Verdict::Done
}

/// Whether the claim may take this row: the same words as the claim's statement.
#[must_use]
pub fn claimable(o: &OptIn, now: Timestamp, policy: &Policy) -> bool {
    o.state == State::Pending && o.opted_out_at.is_none() && now < policy.window.hard_stop(o.opted_in_at)
}

fn past_hard_stop(o: &OptIn, cx: &Context<'_>) -> bool {
    policy_stop(o, cx) <= cx.now
}

fn policy_stop(o: &OptIn, cx: &Context<'_>) -> Timestamp {
    cx.policy.window.hard_stop(o.opted_in_at)
}

/// Enters a state, keeping only the columns that have a meaning in it.
fn go(o: &mut OptIn, state: State, reason: Option<Reason>, cx: &Context<'_>) {
    o.state = state;
    o.state_since = cx.now;
    o.reason = reason;
    if state != State::Retrying {
        o.next_attempt_at = None;
    }
    if !matches!(state, State::Sending | State::Uncertain) {
        o.lease_until = None;
    }
}

fn admit(o: &mut OptIn, page_known: bool, tombstone: Option<Tombstone>, cx: &Context<'_>) {
    if o.state != State::New {
        return;
    }
    if let Some(tombstone) = tombstone {
        if tombstone.maybe_greeted && !cx.policy.greet_again {
            return go(o, State::Refused, Some(Reason::GreetedBefore), cx);
        }
        if let Some(at) = tombstone.opted_out_at
            && o.opted_in_at < at.plus(cx.policy.reopen_after)
        {
            o.opted_out_at = Some(at);
            return go(o, State::OptedOut, Some(Reason::OptOutEvent), cx);
        }
    }
    if past_hard_stop(o, cx) {
        miss(o, Reason::ArrivedLate, cx);
    } else if page_known {
        go(o, State::Pending, None, cx);
    } else if o.reason != Some(Reason::UnknownPage) {
        o.reason = Some(Reason::UnknownPage);
    }
}

fn next_cycle(o: &mut OptIn, opted_in_at: Timestamp, cx: &Context<'_>) {
    o.cycle += 1;
    o.opted_in_at = opted_in_at;
    o.renewed_at = None;
    o.opted_out_at = None;
    (o.attempts, o.doubtful, o.fence) = (0, 0, None);
    (o.sent_at, o.message_id, o.resent_at) = (None, None, None);
    if past_hard_stop(o, cx) { miss(o, Reason::ArrivedLate, cx) } else { go(o, State::New, None, cx) }
}

fn due(o: &mut OptIn, cx: &Context<'_>) {
    if past_hard_stop(o, cx) { miss(o, Reason::HardStop, cx) } else { go(o, State::Pending, None, cx) }
}

/// No message can leave in this window any more.
fn miss(o: &mut OptIn, reason: Reason, cx: &Context<'_>) {
    if o.maybe_greeted_at.is_some() {
        go(o, State::Uncertain, Some(reason), cx);
    } else if let Some(renewed) = o.renewed_at {
        next_cycle(o, renewed, cx);
    } else {
        go(o, State::Missed, Some(reason), cx);
    }
}

/// The platform says that this person cannot be written to. An earlier message may have reached them all the same.
fn unreachable(o: &mut OptIn, reason: Reason, cx: &Context<'_>) {
    let state = if o.maybe_greeted_at.is_some() { State::Uncertain } else { State::Unavailable };
    go(o, state, Some(reason), cx);
}

fn answer_over(o: &mut OptIn, cx: &Context<'_>) {
    if !matches!(o.state, State::Sent | State::Uncertain) || o.state_since.plus(cx.policy.answer_window) > cx.now {
        return;
    }
    if o.state == State::Uncertain && o.opted_out_at.is_some() {
        go(o, State::OptedOut, Some(Reason::OptOutEvent), cx);
    } else {
        go(o, State::Expired, Some(Reason::NoReply), cx);
    }
}
