//! What an operator may do to a row.

use super::attempt::surely_not;
use super::person::{delivered, opt_out};
use super::{Context, Verdict, go, past_hard_stop};
use crate::domain::optin::{OptIn, Reason, State};
use crate::domain::outcome::{Outcome, Then};
use crate::domain::time::Timestamp;

pub(super) fn cancel(o: &mut OptIn, cx: &Context<'_>) -> Verdict {
    match o.state {
        State::New | State::Pending | State::Retrying => go(o, State::Cancelled, Some(Reason::Operator), cx),
        State::Sending => opt_out(o, cx.now, Reason::Operator, cx),
        _ => return Verdict::Refused,
    }
    Verdict::Done
}

pub(super) fn retry_now(o: &mut OptIn, cx: &Context<'_>) -> Verdict {
    let ended = matches!(o.state, State::Missed | State::Unavailable | State::Cancelled);
    let free = o.maybe_greeted_at.is_none() && !o.greeted_elsewhere && o.opted_out_at.is_none();
    if !ended || !free || past_hard_stop(o, cx) {
        return Verdict::Refused;
    }
    o.doubtful = 0;
    go(o, State::New, None, cx);
    Verdict::Done
}

pub(super) fn settle(o: &mut OptIn, arrived: bool, before: Timestamp, cx: &Context<'_>) -> Verdict {
    if o.state != State::Uncertain || o.state_since >= before {
        return Verdict::Refused;
    }
    if arrived {
        delivered(o, o.maybe_greeted_at.unwrap_or(cx.now), None, false, cx);
        return Verdict::Done;
    }
    // An earlier consent may have been answered by a message; nobody spoke of that one.
    if o.cycle == 1 {
        o.maybe_greeted_at = None;
    }
    surely_not(o, &Outcome::Retry(Then::Again), false, cx)
}
