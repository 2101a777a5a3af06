//! When to try again: one pure function, never past the hard stop.

use std::time::Duration;

use super::time::{Timestamp, millis};

/// Exponential backoff with jitter; the words are those of the `backoff` crate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retry {
    /// The pause after the first failure.
    pub initial_interval: Duration,
    /// What each further pause is multiplied by.
    pub multiplier: f64,
    /// Each pause is drawn from `interval x (1 - f) ..= interval x (1 + f)`.
    pub randomization_factor: f64,
    /// The longest pause before jitter.
    pub max_interval: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            initial_interval: Duration::from_secs(5),
            multiplier: 2.0,
            randomization_factor: 0.5,
            max_interval: Duration::from_mins(15),
        }
    }
}

/// What to do after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Try again then.
    At(Timestamp),
    /// No further try fits before the hard stop.
    GiveUp,
}

impl Retry {
    /// The shortest pause worth making: a try sooner than this after a failure would be hammering.
    const SHORTEST: Duration = Duration::from_millis(200);

    /// When the try after attempt number `attempt` (counted from 1) should start.
    ///
    /// `hint` is the earliest time the platform allows. As the hard stop nears, pauses are compressed to half of what
    /// is left, so that one more try fits while there is room for one.
    #[must_use]
    pub fn next(
        &self,
        attempt: i64,
        now: Timestamp,
        hard_stop: Timestamp,
        hint: Option<Timestamp>,
        random: u64,
    ) -> Next {
        let left = hard_stop.since(now);
        if left <= Self::SHORTEST {
            return Next::GiveUp;
        }
        let pause = self.pause(attempt, random).min(left / 2).max(Self::SHORTEST);
        let at = now.plus(pause).max(hint.unwrap_or(now));
        if at < hard_stop { Next::At(at) } else { Next::GiveUp }
    }

    fn pause(&self, attempt: i64, random: u64) -> Duration {
        let doublings = i32::try_from(attempt.clamp(1, 64) - 1).unwrap_or(63);
        let initial = millis(self.initial_interval);
        let longest = millis(self.max_interval);
        #[expect(clippy::cast_precision_loss, reason = "intervals are far below 2^52 ms")]
        let interval = (initial as f64 * self.multiplier.powi(doublings)).min(longest as f64);
        #[expect(clippy::cast_precision_loss, reason = "a random fraction needs no more than 53 bits")]
        let fraction = (random >> 11) as f64 / (1_u64 << 53) as f64;
        let jittered = interval * (1.0 + self.randomization_factor * (2.0 * fraction - 1.0));
        Duration::try_from_secs_f64(jittered / 1000.0).unwrap_or(self.max_interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_ms(1_780_000_000_000);

    proptest! {
        #[test]
        fn never_past_the_hard_stop(attempt in 0_i64..1000, left in 0_u64..90_000_000, hint in proptest::option::of(0_u64..90_000_000), random: u64) {
            let stop = NOW.plus(Duration::from_millis(left));
            let hint = hint.map(|ms| NOW.plus(Duration::from_millis(ms)));
            match Retry::default().next(attempt, NOW, stop, hint, random) {
                Next::At(at) => {
                    prop_assert!(at < stop && at >= NOW.plus(Retry::SHORTEST));
                    prop_assert!(hint.is_none_or(|hint| at >= hint));
                }
                Next::GiveUp => prop_assert!(left <= 200 || hint.is_some_and(|hint| hint >= stop)),
            }
        }

        #[test]
        fn jitter_stays_in_its_band(attempt in 1_i64..40, random: u64) {
            let stop = NOW.plus(Duration::from_hours(1000));
            let interval = (5000 * 2_i64.saturating_pow(u32::try_from(attempt - 1).unwrap())).min(900_000);
            let Next::At(at) = Retry::default().next(attempt, NOW, stop, None, random) else { panic!("room enough") };
            let pause = at.ms() - NOW.ms();
            prop_assert!((interval / 2..=interval * 3 / 2).contains(&pause), "{pause} of {interval}");
        }
    }

    #[test]
    fn tries_are_compressed_as_the_stop_nears() {
        let stop = NOW.plus(Duration::from_mins(1));
        let (mut now, mut tries) = (NOW, 0);
        while let Next::At(at) = Retry::default().next(20, now, stop, None, u64::MAX / 2) {
            (now, tries) = (at, tries + 1);
        }
        assert!(tries >= 8, "{tries} tries in the last minute");
        assert!(stop.since(now) <= Duration::from_secs(1), "the last one is close to the stop: {now:?}");
    }
}
