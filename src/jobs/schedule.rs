//! When a job is due: a cron line in a time zone.
//!
//! Where clocks are put forward, a time that does not exist that day is the first one after the gap; where they are put
//! back, a time that comes twice is its first coming, but a line that repeats within the hour goes on through both.

use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, FixedOffset, Offset, TimeZone, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

use crate::domain::time::Timestamp;

/// How far back the latest tick is looked for, step by step; the last reaches over a leap year that is left out.
const BACK: [Duration; 6] = [
    Duration::from_secs(2),
    Duration::from_mins(2),
    Duration::from_hours(2),
    Duration::from_hours(2 * 24),
    Duration::from_hours(40 * 24),
    Duration::from_hours(8 * 366 * 24),
];
/// How many ticks are looked at to find the longest pause between two.
const LOOKED_AT: usize = 10_000;
/// Over how long.
const LOOK_AHEAD: Duration = Duration::from_hours(366 * 24);

/// A cron line in a time zone.
#[derive(Debug, Clone)]
pub struct Schedule {
    text: String,
    cron: Cron,
    zone: Tz,
    /// Whether it comes in every hour: then it follows the time that passes, whatever the clocks show.
    hourly: bool,
}

impl Schedule {
    pub(super) fn new(cron: &str, zone: Tz) -> Result<Self, String> {
        let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
        let parsed = parser.parse(cron).map_err(|error| error.to_string())?;
        let hour = cron.split_whitespace().rev().nth(3);
        let hourly = hour == Some("*") || cron.trim() == "@hourly";
        Ok(Self { text: cron.to_owned(), cron: parsed, zone, hourly })
    }

    pub(super) fn zone(name: &str) -> Option<Tz> {
        Tz::from_str(name).ok()
    }

