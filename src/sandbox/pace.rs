//! Counting within any sliding second, which is how a rate is promised and how it is proved.

use std::collections::VecDeque;
use std::time::Duration;

const SECOND: u64 = 1_000_000;

/// Events of the last second, and the most that one second ever held.
#[derive(Default)]
pub(super) struct SlidingSecond {
    // Microseconds; the newest at the back.
    marks: VecDeque<u64>,
    peak: usize,
}

impl SlidingSecond {
    /// Events within the second that ends at `now`.
    pub(super) fn count(&mut self, now: Duration) -> usize {
        let now = micros(now);
        while self.marks.front().is_some_and(|mark| mark.saturating_add(SECOND) <= now) {
            self.marks.pop_front();
        }
        self.marks.len()
    }

    /// Adds an event at `now`, which must not be earlier than the last one.
    pub(super) fn mark(&mut self, now: Duration) {
        self.count(now);
        self.marks.push_back(micros(now));
        self.peak = self.peak.max(self.marks.len());
    }

    /// The most events within any second.
    pub(super) fn peak(&self) -> u64 {
        u64::try_from(self.peak).unwrap_or(u64::MAX)
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_of_any_second_not_of_whole_ones() {
        let mut second = SlidingSecond::default();
        for ms in [0, 600, 900, 1_100, 1_500, 1_899, 5_000] {
            second.mark(Duration::from_millis(ms));
        }
        // 900, 1100, 1500, 1899 lie within one second, though never within one second of the clock.
        assert_eq!(second.peak(), 4);
        assert_eq!(second.count(Duration::from_millis(5_999)), 1);
        assert_eq!(second.count(Duration::from_secs(6)), 0);
    }
}
