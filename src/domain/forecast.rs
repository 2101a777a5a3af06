//! Who will miss their hard stop at the present rate: earliest deadline first over the real backlog.
//!
//! Sending in the order of hard stops is the best order there is: if it misses somebody, every other order does. So the
//! queue is walked once in that order, against what a page can send and when.

use serde::Serialize;

use super::capacity::Capacity;
use super::reach::Reach;
use super::time::Timestamp;
use super::window::Window;

/// People of a page who still wait and opted in within a span of time, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// The earliest possible opt-in among them: all of them are taken to be as urgent as that.
    pub from: Timestamp,
    /// The latest.
    pub to: Timestamp,
    /// How many.
    pub people: u64,
}

/// What will happen if nothing changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Forecast {
    /// How many wait.
    pub waiting: u64,
    /// How many of them will miss their hard stop.
    pub will_miss: u64,
    /// When the first one will.
    pub first_miss: Option<Timestamp>,
    /// When the last of those who will not is sent to; never later than anybody's hard stop.
    pub done_at: Option<Timestamp>,
}

/// Who will miss, if the page sends as it can and drops whoever it cannot reach in time. The backlog is in order.
#[must_use]
pub fn forecast(backlog: &[Bucket], window: &Window, capacity: &Capacity, now: Timestamp) -> Forecast {
    let mut result = Forecast::default();
    let mut at = now;
    for bucket in backlog {
        let stop = window.hard_stop(bucket.from);
        let sent = bucket.people.min(capacity.people(at, stop));
        if sent > 0 {
            at = capacity.sent_at(at, sent).unwrap_or(stop).min(stop);
            result.done_at = Some(at);
        }
        result.waiting += bucket.people;
        if sent < bucket.people {
            result.will_miss += bucket.people - sent;
            result.first_miss = result.first_miss.or(Some(stop.max(now)));
        }
    }
    result
}

/// Who must be sent to now, because waiting for the capacity given would be too late for them, counting everybody more
/// urgent; with them everybody more urgent. The backlog is in order.
#[must_use]
pub fn urgent(backlog: &[Bucket], window: &Window, capacity: &Capacity, now: Timestamp) -> Reach {
    let (mut people, mut reach) = (0_u64, Reach::NOBODY);
    for bucket in backlog {
        people = people.saturating_add(bucket.people);
        let stop = window.hard_stop(bucket.from);
        if people > capacity.people(now, stop) {
            reach = Reach { fresh: bucket.to, tried: bucket.to };
        }
    }
    reach
}

