use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::domain::ids::{AttemptId, LoginId, PageId, Psid};
use crate::domain::outcome::{Outcome, Then};

const START: Timestamp = Timestamp::from_ms(1_780_000_000_000);

fn row() -> OptIn {
    OptIn::unborn(PageId::new("1").unwrap(), LoginId::new("a").unwrap(), START, START)
}

fn psid(id: &str) -> Psid {
    Psid::new(id).unwrap()
}

fn at(seconds: u64) -> Timestamp {
    START.plus(Duration::from_secs(seconds))
}

fn apply(o: &mut OptIn, event: &Event, now: Timestamp) -> Verdict {
    step(o, event, &Context { now, policy: &Policy::default(), random: 0 })
}

fn admitted() -> OptIn {
    let mut o = row();
    apply(&mut o, &Event::Admit { page_known: true, tombstone: None }, START);
    assert_eq!(o.state, State::Pending);
    o
}

fn sending() -> OptIn {
    let mut o = admitted();
    apply(&mut o, &Event::Claimed { attempt: AttemptId(1), lease_until: at(15) }, START);
    assert_eq!(o.state, State::Sending);
    o
}

fn ended(outcome: Outcome) -> Event {
    Event::Ended { attempt: AttemptId(1), outcome, others_succeed: false }
}

fn accepted() -> Outcome {
    Outcome::Accepted { message_id: "m_1".into(), psid: None }
}

fn reply(psid_: &str, seconds: u64, stop: bool) -> Event {
    Event::Replied { at: at(seconds), this_cycle: true, psid: Some(psid(psid_)), stop }
}

#[test]
fn the_main_road() {
    let mut o = sending();
    apply(&mut o, &ended(accepted()), at(1));
    assert_eq!((o.state, o.sent_at, o.maybe_greeted_at), (State::Sent, Some(at(1)), Some(at(1))));
    apply(&mut o, &reply("77", 60, false), at(61));
    assert_eq!((o.state, o.psid, o.replied_at), (State::Answered, Some(psid("77")), Some(at(60))));
}

#[test]
fn every_outcome_has_its_state() {
    let table = [
        (accepted(), State::Sent),
        (Outcome::Retry(Then::Again), State::Retrying),
        (Outcome::Throttled { regain: Some(Duration::from_mins(3)) }, State::Retrying),
        (Outcome::Uncertain(Reason::Timeout), State::Uncertain),
        (Outcome::PersonUnavailable(Reason::Unavailable), State::Unavailable),
        (Outcome::WindowClosed, State::Missed),
        (Outcome::PageHold, State::Pending),
        (Outcome::ContentHold, State::Pending),
    ];
    for (outcome, state) in table {
        let mut o = sending();
        apply(&mut o, &ended(outcome.clone()), at(1));
        assert_eq!(o.state, state, "{outcome:?}");
        assert_eq!(o.maybe_greeted_at.is_some(), matches!(state, State::Sent | State::Uncertain), "{outcome:?}");
    }
}

#[test]
fn whoever_may_have_been_greeted_is_neither_missed_nor_unavailable() {
    let outcomes = [
        (Outcome::PersonUnavailable(Reason::UnknownId), Reason::UnknownId),
        (Outcome::Retry(Then::Person), Reason::Unavailable),
        (Outcome::WindowClosed, Reason::WindowClosed),
    ];
    for (outcome, reason) in outcomes {
        let mut o = sending();
        (o.maybe_greeted_at, o.resent_at, o.doubtful) = (Some(START), Some(START), 1);
        apply(&mut o, &Event::Ended { attempt: AttemptId(1), outcome, others_succeed: true }, at(1));
        assert_eq!((o.state, o.reason), (State::Uncertain, Some(reason)), "the first message may still be answered");
    }
}

