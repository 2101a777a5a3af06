//! What a page may send now, and from when on it may send more: the one rule the claim, the forecast and batches go by.
//!
//! The platform also caps what a page sends in a rolling day, at 200 calls for each person it can reach. That number it
//! tells nobody: what is left of the cap is known only as the percentage in the headers of its answers (Graph API, "Rate
//! limits"). So nobody configures a cap of a day, and heeding the percentage is heeding the cap: slower from 80 %, and
//! paused when it is used up.

use std::time::Duration;

use serde::Serialize;

use super::budget::{Budget, SLOWER_FROM};
use super::capacity::Capacity;
use super::time::Timestamp;

/// A word nobody repeated for this long is believed no more: the platform counts over a rolling hour.
const BELIEVED: Duration = Duration::from_mins(30);
/// A word that slows a page and is so old may be repeated.
const STALE: Duration = Duration::from_mins(1);

/// How much of its allowance a page had used, by the platform's latest word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Used {
    /// In percent; may exceed 100.
    pub percent: u32,
    /// When the platform said so.
    pub at: Timestamp,
}

impl Used {
    /// Until when the word holds.
    #[must_use]
    pub fn believed_until(self) -> Timestamp {
        self.at.plus(BELIEVED)
    }

    /// The percentage that holds at a moment.
    #[must_use]
    pub fn percent(self, now: Timestamp) -> u32 {
        if now < self.believed_until() { self.percent } else { 0 }
    }

    /// What a page may claim at a moment, of what is configured for it.
    #[must_use]
    pub fn budget(self, configured: Budget, now: Timestamp) -> Budget {
        configured.slowed(self.percent(now))
    }

    /// The same looked at from a moment on: as long as the word holds the slower rate, and the configured one after it.
    #[must_use]
    pub fn capacity(self, configured: Budget, now: Timestamp) -> Capacity {
        let slower = self.budget(configured, now).rate();
        Capacity::per_second(configured.rate()).no_faster_until(slower, self.believed_until())
    }

    /// Whether this word is news after an older one: it changes how fast the page may send, or for how long.
    #[must_use]
    pub fn is_news(self, known: Self, now: Timestamp) -> bool {
        let heeded = |used: Self| used.percent(now).max(SLOWER_FROM - 1);
        let repeated = heeded(self) >= SLOWER_FROM && self.at >= known.at.plus(STALE);
        heeded(self) != heeded(known) || repeated
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_ms(1_790_000_000_000);

    /// How many are claimed between two moments by somebody who asks whenever the budget says it is worth it.
    fn claimed(used: Used, configured: Budget, until: Timestamp) -> u64 {
        let (mut now, mut arrival, mut claimed) = (NOW, 0, 0);
        while now < until {
            let budget = used.budget(configured, now);
            let grant = budget.take(arrival, now, 1_000_000);
            arrival = grant.arrival_us;
            claimed += u64::try_from(grant.count).unwrap();
            let next = budget.next_at(arrival, now).max(now.plus(Duration::from_millis(1)));
            now = if now < used.believed_until() { next.min(used.believed_until()) } else { next };
        }
        claimed
    }

    proptest! {
        /// What is foreseen is what the claim does: while the word holds, after it, and over its end.
        #[test]
        fn a_page_can_send_what_its_claims_will_take(
            rate in 1.0_f64..50.0, percent in 0_u32..130, left in 0_u64..120, span in 1_u64..240,
        ) {
            let at = NOW.plus(Duration::from_secs(left)).minus(BELIEVED);
            let (used, configured) = (Used { percent, at }, Budget::per_second(rate));
            let until = NOW.plus(Duration::from_secs(span));
            let foreseen = used.capacity(configured, NOW).people(NOW, until);
            // One on its way at each of the two rates, and what whole milliseconds cost.
            let hair = 3 + foreseen / 20;
            let claimed = claimed(used, configured, until);
            prop_assert!(claimed.abs_diff(foreseen) <= hair, "claimed {claimed}, foreseen {foreseen}");
        }
    }

    #[test]
    fn a_word_holds_for_half_an_hour() {
        let (used, configured) = (Used { percent: 90, at: NOW }, Budget::per_second(5.0));
        let after = |minutes| NOW.plus(Duration::from_mins(minutes));
        assert_eq!([0, 29, 30, 90].map(|minutes| used.percent(after(minutes))), [90, 90, 0, 0]);
        assert_eq!([29, 30].map(|minutes| used.budget(configured, after(minutes)).interval_us), [400_000, 200_000]);
        let capacity = used.capacity(configured, NOW);
        assert_eq!([(0, 30), (30, 60)].map(|(from, to)| capacity.people(after(from), after(to))), [4_500, 9_000]);
        assert_eq!(Used::default().budget(configured, NOW), configured);
    }

    #[test]
    fn only_a_word_that_matters_is_news() {
        let (mut known, mut news) = (Used::default(), Vec::new());
        for (second, percent) in [(0, 10), (1, 60), (2, 81), (3, 81), (62, 81), (63, 95), (64, 20), (65, 10)] {
            let now = NOW.plus(Duration::from_secs(second));
            let used = Used { percent, at: now };
            news.push(used.is_news(known, now));
            if used.is_news(known, now) {
                known = used;
            }
        }
        assert_eq!(news, [false, false, true, false, true, true, true, false]);
    }
}