/// Puts buckets of several sources into one order.
#[must_use]
pub fn in_order(mut backlog: Vec<Bucket>) -> Vec<Bucket> {
    backlog.retain(|bucket| bucket.people > 0);
    backlog.sort_unstable_by_key(|bucket| (bucket.from, bucket.to));
    backlog
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_ms(1_790_000_000_000);

    fn window() -> Window {
        Window::default()
    }

    /// People whose hard stop is so many seconds away.
    fn stop_in(seconds: u64, people: u64) -> Bucket {
        let at = window().cutoff(NOW.plus(Duration::from_secs(seconds)));
        Bucket { from: at, to: at, people }
    }

    fn after(seconds: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(seconds))
    }

    fn foretell(backlog: &[Bucket], capacity: &Capacity) -> Forecast {
        forecast(backlog, &window(), capacity, NOW)
    }

    #[test]
    fn a_rate_that_serves_everybody_misses_nobody() {
        let backlog = [stop_in(10, 100), stop_in(20, 100)];
        let fine = foretell(&backlog, &Capacity::per_second(10.0));
        assert_eq!(fine, Forecast { waiting: 200, will_miss: 0, first_miss: None, done_at: Some(after(20)) });
    }

    #[test]
    fn what_is_too_much_is_counted_and_dated() {
        let backlog = [stop_in(10, 100), stop_in(20, 150), stop_in(60, 10)];
        let told = foretell(&backlog, &Capacity::per_second(10.0));
        assert_eq!((told.will_miss, told.first_miss, told.done_at), (50, Some(after(20)), Some(after(21))));
    }

    #[test]
    fn nothing_is_sent_under_a_hold_nor_between_ticks() {
        let backlog = [stop_in(30, 100), stop_in(90, 100)];
        let ten = || Capacity::per_second(10.0);
        assert_eq!(foretell(&backlog, &ten().not_before(after(25))).will_miss, 50);
        assert_eq!(foretell(&backlog, &ten().not_before(after(25))).first_miss, Some(after(30)));
        assert_eq!(foretell(&backlog, &ten().only(&[(after(40), after(45)), (after(80), after(99))])).will_miss, 100);
        assert_eq!(foretell(&backlog, &Capacity::per_second(0.0)).will_miss, 200);
        assert_eq!(foretell(&backlog, &ten().only(&[])).will_miss, 200);
    }

    #[test]
    fn whoever_waits_beyond_their_hard_stop_is_missed_now() {
        let late = Bucket { from: NOW.minus(Duration::from_hours(30)), to: NOW, people: 3 };
        let told = foretell(&[late, stop_in(10, 5)], &Capacity::per_second(1.0));
        assert_eq!((told.will_miss, told.first_miss), (3, Some(NOW)));
    }

    #[test]
    fn whoever_can_wait_for_the_next_tick_does() {
        let tick = Capacity::per_second(10.0).only(&[(after(100), after(200))]);
        let waits = |backlog: &[Bucket]| urgent(backlog, &window(), &tick, NOW);
        assert_eq!(waits(&[stop_in(110, 100), stop_in(150, 400)]), Reach::NOBODY);
        // One too many for the ten seconds of the tick before their hard stop: all of that second go now.
        let many = [stop_in(110, 101), stop_in(190, 100)];
        assert_eq!(waits(&many), Reach { fresh: many[0].to, tried: many[0].to });
        // Those before are counted: the second hundred fits by itself, but not after the first.
        let two = [stop_in(110, 100), stop_in(115, 100), stop_in(180, 10)];
        assert_eq!(waits(&two).fresh, two[1].to);
        assert_eq!(waits(&[stop_in(99, 1), stop_in(150, 1)]).fresh, stop_in(99, 1).to);
    }

    #[test]
    fn whoever_can_wait_for_a_faster_piece_does() {
        // Twenty-two at the slower rate, and thirty at the faster one.
        let late =
            |people| foretell(&[stop_in(25, people)], &Capacity::per_second(10.0).no_faster_until(1.0, after(22)));
        assert_eq!((late(52).will_miss, late(53).will_miss, late(53).first_miss), (0, 1, Some(after(25))));
    }

    proptest! {
        /// Against a second-by-second simulation of a page that sends to the most urgent whose stop lies ahead.
        #[test]
        fn it_agrees_with_a_simulation(
            people in proptest::collection::vec((1_u64..60, 0_u64..40), 1..12),
            rate in 1_u64..20,
            held in 0_u64..30,
            (slower, slow_until) in (0_u64..20, 0_u64..60),
        ) {
            let backlog = in_order(people.iter().map(|(stop, people)| stop_in(*stop, *people)).collect());
            let mut queue: Vec<u64> = people.iter().flat_map(|(stop, n)| std::iter::repeat_n(*stop, usize::try_from(*n).unwrap())).collect();
            queue.sort_unstable();
            let total = queue.len();
            let (mut sent, mut second) = (0, held);
            while second < 60 {
                queue.retain(|stop| *stop > second);
                let rate = if second < slow_until { rate.min(slower) } else { rate };
                let now = queue.len().min(usize::try_from(rate).unwrap());
                queue.drain(..now);
                sent += now;
                second += 1;
            }
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let (rate, slower) = (rate as f64, slower as f64);
            let capacity = Capacity::per_second(rate).no_faster_until(slower, after(slow_until)).not_before(after(held));
            let told = foretell(&backlog, &capacity);
            let missed = u64::try_from(total - sent).unwrap();
            prop_assert_eq!(told.waiting, u64::try_from(total).unwrap());
            prop_assert_eq!(told.will_miss, missed);
            prop_assert_eq!(told.will_miss == 0, told.first_miss.is_none());
        }
    }
}