    /// The cron line as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The zone's name.
    #[must_use]
    pub fn zone_name(&self) -> &'static str {
        self.zone.name()
    }

    /// The next tick after a moment; none where the line names a day that never comes.
    #[must_use]
    pub fn next_after(&self, moment: Timestamp) -> Option<Timestamp> {
        // Cron knows whole seconds.
        let second = DateTime::<Utc>::from_timestamp(moment.ms().div_euclid(1000), 0)?;
        let local = self.zone.from_utc_datetime(&second.naive_utc());
        if self.hourly
            && let Some(next) = self.within_the_hour(second)
        {
            return Some(Timestamp::from_ms(next.timestamp_millis()));
        }
        let next = self.cron.find_next_occurrence(&local, false).ok()?;
        Some(Timestamp::from_ms(next.timestamp_millis()))
    }

    /// The next tick of a line that comes in every hour. Croner leaves out the hour that comes twice, the second time,
    /// for such lines too; so it is asked with the clocks as they stand before a change, and as they stand after it.
    fn within_the_hour(&self, second: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let offset = |at: DateTime<Utc>| self.zone.offset_from_utc_datetime(&at.naive_utc()).fix();
        let next = |offset: FixedOffset| {
            let next = self.cron.find_next_occurrence(&second.with_timezone(&offset), false).ok()?;
            Some(next.with_timezone(&Utc))
        };
        let before = next(offset(second))?;
        let after = next(offset(before))?;
        (offset(after) == offset(before)).then_some(after)
    }

    /// The latest tick at or before a moment, told by [`next_after`](Self::next_after), so that the two never differ
    /// about a change of the clocks.
    #[must_use]
    pub fn last_until(&self, moment: Timestamp) -> Option<Timestamp> {
        BACK.iter().find_map(|back| self.ticks_after(moment.minus(*back)).take_while(|tick| *tick <= moment).last())
    }

    /// Every tick after a moment, in order.
    pub fn ticks_after(&self, moment: Timestamp) -> impl Iterator<Item = Timestamp> {
        std::iter::successors(self.next_after(moment), |tick| self.next_after(*tick))
    }

    /// The longest pause between two ticks in the year after a moment, and the tick it begins at.
    #[must_use]
    pub fn longest_pause(&self, from: Timestamp) -> Option<(Duration, Timestamp)> {
        let until = from.plus(LOOK_AHEAD);
        let mut ticks = self.ticks_after(from).take_while(|tick| *tick <= until).take(LOOKED_AT);
        let mut last = ticks.next()?;
        let mut longest = None;
        for tick in ticks {
            longest = longest.max(Some((tick.since(last), last)));
            last = tick;
        }
        // A single tick: the pause lasts for the year but for it.
        longest.or_else(|| Some((until.since(last).max(last.since(from)), last)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(cron: &str, zone: &str) -> Schedule {
        Schedule::new(cron, Schedule::zone(zone).unwrap()).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn ticks(schedule: &Schedule, from: &str, count: usize) -> Vec<String> {
        schedule.ticks_after(at(from)).take(count).map(|tick| tick.to_string().replace(":00.000Z", "Z")).collect()
    }

    #[test]
    fn ticks_follow_the_zone_through_a_change_of_the_clocks() {
        let evening = schedule("0 18 * * *", "Europe/Dublin");
        assert_eq!(ticks(&evening, "2027-03-27T12:00:00Z", 2), ["2027-03-27T18:00Z", "2027-03-28T17:00Z"]);
        assert_eq!(ticks(&evening, "2027-10-30T12:00:00Z", 2), ["2027-10-30T17:00Z", "2027-10-31T18:00Z"]);
        assert_eq!(evening.last_until(at("2027-03-28T17:00:00.500Z")), Some(at("2027-03-28T17:00:00Z")));
    }

    #[test]
    fn a_time_in_the_gap_is_moved_and_a_doubled_one_comes_once() {
        // On 2027-03-28 the clocks of Berlin go from 02:00 to 03:00, which is 01:00 UTC.
        let night = schedule("30 2 * * *", "Europe/Berlin");
        let spring = ticks(&night, "2027-03-27T00:00:00Z", 3);
        assert_eq!(spring, ["2027-03-27T01:30Z", "2027-03-28T01:00Z", "2027-03-29T00:30Z"]);
        // On 2027-10-31 they go from 03:00 back to 02:00: 02:30 is 00:30 UTC, and once more 01:30.
        let autumn = ticks(&night, "2027-10-30T00:00:00Z", 3);
        assert_eq!(autumn, ["2027-10-30T00:30Z", "2027-10-31T00:30Z", "2027-11-01T01:30Z"]);
        for moment in ["2027-10-31T00:31:00Z", "2027-10-31T01:31:00Z", "2027-10-31T23:00:00Z"] {
            assert_eq!(night.last_until(at(moment)), Some(at("2027-10-31T00:30:00Z")), "{moment}");
            assert_eq!(night.next_after(at(moment)), Some(at("2027-11-01T01:30:00Z")), "{moment}");
        }
    }

    #[test]
    fn a_line_that_repeats_within_the_hour_goes_on_through_both() {
        let often = schedule("*/30 * * * *", "Europe/Berlin");
        for day in ["2027-03-28", "2027-10-31"] {
            let expected = ["00:30", "01:00", "01:30", "02:00", "02:30"].map(|time| format!("{day}T{time}Z"));
            assert_eq!(ticks(&often, &format!("{day}T00:00:00Z"), 5), expected);
        }
        assert_eq!(often.longest_pause(at("2027-01-01T00:00:00Z")).unwrap().0, Duration::from_mins(30));
    }

    #[test]
    fn six_fields_count_seconds_and_the_latest_tick_is_found_however_old() {
        assert_eq!(
            schedule("*/10 * * * * *", "UTC").next_after(at("2027-01-01T00:00:05Z")),
            Some(at("2027-01-01T00:00:10Z"))
        );
        let leap = schedule("0 0 29 2 *", "UTC");
        assert_eq!(leap.last_until(at("2027-06-01T00:00:00Z")), Some(at("2024-02-29T00:00:00Z")));
        assert_eq!(leap.next_after(at("2027-06-01T00:00:00Z")), Some(at("2028-02-29T00:00:00Z")));
        assert_eq!(schedule("0 0 30 2 *", "UTC").next_after(at("2027-06-01T00:00:00Z")), None);
    }

    #[test]
    fn the_longest_pause_is_the_night_or_the_weekend() {
        let from = at("2027-01-01T00:00:00Z");
        let hours = |cron| schedule(cron, "UTC").longest_pause(from).unwrap().0.as_secs() / 3600;
        assert_eq!(hours("0 9-18 * * *"), 15);
        assert_eq!(hours("0 9-18 * * MON-FRI"), 63);
        assert_eq!(hours("0 0 1 1 *"), 365 * 24);
    }

    #[test]
    fn what_is_no_cron_line_is_refused() {
        for text in ["", "every day", "* * * *", "61 * * * *", "* * * * * * *"] {
            assert!(Schedule::new(text, Tz::UTC).is_err(), "{text}");
        }
    }
}
