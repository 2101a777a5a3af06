//! The verdict on one send, made at the moment its last byte was read: refused, or delivered and what that broke.
//!
//! Everything is decided here at once and under the page's lock. Latency, hangs and lost answers come later and
//! change nothing: a message whose answer is lost is delivered.

use std::time::Duration;

use super::behaviour::Behaviour;
use super::dice::{Dice, hash};
use super::graph::{self, Refusal};
use super::lost::Loss;
use super::options::Faults;
use super::people::{Book, Person};
use super::report::Violations;
use crate::domain::time::Timestamp;

/// How long after an acknowledged stop a message may still arrive: an attempt that was already claimed lets its bytes
/// go at most 2 s after the claim, and that much is promised to nobody as stopped.
pub(super) const STOP_GRACE: Duration = Duration::from_secs(2);

/// What a verdict goes by.
pub(super) struct Rules<'a> {
    pub(super) seed: u64,
    pub(super) window: Duration,
    pub(super) strict: bool,
    pub(super) open: bool,
    pub(super) faults: &'a Faults,
}

/// The moment of receipt, by both clocks.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub(super) wall: Timestamp,
    pub(super) boot: Duration,
}

/// What a message would break, or broke. 0 or 1 each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Breach {
    pub(super) violations: Violations,
    pub(super) after_any_stop: bool,
}

/// Why a send was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    Unknown,
    Blocked,
    Before,
    Throttled,
    Unavailable,
    Strict(Violations),
}

/// A delivered message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) place: u32,
    pub(super) message_id: String,
    /// The first since the last opt-in: the one people answer.
    pub(super) first: bool,
    /// The first this person ever got.
    pub(super) first_ever: bool,
    pub(super) breach: Breach,
    pub(super) loss: Option<Loss>,
    pub(super) behaviour: Behaviour,
}

/// The end of a send.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Refused(Refusal, Why),
    Delivered(Delivery),
    /// Neither delivered nor refused: the answer is lost, and so is the message.
    Swallowed(Loss),
}

/// Judges a send to `login_id`; also returns how much the answer's latency varies.
pub(super) fn judge(book: &mut Book, login_id: &str, at: Moment, rules: &Rules<'_>) -> (Verdict, Duration) {
    if over_limit(book, at, rules.faults) {
        return (Verdict::Refused(graph::RATE_LIMIT, Why::Throttled), Duration::ZERO);
    }
    let place = if rules.open { Some(book.find_or_add(login_id)) } else { book.find(login_id) };
    let unknown = (Verdict::Refused(graph::UNKNOWN_PERSON, Why::Unknown), Duration::ZERO);
    let Some(place) = place else { return unknown };
    let mut dice = {
        let attempt = book.person(place).map_or(0, |person| person.attempts);
        Dice::new(rules.seed, &book.page, login_id, attempt)
    };
    let drawn = draw(&book.page, login_id, rules, &mut dice);
    let Some(person) = book.person(place) else { return unknown };
    person.attempts = person.attempts.saturating_add(1);
    let jitter = dice.span(rules.faults.jitter);
    let breach = breach(person, at, rules.window);
    let refused = drawn.or_else(|| refusal(person, breach, rules.strict));
    if let Some((refusal, why)) = refused {
        person.refused = person.refused.saturating_add(1);
        return (Verdict::Refused(refusal, why), jitter);
    }
    // Drawn only where asked for, so that other seeds keep their draws.
    if rules.faults.swallowed > 0.0 && dice.chance(rules.faults.swallowed) {
        person.refused = person.refused.saturating_add(1);
        let loss = one_of(&[Loss::Dropped, Loss::Gateway], &mut dice).unwrap_or(Loss::Dropped);
        return (Verdict::Swallowed(loss), jitter);
    }
    let delivery = deliver(person, place, breach, at, &mut dice, rules.faults);
    book.accepted.mark(at.boot);
    (Verdict::Delivered(delivery), jitter)
}

fn over_limit(book: &mut Book, at: Moment, faults: &Faults) -> bool {
    let Some(limit) = faults.rate_limit else { return false };
    if book.calls.count(at.boot) >= usize::try_from(limit).unwrap_or(usize::MAX) {
        return true;
    }
    book.calls.mark(at.boot);
    false
}