#[test]
fn a_stop_closes_every_way_back_to_sending() {
    let stop = Event::OptedOut { at: at(1), reason: Reason::OptOutEvent };
    for outcome in [Outcome::Retry(Then::Again), Outcome::PageHold, Outcome::WindowClosed] {
        let mut o = sending();
        apply(&mut o, &stop, at(1));
        assert_eq!(o.state, State::Sending, "its end is not known yet");
        apply(&mut o, &ended(outcome), at(2));
        assert_eq!(o.state, State::OptedOut);
    }
    let mut o = sending();
    apply(&mut o, &stop, at(1));
    apply(&mut o, &Event::GivenBack { attempt: AttemptId(1) }, at(2));
    assert_eq!((o.state, o.attempts), (State::OptedOut, 0));
}

#[test]
fn a_late_answer_is_still_a_fact() {
    let mut o = sending();
    apply(&mut o, &Event::LeaseLapsed { attempt: AttemptId(1) }, at(14));
    assert_eq!(o.state, State::Sending, "the lease still runs");
    apply(&mut o, &Event::LeaseLapsed { attempt: AttemptId(1) }, at(15));
    assert_eq!((o.state, o.reason), (State::Uncertain, Some(Reason::LeaseExpired)));
    let mut late = o.clone();
    apply(&mut late, &ended(accepted()), at(20));
    assert_eq!(late.state, State::Sent);
    let mut refused = o.clone();
    apply(&mut refused, &Event::GivenBack { attempt: AttemptId(1) }, at(20));
    assert_eq!((refused.state, refused.maybe_greeted_at, refused.attempts), (State::Pending, None, 0));
    apply(&mut o, &ended(Outcome::Retry(Then::Again)), at(20));
    assert_eq!((o.state, o.maybe_greeted_at), (State::Retrying, None), "this very attempt says that nothing arrived");
}

#[test]
fn a_stale_attempt_changes_nothing() {
    let mut o = sending();
    o.fence = Some(AttemptId(2));
    let before = o.clone();
    for event in [ended(Outcome::Retry(Then::Again)), ended(Outcome::Uncertain(Reason::Reset)), ended(accepted())] {
        apply(&mut o, &event, at(1));
        assert_eq!(o, before);
    }
}

#[test]
fn fresh_consent_is_told_from_a_second_source() {
    let mut o = admitted();
    let again = |seconds| Event::Consent { at: at(seconds), own_time: true };
    assert_eq!(apply(&mut o, &again(300), at(300)), Verdict::Duplicate);
    assert_eq!(o.renewed_at, None);
    let receipt = Event::Consent { at: at(7200), own_time: false };
    assert_eq!(apply(&mut o, &receipt, at(7200)), Verdict::Duplicate);
    assert_eq!(apply(&mut o, &again(7200), at(7200)), Verdict::Renewed);
    let stop = Policy::default().window.hard_stop(START);
    apply(&mut o, &Event::HardStop, stop);
    assert_eq!((o.state, o.cycle, o.opted_in_at), (State::New, 2, at(7200)), "the next window, not a miss");
}

#[test]
fn the_earliest_time_of_one_consent_counts() {
    let mut o = admitted();
    let earlier = START.minus(Duration::from_secs(30));
    apply(&mut o, &Event::Consent { at: earlier, own_time: true }, at(1));
    assert_eq!(o.opted_in_at, earlier);
}

#[test]
fn nobody_greeted_is_greeted_again() {
    for state in [State::Answered, State::Expired, State::OptedOut] {
        let mut o = sending();
        apply(&mut o, &ended(accepted()), at(1));
        o.state = state;
        assert_eq!(apply(&mut o, &Event::Consent { at: at(90_000), own_time: true }, at(90_000)), Verdict::Duplicate);
        assert_eq!(apply(&mut o, &Event::RetryNow, at(90_000)), Verdict::Refused);
    }
    let mut o = row();
    let tombstone = Tombstone { maybe_greeted: true, opted_out_at: None };
    apply(&mut o, &Event::Admit { page_known: true, tombstone: Some(tombstone) }, START);
    assert_eq!(o.state, State::Refused);
}

