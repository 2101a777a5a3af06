//! What an attempt does to its row: the claim, and every way it can end.

use super::{Context, Verdict, claimable, go, miss, past_hard_stop, policy_stop, unreachable};
use crate::domain::ids::AttemptId;
use crate::domain::optin::{OptIn, Reason, State};
use crate::domain::outcome::{Outcome, Then};
use crate::domain::retry::Next;
use crate::domain::time::Timestamp;

use super::person::{delivered, learn};

/// How many attempts a failure that may be the person gets, and one that may be the page or the message.
const FEW_FOR_PERSON: i64 = 2;
const FEW_FOR_PAGE: i64 = 3;

/// Whether the row is this attempt's.
pub(super) fn holds(o: &OptIn, attempt: AttemptId) -> bool {
    o.state == State::Sending && o.fence == Some(attempt)
}

pub(super) fn claimed(o: &mut OptIn, attempt: AttemptId, lease_until: Timestamp, cx: &Context<'_>) -> Verdict {
    if !claimable(o, cx.now, cx.policy) {
        return Verdict::Refused;
    }
    go(o, State::Sending, None, cx);
    o.attempts += 1;
    o.fence = Some(attempt);
    o.lease_until = Some(lease_until);
    Verdict::Done
}

pub(super) fn ended(
    o: &mut OptIn,
    attempt: AttemptId,
    outcome: &Outcome,
    others_succeed: bool,
    cx: &Context<'_>,
) -> Verdict {
    match outcome {
        Outcome::Accepted { message_id, psid } => {
            if o.fence == Some(attempt) {
                delivered(o, cx.now, Some(message_id), false, cx);
            }
            learn(o, psid.as_ref())
        }
        Outcome::Uncertain(reason) => {
            if holds(o, attempt) {
                doubt(o, *reason, cx);
            }
            Verdict::Done
        }
        _ if holds(o, attempt) => surely_not(o, outcome, others_succeed, cx),
        // The lease ran out first, and now the attempt itself says that nothing arrived.
        _ if lapsed(o, attempt) => {
            forget_doubt(o);
            surely_not(o, outcome, others_succeed, cx)
        }
        _ => Verdict::Done,
    }
}

/// The current attempt surely did not deliver.
pub(super) fn surely_not(o: &mut OptIn, outcome: &Outcome, others_succeed: bool, cx: &Context<'_>) -> Verdict {
    if o.opted_out_at.is_some() {
        let reason = o.reason.filter(|_| o.state == State::Sending);
        go(o, State::OptedOut, reason.or(Some(Reason::OptOutEvent)), cx);
        return Verdict::Done;
    }
    match outcome {
        Outcome::Retry(then) => return temporary(o, *then, others_succeed, cx),
        Outcome::Throttled { regain } => again(o, regain.map(|wait| cx.now.plus(wait)), cx),
        Outcome::PersonUnavailable(reason) => unreachable(o, *reason, cx),
        Outcome::WindowClosed => miss(o, Reason::WindowClosed, cx),
        Outcome::PageHold => return held(o, Verdict::HoldPage, cx),
        Outcome::ContentHold => return held(o, Verdict::HoldContent, cx),
        Outcome::Accepted { .. } | Outcome::Uncertain(_) => {}
    }
    Verdict::Done
}

pub(super) fn temporary(o: &mut OptIn, then: Then, others_succeed: bool, cx: &Context<'_>) -> Verdict {
    if then != Then::Again {
        o.doubtful += 1;
    }
    match then {
        Then::Person if o.doubtful >= FEW_FOR_PERSON && others_succeed => unreachable(o, Reason::Unavailable, cx),
        Then::Page if o.doubtful >= FEW_FOR_PAGE => return held(o, Verdict::HoldPage, cx),
        Then::Content if o.doubtful >= FEW_FOR_PAGE => return held(o, Verdict::HoldContent, cx),
        Then::Again | Then::Person | Then::Page | Then::Content => again(o, None, cx),
    }
    Verdict::Done
}

/// Not this person's fault: they wait with everybody else until the hold is lifted.
pub(super) fn held(o: &mut OptIn, verdict: Verdict, cx: &Context<'_>) -> Verdict {
    back_to_waiting(o, cx);
    verdict
}

pub(super) fn again(o: &mut OptIn, hint: Option<Timestamp>, cx: &Context<'_>) {
    match cx.policy.retry.next(o.attempts, cx.now, policy_stop(o, cx), hint, cx.random) {
        Next::At(at) => {
            go(o, State::Retrying, None, cx);
            o.next_attempt_at = Some(at);
        }
        Next::GiveUp => miss(o, Reason::HardStop, cx),
    }
}

pub(super) fn give_back(o: &mut OptIn, attempt: AttemptId, cx: &Context<'_>) {
    if !holds(o, attempt) && !lapsed(o, attempt) {
        return;
    }
    forget_doubt(o);
    // Nothing left, so it was no attempt: the next pause must not grow for it.
    o.attempts -= 1;
    if o.opted_out_at.is_some() {
        let reason = o.reason.filter(|_| o.state == State::Sending).or(Some(Reason::OptOutEvent));
        go(o, State::OptedOut, reason, cx);
    } else {
        back_to_waiting(o, cx);
    }
}

/// Whether the row is in doubt because of this attempt: its lease ran out, and now it reports after all.
fn lapsed(o: &OptIn, attempt: AttemptId) -> bool {
    o.state == State::Uncertain && o.fence == Some(attempt)
}

/// Where this attempt was the only one that may have arrived, and it did not, nobody was greeted.
fn forget_doubt(o: &mut OptIn) {
    if o.state == State::Uncertain && o.cycle == 1 && o.attempts == 1 {
        o.maybe_greeted_at = None;
    }
}

pub(super) fn back_to_waiting(o: &mut OptIn, cx: &Context<'_>) {
    if past_hard_stop(o, cx) { miss(o, Reason::HardStop, cx) } else { go(o, State::Pending, None, cx) }
}

pub(super) fn doubt(o: &mut OptIn, reason: Reason, cx: &Context<'_>) {
    o.maybe_greeted_at.get_or_insert(cx.now);
    go(o, State::Uncertain, Some(reason), cx);
}

/// Policy takes the doubt for *not delivered*, or accepts the risk: one more message, once for an opt-in. That a message
/// may have arrived stays a fact, so the hard stop leads back here and nothing reopens.
pub(super) fn send_again(o: &mut OptIn, attempt: AttemptId, cx: &Context<'_>) -> Verdict {
    let waited = o.lease_until.is_some_and(|until| until.plus(cx.policy.settle_after) <= cx.now);
    let free = o.resent_at.is_none() && o.opted_out_at.is_none() && !o.greeted_elsewhere;
    if !lapsed(o, attempt) || !waited || !free || past_hard_stop(o, cx) {
        return Verdict::Refused;
    }
    go(o, State::Pending, None, cx);
    o.resent_at = Some(cx.now);
    Verdict::Done
}

/// The failure that ended it was not this person's: they wait again, if nothing else stands against it.
pub(super) fn reprieve(o: &mut OptIn, cx: &Context<'_>) {
    let ended = o.state == State::Unavailable || (o.state == State::Missed && o.reason == Some(Reason::WindowClosed));
    if ended && o.maybe_greeted_at.is_none() && !o.greeted_elsewhere && o.opted_out_at.is_none() {
        back_to_waiting(o, cx);
    }
}