/// The faults that strike before a message is taken.
fn draw(page: &str, login_id: &str, rules: &Rules<'_>, dice: &mut Dice) -> Option<(Refusal, Why)> {
    let faults = rules.faults;
    if dice.chance(faults.throttle) {
        return one_of(&graph::THROTTLES, dice).map(|refusal| (refusal, Why::Throttled));
    }
    if dice.chance(faults.before) {
        return one_of(&graph::BEFORE, dice).map(|refusal| (refusal, Why::Before));
    }
    // Drawn by person and not by attempt, so that trying again is in vain.
    let mut fate = Dice::any(hash(rules.seed, &["unavailable", page, login_id]));
    fate.chance(faults.unavailable).then_some((graph::UNAVAILABLE, Why::Unavailable))
}

fn one_of<T: Copy>(list: &[T], dice: &mut Dice) -> Option<T> {
    let count = u64::try_from(list.len()).ok()?;
    list.get(usize::try_from(dice.below(count)).ok()?).copied()
}

fn breach(person: &Person, at: Moment, window: Duration) -> Breach {
    let late = person.opted_in_at().is_some_and(|opted_in| at.wall > opted_in.plus(window));
    let since_stop = person.since_stop(at.boot);
    let violations = Violations {
        second: person.greeted.into(),
        late: late.into(),
        after_stop: since_stop.is_some_and(|span| span > STOP_GRACE).into(),
    };
    Breach { violations, after_any_stop: since_stop.is_some() }
}

/// The refusals that have nothing to do with chance.
fn refusal(person: &Person, breach: Breach, strict: bool) -> Option<(Refusal, Why)> {
    if person.behaviour() == Behaviour::Block {
        return Some((graph::UNAVAILABLE, Why::Blocked));
    }
    let violations = breach.violations;
    if !strict || violations == Violations::default() {
        return None;
    }
    let refusal = match violations {
        Violations { after_stop: 1, .. } => graph::AFTER_STOP,
        Violations { late: 1, .. } => graph::OUTSIDE_WINDOW,
        _ => graph::SECOND_MESSAGE,
    };
    Some((refusal, Why::Strict(violations)))
}

