//! The claim, lease, fence and settle protocol as an exhaustive model: every order in which two nodes, the platform, the
//! person and an operator can act on one opt-in, within the bounds below. Rows change by the production function alone.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a model says what it found, and what it numbers is there"
)]

mod explore;
mod protocol;
mod relation;

use explore::{Explored, explore};
use firstword::domain::ids::AttemptId;
use firstword::domain::optin::OptIn;
use firstword::domain::state::{Context, Event, Verdict, step};
use protocol::Protocol;

fn told(name: &str, model: &Protocol) -> Explored {
    let began = std::time::Instant::now();
    let explored = explore(model);
    let Explored { states, steps, ends, .. } = explored;
    println!("{name}: {states} states, {steps} steps, {ends} ends, {:?}", began.elapsed());
    explored
}

#[test]
fn at_most_one_is_accepted_and_no_one_is_forgotten() {
    let explored = told("the protocol", &Protocol::new());
    assert!(explored.wrong.is_none(), "{}", explored.wrong.unwrap_or_default());
    assert!(explored.states > 10_000 && explored.ends > 10, "{explored:?}");
}

/// A model in which rows change otherwise must be found out.
fn is_found_out(name: &str, model: &Protocol, by: &str) {
    let explored = told(name, model);
    let wrong = explored.wrong.unwrap_or_default();
    assert!(wrong.starts_with(by), "{name} was not found out: {wrong:?}");
}

#[test]
fn without_the_fence_a_second_request_starts() {
    fn whoever_reports(o: &mut OptIn, event: &Event, cx: &Context<'_>) -> Verdict {
        let fence = o.fence.unwrap_or(AttemptId(0));
        let event = match event.clone() {
            Event::Ended { outcome, others_succeed, .. } => Event::Ended { attempt: fence, outcome, others_succeed },
            Event::GivenBack { .. } => Event::GivenBack { attempt: fence },
            event => event,
        };
        step(o, &event, cx)
    }
    let model = Protocol { change: whoever_reports, claims: 3, ..Protocol::small() };
    is_found_out("without the fence", &model, "a second request started");
}

#[test]
fn a_recovery_that_ignores_the_lease_lets_a_second_request_start() {
    fn impatient(o: &mut OptIn, event: &Event, cx: &Context<'_>) -> Verdict {
        if matches!(event, Event::LeaseLapsed { .. }) {
            o.lease_until = o.lease_until.map(|until| until.min(cx.now));
        }
        step(o, event, cx)
    }
    let model = Protocol { change: impatient, ..Protocol::small() };
    is_found_out("ignoring the lease", &model, "a second request started");
}

#[test]
fn without_the_hard_stops_pass_people_are_forgotten() {
    let model = Protocol { misses: false, ..Protocol::small() };
    is_found_out("without misses", &model, "no one forgotten");
}

#[test]
fn a_doubt_taken_for_a_failure_is_found_out() {
    fn hopeful(o: &mut OptIn, event: &Event, cx: &Context<'_>) -> Verdict {
        use firstword::domain::outcome::{Outcome, Then};
        let event = match event.clone() {
            Event::Ended { attempt, outcome: Outcome::Uncertain(_), others_succeed } => {
                Event::Ended { attempt, outcome: Outcome::Retry(Then::Again), others_succeed }
            }
            event => event,
        };
        step(o, &event, cx)
    }
    let model = Protocol { change: hopeful, ..Protocol::small() };
    is_found_out("doubt as failure", &model, "a second request started");
}
