//! Which times a source may claim. A wrong one would move a deadline.

use std::time::Duration;

use crate::domain::time::Timestamp;

/// How far a source's clock may be ahead of ours.
pub(super) const AHEAD: Duration = Duration::from_mins(5);
/// How old news may be. The platform gives up delivering after about 36 hours.
const STALE: Duration = Duration::from_hours(7 * 24);

/// Why a time is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    /// It lies in the future.
    Future,
    /// It lies too long ago.
    Stale,
}

/// The time, if a source can have meant it.
pub(super) fn believe(at: Timestamp, now: Timestamp) -> Result<Timestamp, Doubt> {
    match at {
        _ if at > now.plus(AHEAD) => Err(Doubt::Future),
        _ if at < now.minus(STALE) => Err(Doubt::Stale),
        _ => Ok(at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edges() {
        let now = Timestamp::from_ms(1_780_315_200_000);
        let ms = Duration::from_millis(1);
        assert_eq!(believe(now.plus(AHEAD), now), Ok(now.plus(AHEAD)));
        assert_eq!(believe(now.plus(AHEAD).plus(ms), now), Err(Doubt::Future));
        assert_eq!(believe(now.minus(STALE), now), Ok(now.minus(STALE)));
        assert_eq!(believe(now.minus(STALE).minus(ms), now), Err(Doubt::Stale));
    }
}
