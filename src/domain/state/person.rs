//! What a person does to their row: consent, reply, stop; and what proves that a message reached them.

use super::{Context, Verdict, go, next_cycle};
use crate::domain::ids::Psid;
use crate::domain::optin::{OptIn, Reason, State};
use crate::domain::time::Timestamp;

pub(super) fn consent(o: &mut OptIn, at: Timestamp, own_time: bool, cx: &Context<'_>) -> Verdict {
    let known = o.renewed_at.unwrap_or(o.opted_in_at).max(o.opted_in_at);
    let after_the_end = !o.state.is_final() || at > o.state_since;
    let after_the_stop = o.opted_out_at.is_none_or(|stop| at > stop);
    let fresh = own_time && at >= known.plus(cx.policy.reopen_after) && after_the_end && after_the_stop;
    if !fresh {
        // Of several sources of one consent the earliest time counts. A consent of an earlier cycle is not a source.
        let same_consent = o.cycle == 1 || at.plus(cx.policy.reopen_after) > o.opted_in_at;
        if o.state.is_waiting() && at < o.opted_in_at && same_consent {
            o.opted_in_at = at;
        }
        return Verdict::Duplicate;
    }
    if !o.state.is_final() {
        o.renewed_at = Some(at);
        return Verdict::Renewed;
    }
    let greeted = o.maybe_greeted_at.is_some() || o.greeted_elsewhere || o.state == State::Refused;
    let open_to_all = matches!(o.state, State::Missed | State::Cancelled | State::Unavailable | State::OptedOut);
    if cx.policy.greet_again || (open_to_all && !greeted) {
        next_cycle(o, at, cx);
        return Verdict::Reopened;
    }
    Verdict::Duplicate
}

pub(super) fn delivered(o: &mut OptIn, at: Timestamp, message_id: Option<&str>, elsewhere: bool, cx: &Context<'_>) {
    o.maybe_greeted_at = Some(o.maybe_greeted_at.map_or(at, |known| known.min(at)));
    o.greeted_elsewhere |= elsewhere;
    if o.message_id.is_none() && !elsewhere {
        o.message_id = message_id.map(str::to_owned);
    }
    let over = matches!(o.state, State::Sent | State::Answered | State::Expired | State::OptedOut | State::Refused);
    if !over {
        o.sent_at.get_or_insert(at);
        go(o, State::Sent, elsewhere.then_some(Reason::StartedElsewhere), cx);
    }
}

pub(super) fn replied(o: &mut OptIn, at: Timestamp, this_cycle: bool, stop: bool, cx: &Context<'_>) {
    o.replied_at = Some(o.replied_at.map_or(at, |known| known.max(at)));
    if stop {
        opt_out(o, at, Reason::StopWord, cx);
    }
    if !this_cycle {
        return;
    }
    // Whoever answers has been written to: by us, or by another app.
    o.maybe_greeted_at.get_or_insert(at);
    let closed = matches!(o.state, State::Answered | State::OptedOut | State::Cancelled | State::Refused);
    if !closed && stop {
        go(o, State::OptedOut, Some(Reason::StopWord), cx);
    } else if !closed {
        go(o, State::Answered, None, cx);
    }
}

pub(super) fn learn(o: &mut OptIn, psid: Option<&Psid>) -> Verdict {
    match (&o.psid, psid) {
        (None, Some(psid)) => o.psid = Some(psid.clone()),
        (Some(known), Some(psid)) if known != psid => return Verdict::SecondPsid,
        _ => {}
    }
    Verdict::Done
}

pub(super) fn opt_out(o: &mut OptIn, at: Timestamp, reason: Reason, cx: &Context<'_>) {
    // An old stop, told again after the person had consented anew, is history. The margin is for clocks that differ.
    if o.cycle > 1 && at.plus(cx.policy.reopen_after) <= o.opted_in_at {
        return;
    }
    // The latest counts: consent from between two stops, told after both, opens nothing.
    o.opted_out_at = o.opted_out_at.max(Some(at));
    match o.state {
        State::New | State::Pending | State::Retrying | State::Sent => go(o, State::OptedOut, Some(reason), cx),
        State::Sending => o.reason = Some(reason),
        _ => {}
    }
}