#[test]
fn a_first_reply_of_stop_ends_it_with_the_psid() {
    let mut o = sending();
    apply(&mut o, &ended(accepted()), at(1));
    apply(&mut o, &reply("77", 60, true), at(60));
    assert_eq!((o.state, o.psid.is_some(), o.reason), (State::OptedOut, true, Some(Reason::StopWord)));
    assert_eq!(apply(&mut o, &reply("88", 70, false), at(70)), Verdict::SecondPsid);
    assert_eq!(o.psid, Some(psid("77")));
}

#[test]
fn two_doubtful_failures_are_the_person_only_while_others_succeed() {
    for (others_succeed, end) in [(true, State::Unavailable), (false, State::Retrying)] {
        let mut o = sending();
        o.doubtful = 1;
        let outcome = Outcome::Retry(Then::Person);
        apply(&mut o, &Event::Ended { attempt: AttemptId(1), outcome, others_succeed }, at(1));
        assert_eq!(o.state, end);
    }
}

/// A platform, a crowd of clocks and crashes, and one row: what the properties are checked on.
#[derive(Debug)]
struct World {
    o: OptIn,
    now: Timestamp,
    last: i64,
    /// Ends of this consent's attempts that the platform knows: `true` where it surely did not arrive.
    surely_not: bool,
    /// Whether policy granted one more message, and whether that was claimed.
    granted: Option<bool>,
    sent: u32,
    stopped: Option<Timestamp>,
    open: Option<AttemptId>,
    policy: Policy,
}

#[derive(Debug, Clone)]
enum Move {
    Wait(u64),
    Claim,
    End(u8),
    Crash,
    Event(u8, u64),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        2 => (1_u64..40_000).prop_map(Move::Wait),
        1 => (1_u64..30).prop_map(Move::Wait),
        4 => Just(Move::Claim),
        4 => (0_u8..9).prop_map(Move::End),
        1 => Just(Move::Crash),
        4 => (0_u8..16, 0_u64..90_000).prop_map(|(kind, t)| Move::Event(kind, t)),
    ];
    proptest::collection::vec(one, 1..60)
}

impl World {
    fn new(o: OptIn) -> Self {
        let policy = Policy::default();
        Self { o, now: START, last: 0, surely_not: true, granted: None, sent: 0, stopped: None, open: None, policy }
    }

    fn tell(&mut self, event: &Event) -> Verdict {
        let cycle = self.o.cycle;
        let verdict = step(
            &mut self.o,
            event,
            &Context { now: self.now, policy: &self.policy, random: self.now.ms().unsigned_abs() },
        );
        if self.o.cycle != cycle {
            self.stopped = None;
            self.granted = None;
            assert!(self.surely_not, "a new cycle after a message that may have arrived: {self:?}");
        }
        verdict
    }

    fn play(&mut self, action: &Move) {
        match action {
            Move::Wait(seconds) => {
                self.now = self.now.plus(Duration::from_secs(*seconds));
                self.scan();
            }
            Move::Claim => self.claim(),
            Move::End(kind) => self.end(*kind),
            Move::Crash => self.open = None,
            Move::Event(kind, t) => self.event(*kind, *t),
        }
    }

    /// What the upkeep passes do every second.
    fn scan(&mut self) {
        if let Some(attempt) = self.o.fence {
            self.tell(&Event::LeaseLapsed { attempt });
        }
        for event in
            [Event::Due, Event::HardStop, Event::AnswerOver, Event::Admit { page_known: true, tombstone: None }]
        {
            self.tell(&event);
        }
    }

    fn claim(&mut self) {
        if !claimable(&self.o, self.now, &self.policy) {
            return;
        }
        self.last += 1;
        let attempt = AttemptId(self.last);
        let verdict = self.tell(&Event::Claimed { attempt, lease_until: self.now.plus(self.policy.window.lease()) });
        assert_eq!(verdict, Verdict::Done);
        assert!(self.surely_not || self.granted == Some(false), "never two: {self:?}");
        assert!(self.now < self.policy.window.hard_stop(self.o.opted_in_at), "never late: {self:?}");
        assert!(self.stopped.is_none(), "never after stop: {self:?}");
        self.open = Some(attempt);
        self.granted = self.granted.map(|_| true);
        self.surely_not = false;
        self.sent += 1;
    }

