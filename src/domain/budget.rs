//! How fast a page may send.
//!
//! One number a page says all: the *theoretical arrival time*, the moment the next request would be due if every
//! earlier one had kept its distance (the generic cell rate algorithm). It needs no refill task, survives a crash,
//! and is exact across nodes because the claim reads and writes it on the page's locked row.

use std::time::Duration;

use super::time::Timestamp;

/// How long a page waits that was told to slow down, at first and at the longest; each time in a row doubles.
const THROTTLED: (Duration, Duration) = (Duration::from_mins(1), Duration::from_mins(15));
/// Codes by which the app's limit, or its user's, is reached, not one page's: application (4), user (17), application
/// on behalf of a page (341). Source: Graph API, "Rate limits" and "Handle errors".
const WHOLE_APP: [i64; 3] = [4, 17, 341];
/// From this usage on, in percent, requests are spread further; at [`USED_UP`] they stop.
pub const SLOWER_FROM: u32 = 80;
/// The usage at which the platform begins to refuse.
pub const USED_UP: u32 = 100;

/// How long to wait after having been throttled: as long as the platform says, but no less than the backoff of having
/// been throttled `before` times in a row.
#[must_use]
pub fn throttled(regain: Duration, before: i64) -> Duration {
    let doublings = u32::try_from(before.clamp(0, 8)).unwrap_or(0);
    let backoff = THROTTLED.0.saturating_mul(1 << doublings).min(THROTTLED.1);
    backoff.max(regain)
}

/// Whether a throttling error speaks of the whole app.
#[must_use]
pub fn concerns_app(code: Option<i64>) -> bool {
    code.is_some_and(|code| WHOLE_APP.contains(&code))
}

/// How far claims may run ahead of the steady rate at most, in seconds: a claim that comes later than it could loses
/// nothing up to here. The rate pays for it, see [`Budget`]: with 4 % of itself.
const SLACK: f64 = 0.04;
/// A page of so many requests a second loses little by a late claim, and pays nothing; each one more adds to the slack.
const SLOW_PAGE: f64 = 5.0;
const SLACK_PER_RATE: f64 = 0.004;

/// A page's rate, as the two distances the algorithm needs, in microseconds.
///
/// Requests may run ahead by a slack, and their distance is widened by as much, so that no second sees more than the
/// rate: what may start within a second and the slack, one each distance, makes `rate` in any half-open second. What was
/// claimed ahead waits for its [turn](Budget::turn), so that on the wire requests keep their distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Microseconds between two requests at the steady rate.
    pub interval_us: i64,
    /// How far, in microseconds, requests may run ahead of the steady rate.
    pub slack_us: i64,
}

/// What a claim may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// How many requests may start now.
    pub count: i64,
    /// The theoretical arrival time to store if all of them start.
    pub arrival_us: i64,
}

impl Budget {
    /// The budget for a rate in requests a second. The rate must be positive.
    #[must_use]
    pub fn per_second(rate: f64) -> Self {
        let slack = (SLACK_PER_RATE * (rate - SLOW_PAGE)).clamp(0.0, SLACK);
        let interval = 1_000_000.0 * (1.0 + slack) / rate;
        #[expect(clippy::cast_possible_truncation, reason = "rates are checked to lie between 0.001 and 1,000,000")]
        Self { interval_us: (interval.ceil() as i64).max(1), slack_us: (1_000_000.0 * slack) as i64 }
    }

