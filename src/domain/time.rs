//! Wall time as the store keeps it: UTC milliseconds since 1970.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// A moment, in milliseconds since 1970-01-01T00:00:00Z. Arithmetic saturates.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The first moment a stored time may have: 2020-01-01T00:00:00Z.
    pub const EARLIEST: Self = Self(1_577_836_800_000);
    /// The last moment a stored time may have: 2100-01-01T00:00:00Z.
    pub const LATEST: Self = Self(4_102_444_800_000);

    /// The moment `ms` milliseconds after 1970.
    #[must_use]
    pub const fn from_ms(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn ms(self) -> i64 {
        self.0
    }

    /// A number as the platform writes times: milliseconds, or seconds where it is too small for milliseconds.
    ///
    /// Webhook timestamps are documented in milliseconds, but seconds have been captured in the wild.
    /// Returns `None` for a time the store would refuse.
    #[must_use]
    pub fn from_platform(number: i64) -> Option<Self> {
        let ms = if number.unsigned_abs() < 1_000_000_000_000 { number.checked_mul(1000)? } else { number };
        Self(ms).if_storable()
    }

    /// This moment, if it lies within what the store accepts.
    #[must_use]
    pub fn if_storable(self) -> Option<Self> {
        (Self::EARLIEST..=Self::LATEST).contains(&self).then_some(self)
    }

    /// Reads RFC 3339, or an integer in seconds or milliseconds.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        match text.parse::<i64>() {
            Ok(number) => Self::from_platform(number),
            Err(_) => Self(DateTime::parse_from_rfc3339(text).ok()?.timestamp_millis()).if_storable(),
        }
    }

    /// The time from `earlier` to here, zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// This moment moved later.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    /// This moment moved earlier.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis(span)))
    }
}

/// Whole milliseconds of a span, saturating.
#[must_use]
pub fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::<Utc>::from_timestamp_millis(self.0) {
            Some(time) => f.write_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true)),
            None => write!(f, "{} ms", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_milliseconds_are_told_apart() {
        assert_eq!(Timestamp::from_platform(1_701_599_111), Some(Timestamp::from_ms(1_701_599_111_000)));
        assert_eq!(Timestamp::from_platform(1_458_692_752_478), None, "2016 is before anything we store");
        assert_eq!(Timestamp::from_platform(1_701_599_116_216), Some(Timestamp::from_ms(1_701_599_116_216)));
        assert_eq!(Timestamp::from_platform(i64::MIN), None);
        assert_eq!(Timestamp::from_platform(i64::MAX), None);
    }

    #[test]
    fn text_is_read_as_rfc3339_or_a_number() {
        let noon = Timestamp::from_ms(1_780_315_200_000);
        assert_eq!(Timestamp::parse("2026-06-01T12:00:00Z"), Some(noon));
        assert_eq!(Timestamp::parse("2026-06-01T14:00:00+02:00"), Some(noon));
        assert_eq!(Timestamp::parse(" 1780315200 "), Some(noon));
        assert_eq!(Timestamp::parse("yesterday"), None);
        assert_eq!(noon.to_string(), "2026-06-01T12:00:00.000Z");
    }
}