fn deliver(person: &mut Person, place: u32, breach: Breach, at: Moment, dice: &mut Dice, faults: &Faults) -> Delivery {
    let delivery = Delivery {
        place,
        message_id: dice.message_id(at.wall.ms()),
        first: !person.greeted,
        first_ever: person.delivered == 0,
        breach,
        loss: dice.chance(faults.after).then(|| one_of(&Loss::ALL, dice)).flatten(),
        behaviour: person.behaviour(),
    };
    person.greeted = true;
    person.delivered = person.delivered.saturating_add(1);
    delivery
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: i64 = 1_780_000_000_000;

    fn at(seconds: u64) -> Moment {
        let span = Duration::from_secs(seconds);
        Moment { wall: Timestamp::from_ms(T0).plus(span), boot: span }
    }

    fn rules(faults: &Faults, strict: bool) -> Rules<'_> {
        Rules { seed: 1, window: Duration::from_mins(1), strict, open: false, faults }
    }

    fn book(behaviour: Behaviour) -> Book {
        let mut book = Book::new("p");
        book.opt_in("l", behaviour, at(0).wall);
        book
    }

    fn broken((verdict, _): &(Verdict, Duration)) -> (u64, u64, u64) {
        match verdict {
            Verdict::Delivered(Delivery { breach: Breach { violations: v, .. }, .. }) => {
                (v.second, v.late, v.after_stop)
            }
            Verdict::Refused(refusal, _) => panic!("refused: {}", refusal.key()),
            Verdict::Swallowed(loss) => panic!("swallowed: {loss:?}"),
        }
    }

    fn refused((verdict, _): &(Verdict, Duration)) -> String {
        match verdict {
            Verdict::Refused(refusal, _) => refusal.key(),
            Verdict::Delivered(_) | Verdict::Swallowed(_) => panic!("{verdict:?}"),
        }
    }

    #[test]
    fn what_is_swallowed_reaches_nobody() {
        let mut book = book(Behaviour::Silent);
        let faults = Faults { swallowed: 1.0, after: 1.0, ..Faults::default() };
        let (verdict, _) = judge(&mut book, "l", at(1), &rules(&faults, false));
        assert!(matches!(verdict, Verdict::Swallowed(Loss::Dropped | Loss::Gateway)), "{verdict:?}");
        assert_eq!((book.person(0).unwrap().delivered, book.person(0).unwrap().greeted), (0, false));
        assert_eq!(broken(&judge(&mut book, "l", at(2), &rules(&Faults::default(), false))), (0, 0, 0));
    }

    #[test]
    fn second_and_late_messages_are_counted_until_a_new_opt_in() {
        let (faults, mut book) = (Faults::default(), book(Behaviour::Silent));
        let rules = rules(&faults, false);
        assert_eq!(broken(&judge(&mut book, "l", at(60), &rules)), (0, 0, 0), "the window's last moment is in time");
        assert_eq!(broken(&judge(&mut book, "l", at(60), &rules)), (1, 0, 0));
        assert_eq!(broken(&judge(&mut book, "l", at(61), &rules)), (1, 1, 0));
        book.opt_in("l", Behaviour::Silent, at(62).wall);
        assert_eq!(broken(&judge(&mut book, "l", at(63), &rules)), (0, 0, 0));
    }

    #[test]
    fn a_stop_counts_after_its_grace() {
        let (faults, mut book) = (Faults::default(), book(Behaviour::Silent));
        let rules = rules(&faults, false);
        book.person(0).unwrap().stop(at(10).wall, at(10).boot);
        let (Verdict::Delivered(delivery), _) = judge(&mut book, "l", at(12), &rules) else { panic!() };
        assert_eq!((delivery.breach.violations.after_stop, delivery.breach.after_any_stop), (0, true));
        assert_eq!(broken(&judge(&mut book, "l", at(13), &rules)), (1, 0, 1));
    }

    #[test]
    fn strict_refuses_what_would_break_a_promise() {
        let (faults, mut book) = (Faults::default(), book(Behaviour::Silent));
        let rules = rules(&faults, true);
        assert_eq!(broken(&judge(&mut book, "l", at(1), &rules)), (0, 0, 0));
        assert_eq!(refused(&judge(&mut book, "l", at(2), &rules)), "10/2018065");
        assert_eq!(refused(&judge(&mut book, "l", at(61), &rules)), "10/2018278");
        book.person(0).unwrap().stop(at(10).wall, at(10).boot);
        assert_eq!(refused(&judge(&mut book, "l", at(20), &rules)), "10/2018108");
        assert_eq!((book.person(0).unwrap().delivered, book.person(0).unwrap().refused), (1, 3));
    }

    #[test]
    fn strangers_are_unknown_unless_the_sandbox_is_open() {
        let (faults, mut book) = (Faults::default(), book(Behaviour::Block));
        let mut rules = rules(&faults, false);
        assert_eq!(refused(&judge(&mut book, "x", at(0), &rules)), "100/2018001");
        assert_eq!(refused(&judge(&mut book, "l", at(0), &rules)), "551/1545041");
        rules.open = true;
        assert_eq!(broken(&judge(&mut book, "x", at(1_000_000), &rules)), (0, 0, 0), "never late");
        assert_eq!(book.len(), 2);
    }

    #[test]
    fn faults_repeat_by_person_and_attempt() {
        let faults = Faults { before: 0.3, after: 0.3, throttle: 0.2, unavailable: 0.1, ..Faults::default() };
        let story = |order: &mut dyn Iterator<Item = u32>| {
            let (mut book, mut rules) = (Book::new("p"), rules(&faults, false));
            rules.open = true;
            let mut told: Vec<(u32, Verdict)> =
                order.map(|n| (n, judge(&mut book, &n.to_string(), at(0), &rules).0)).collect();
            for (_, verdict) in &mut told {
                if let Verdict::Delivered(delivery) = verdict {
                    delivery.place = 0;
                }
            }
            told.sort_by_key(|(n, _)| *n);
            told
        };
        assert_eq!(story(&mut (0..200)), story(&mut (0..200).rev()));
    }

    #[test]
    fn the_rate_limit_counts_calls_of_a_sliding_second() {
        let faults = Faults { rate_limit: Some(3), ..Faults::default() };
        let mut book = book(Behaviour::Silent);
        let rules = rules(&faults, false);
        for _ in 0..3 {
            broken(&judge(&mut book, "l", at(5), &rules));
        }
        assert_eq!(refused(&judge(&mut book, "l", at(5), &rules)), "613");
        broken(&judge(&mut book, "l", at(6), &rules));
        assert_eq!(book.accepted.peak(), 3);
    }
}