    /// The steady rate, in requests a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "an interval of microseconds, far below 2^52")]
        let interval = self.interval_us.max(1) as f64;
        1_000_000.0 / interval
    }

    /// The budget of a page whose allowance is used up to `percent`: slower from 80 %, down to a tenth at 98.
    #[must_use]
    pub(super) fn slowed(self, percent: u32) -> Self {
        if percent < SLOWER_FROM {
            return self;
        }
        let left = i64::from(USED_UP.saturating_sub(percent)).max(2);
        let span = i64::from(USED_UP - SLOWER_FROM);
        Self { interval_us: self.interval_us.saturating_mul(span) / left, ..self }
    }

    /// How many of `wanted` requests may start at `now`, given the stored arrival time.
    ///
    /// An arrival time further ahead than this budget can produce comes from a clock that was set back: it is
    /// taken as an empty budget, not as a reason to wait for the clock to catch up.
    #[must_use]
    pub fn take(&self, arrival_us: i64, now: Timestamp, wanted: i64) -> Grant {
        let now_us = now.ms().saturating_mul(1000);
        let arrival = arrival_us.clamp(now_us, now_us + self.slack_us + self.interval_us);
        let ahead = arrival - now_us;
        let room = if ahead > self.slack_us { 0 } else { (self.slack_us - ahead) / self.interval_us + 1 };
        let count = room.min(wanted).max(0);
        Grant { count, arrival_us: arrival + count * self.interval_us }
    }

    /// How long after `now` the turn of the `nth` of `count` requests comes, counted from 0, that were granted together
    /// and left the arrival time at `arrival_us`.
    #[must_use]
    pub fn turn(&self, arrival_us: i64, now: Timestamp, nth: usize, count: usize) -> Duration {
        let later = i64::try_from(count.saturating_sub(nth)).unwrap_or(i64::MAX).saturating_mul(self.interval_us);
        let ahead = arrival_us.saturating_sub(later).saturating_sub(now.ms().saturating_mul(1000));
        // No further than the slack: beyond it lies a clock that was set back.
        Duration::from_micros(u64::try_from(ahead.clamp(0, self.slack_us)).unwrap_or(0))
    }

    /// When the next request may start.
    #[must_use]
    pub fn next_at(&self, arrival_us: i64, now: Timestamp) -> Timestamp {
        let now_us = now.ms().saturating_mul(1000);
        let arrival = arrival_us.clamp(now_us, now_us + self.slack_us + self.interval_us);
        let due = (arrival - self.slack_us).max(now_us);
        Timestamp::from_ms((due + 999) / 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Claims as much as it can at random instants and returns the start times in microseconds.
    fn starts(rate: f64, gaps: &[u64]) -> Vec<i64> {
        let budget = Budget::per_second(rate);
        let (mut now, mut arrival, mut starts) = (1_780_000_000_000_i64, 0, Vec::new());
        for gap in gaps {
            now += i64::try_from(*gap).unwrap();
            let grant = budget.take(arrival, Timestamp::from_ms(now), 1_000_000);
            arrival = grant.arrival_us;
            starts.extend(std::iter::repeat_n(now * 1000, usize::try_from(grant.count).unwrap()));
        }
        starts
    }

    proptest! {
        #[test]
        fn no_sliding_second_exceeds_the_rate(rate in 1.0_f64..400.0, gaps in proptest::collection::vec(0_u64..400, 1..300)) {
            let starts = starts(rate, &gaps);
            for (i, first) in starts.iter().enumerate() {
                let within = starts.iter().skip(i).take_while(|t| **t < first + 1_000_000).count();
                #[expect(clippy::cast_precision_loss, reason = "small counts")]
                let within = within as f64;
                prop_assert!(within <= rate.ceil(), "{within} in a second at {rate}");
            }
        }
    }

    #[test]
    fn nearly_all_of_the_rate_is_used_though_claims_come_late() {
        for (rate, gap) in [1, 2, 10, 20, 100, 300].into_iter().flat_map(|rate: u32| [(rate, 1), (rate, 25)]) {
            let used = starts(f64::from(rate), &vec![gap; 60_000 / usize::try_from(gap).unwrap()]).len();
            assert!(used * 100 >= usize::try_from(rate).unwrap() * 60 * 95, "{used} of {} at {rate}", rate * 60);
        }
    }

    proptest! {
        #[test]
        fn whoever_waits_for_their_turn_keeps_the_distance(gaps in proptest::collection::vec(1_u64..60, 1..200)) {
            let budget = Budget::per_second(50.0);
            let (mut now, mut arrival, mut turns) = (1_780_000_000_000_i64, 0, Vec::new());
            for gap in gaps {
                now += i64::try_from(gap).unwrap();
                let at = Timestamp::from_ms(now);
                let grant = budget.take(arrival, at, 1_000);
                arrival = grant.arrival_us;
                let count = usize::try_from(grant.count).unwrap();
                let turn = |nth| now * 1000 + i64::try_from(budget.turn(arrival, at, nth, count).as_micros()).unwrap();
                turns.extend((0..count).map(turn));
            }
            for pair in turns.windows(2) {
                prop_assert!(pair[1] - pair[0] >= budget.interval_us, "{turns:?}");
            }
        }
    }

    #[test]
    fn a_page_near_its_allowance_goes_slower() {
        let budget = Budget::per_second(20.0);
        let interval = |percent| budget.slowed(percent).interval_us;
        assert_eq!([0, 79, 80, 90, 98, 100, 255].map(interval), [1, 1, 1, 2, 10, 10, 10].map(|n| n * 52_000));
    }

    #[test]
    fn whoever_is_throttled_again_waits_longer() {
        let minutes = |regain, before| throttled(Duration::from_mins(regain), before).as_secs() / 60;
        assert_eq!([0, 1, 2, 3, 4, 99].map(|before| minutes(0, before)), [1, 2, 4, 8, 15, 15]);
        assert_eq!((minutes(9, 0), minutes(9, 4), minutes(300, 4)), (9, 15, 300));
        assert!(concerns_app(Some(4)) && !concerns_app(Some(613)) && !concerns_app(None));
    }

    #[test]
    fn a_clock_set_back_costs_one_interval_not_hours() {
        let budget = Budget::per_second(20.0);
        let now = Timestamp::from_ms(1_780_000_000_000);
        let hour_ahead = (now.ms() + 3_600_000) * 1000;
        assert_eq!(budget.take(hour_ahead, now, 5).count, 0);
        assert!(budget.next_at(hour_ahead, now).ms() - now.ms() <= 53);
        assert_eq!(budget.turn(hour_ahead, now, 0, 1), Duration::from_millis(40));
    }
}
