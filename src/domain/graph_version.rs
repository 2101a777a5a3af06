//! How long each version of the Graph API lives, as the platform's changelog says (read on 2026-09-28).
//!
//! A version ends about two years after the next one came. Calls to one that ended are served by the oldest that is
//! alive, as far as is known: nothing fails at once, but what is sent is understood by other rules than were tested.

use std::time::Duration;

use super::time::Timestamp;

/// How long before its end a version should be left.
pub const NOTICE: Duration = Duration::from_hours(24 * 90);

/// Versions, the newest first, and when each ends; `None` where no end is announced.
pub const TABLE: [(&str, Option<&str>); 7] = [
    ("v26.0", None),
    ("v25.0", Some("2028-07-29T00:00:00Z")),
    ("v24.0", Some("2028-02-18T00:00:00Z")),
    ("v23.0", Some("2027-10-08T00:00:00Z")),
    ("v22.0", Some("2027-05-20T00:00:00Z")),
    ("v21.0", Some("2027-01-21T00:00:00Z")),
    ("v20.0", Some("2026-09-24T00:00:00Z")),
];

/// What is known of a version's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It has no announced end, or one that is far.
    Alive(Option<Timestamp>),
    /// It ends soon.
    Ending(Timestamp),
    /// It is over; since when, if the table knows.
    Over(Option<Timestamp>),
    /// Newer than the table.
    Unknown,
}

/// How long a version will live.
#[must_use]
pub fn life(version: &str, now: Timestamp) -> Life {
    match TABLE.iter().find(|(known, _)| *known == version) {
        Some((_, None)) => Life::Alive(None),
        Some((_, Some(end))) => match Timestamp::parse(end) {
            Some(end) if end <= now => Life::Over(Some(end)),
            Some(end) if end.minus(NOTICE) <= now => Life::Ending(end),
            end => Life::Alive(end),
        },
        // Older than the oldest: over for longer.
        None if TABLE.last().is_some_and(|(oldest, _)| number(version) < number(oldest)) => Life::Over(None),
        None => Life::Unknown,
    }
}

/// `v25.0` as something that compares; nothing for what is no version.
fn number(version: &str) -> Option<(u32, u32)> {
    let (major, minor) = version.strip_prefix('v')?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_end_as_announced() {
        let at = |text| Timestamp::parse(text).unwrap();
        let end = at("2027-01-21T00:00:00Z");
        assert_eq!(life("v21.0", at("2026-10-01T00:00:00Z")), Life::Alive(Some(end)));
        assert_eq!(life("v21.0", at("2026-10-24T00:00:00Z")), Life::Ending(end));
        assert_eq!(life("v21.0", end), Life::Over(Some(end)));
        assert_eq!(life("v26.0", end), Life::Alive(None));
        assert_eq!(life("v3.1", end), Life::Over(None));
        assert_eq!(life("v27.0", end), Life::Unknown);
    }

    #[test]
    fn every_end_is_a_time() {
        for (version, end) in TABLE {
            assert!(number(version).is_some(), "{version}");
            assert!(end.is_none_or(|end| Timestamp::parse(end).is_some()), "{version}");
        }
        assert!(TABLE.is_sorted_by(|a, b| number(a.0) > number(b.0)));
    }
}