    fn end(&mut self, kind: u8) {
        let Some(attempt) = self.open.take() else { return };
        let others_succeed = kind.is_multiple_of(2);
        let outcome = match kind {
            0 | 1 => accepted(),
            2 => Outcome::Uncertain(Reason::Timeout),
            3 => Outcome::Retry(Then::Again),
            4 => Outcome::Retry(Then::Person),
            5 => Outcome::PersonUnavailable(Reason::Unavailable),
            6 => Outcome::PageHold,
            7 => Outcome::Throttled { regain: Some(Duration::from_mins(10)) },
            _ => {
                self.surely_not = true;
                self.tell(&Event::GivenBack { attempt });
                return;
            }
        };
        self.surely_not = !matches!(outcome, Outcome::Accepted { .. } | Outcome::Uncertain(_));
        self.tell(&Event::Ended { attempt, outcome, others_succeed });
    }

    fn event(&mut self, kind: u8, t: u64) {
        let past = self.now.minus(Duration::from_secs(t % 600));
        match kind {
            0 | 1 => _ = self.tell(&Event::Consent { at: self.now, own_time: kind == 0 }),
            2 => _ = self.tell(&Event::Consent { at: past, own_time: true }),
            3 => {
                self.stopped = Some(self.now);
                self.tell(&Event::OptedOut { at: self.now, reason: Reason::OptOutEvent });
            }
            4 | 5 if !self.surely_not => {
                _ = self.tell(&Event::Replied { at: past, this_cycle: true, psid: Some(psid("7")), stop: kind == 5 });
            }
            6 if !self.surely_not => {
                _ = self.tell(&Event::Delivered {
                    at: past,
                    this_cycle: true,
                    psid: None,
                    message_id: None,
                    elsewhere: false,
                });
            }
            7 => _ = self.tell(&Event::Cancel),
            8 => _ = self.tell(&Event::RetryNow),
            9 if self.o.state == State::Uncertain && self.open.is_none() => {
                // The operator knows, so from here on it is known.
                self.surely_not = true;
                assert_eq!(
                    self.tell(&Event::Settle { delivered: false, before: self.now.plus(Duration::from_millis(1)) }),
                    Verdict::Done
                );
            }
            10 => self.tell_old_reply(),
            11 => self.send_again(),
            12 => {
                let before = self.o.state;
                self.tell(&Event::StoreRewound);
                self.surely_not &= self.o.state == before;
            }
            _ => self.scan(),
        }
    }

    /// Policy accepts that a message may have arrived: once for a consent, and never against a stop or the hard stop.
    fn send_again(&mut self) {
        let Some(attempt) = self.o.fence else { return };
        if self.tell(&Event::SendAgain { attempt }) == Verdict::Done {
            assert_eq!((self.granted, self.stopped), (None, None), "granted twice, or after a stop: {self:?}");
            assert!(self.now < self.policy.window.hard_stop(self.o.opted_in_at), "granted late: {self:?}");
            assert!(self.o.maybe_greeted_at.is_some(), "forgotten that it may have arrived: {self:?}");
            self.granted = Some(false);
        }
    }

    fn tell_old_reply(&mut self) {
        let before = self.o.state;
        self.tell(&Event::Replied { at: self.now, this_cycle: false, psid: Some(psid("7")), stop: false });
        assert_eq!(self.o.state, before, "an earlier cycle's reply teaches the PSID and nothing else");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn never_two_never_late_never_after_stop_never_forgotten(moves in moves()) {
        let mut world = World::new(admitted());
        for action in &moves {
            world.play(action);
        }
        world.open = None;
        // Whatever happened: given time, it ends.
        for _ in 0..6 {
            world.now = world.now.plus(Duration::from_hours(31 * 24));
            world.scan();
        }
        prop_assert!(world.o.state.is_final(), "forgotten: {:?}", world);
    }
}
