//! The breaker: failures that look like a person's fault, and are everybody's.
//!
//! A failure counts in a *run*: failures of one sort, of different people, with no acceptance of the page between them.
//! A run that gets long enough holds the page, and whoever it had ended goes back to waiting. A held page is probed: one
//! ordinary claim, of the most urgent person who was not tried yet, finds out whether it can send again, and each
//! failure doubles the pause.

use std::time::Duration;

use super::outcome::{Ending, Outcome};
use super::time::Timestamp;

/// How many people in a row meet the same person-level error before it is not theirs.
const PEOPLE: i64 = 5;
/// How many people in a row may be in doubt, or told that their window is over, or refused as invalid (code 100).
const FEW: i64 = 3;
/// How many people in a row may meet a failure that says it is temporary. They lose nothing by it, but the platform
/// is away: with the page held they wait in the order of their urgency, and one asks for all.
const AWAY: i64 = 10;

/// The first pause of a held page, and the longest; each one in a row doubles.
const PAUSE: (Duration, Duration) = (Duration::from_mins(1), Duration::from_mins(15));
/// The same where the platform itself stopped the page: asking often would make it worse.
const STOPPED: (Duration, Duration) = (Duration::from_mins(30), Duration::from_hours(4));
/// The same where the platform is away: it may be a blink.
const BLINK: (Duration, Duration) = (Duration::from_secs(5), Duration::from_mins(15));
/// (code, subcode) by which the platform says that it stopped the page or its app: blocked for abuse (368), removed for
/// a violation (2022), blocked from messaging (10/1893063). Source: the Messenger Platform's page of error codes.
const STOPS: [(i64, Option<i64>); 3] = [(368, None), (2022, None), (10, Some(1_893_063))];
/// Subcodes of 100 that name a person. Any other 100 is an invalid request, which is ours for everybody.
const NAMES_A_PERSON: [i64; 2] = [33, 2_018_001];
/// However near a hard stop is, probes after the first keep this distance.
const NEAREST: Duration = Duration::from_secs(15);

/// A failure that counts in a run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failure {
    /// Failures of one sort make a run.
    pub sort: String,
    /// How long a run of it holds the page.
    pub limit: i64,
    /// Whether it is our message that everybody is refused for.
    pub content: bool,
}

impl Failure {
    /// What an attempt's end counts as; `None` for whatever says nothing about the page, or holds it by itself.
    #[must_use]
    pub fn of(ending: &Ending) -> Option<Self> {
        let subcode = ending.subcode.unwrap_or(0);
        let invalid = ending.code == Some(100) && !NAMES_A_PERSON.contains(&subcode);
        let (limit, content) = match ending.outcome {
            Outcome::PersonUnavailable(_) if invalid => (FEW, true),
            Outcome::PersonUnavailable(_) => (PEOPLE, false),
            Outcome::Uncertain(_) | Outcome::WindowClosed => (FEW, false),
            Outcome::Retry(_) => (AWAY, false),
            _ => return None,
        };
        let word = ending.outcome.as_str();
        Some(Self { sort: sort(word, ending.code, ending.subcode), limit, content })
    }

    /// What the page is held for, in a word for operators.
    #[must_use]
    pub fn hold(&self) -> String {
        if self.content { format!("content: {}", self.sort) } else { self.sort.clone() }
    }
}

/// The sort of a failure, from the words an attempt is kept with. Doubt is doubt, and away is away, whatever the cause.
#[must_use]
pub fn sort(outcome: &str, code: Option<i64>, subcode: Option<i64>) -> String {
    match (outcome, code, subcode) {
        ("uncertain" | "retry", ..) | (_, None, _) => outcome.to_owned(),
        (_, Some(code), None) => format!("{outcome} {code}"),
        (_, Some(code), Some(subcode)) => format!("{outcome} {code}/{subcode}"),
    }
}

/// How long a page pauses that was held `before` times in a row, for what.
#[must_use]
pub fn pause(ending: Option<&Ending>, before: i64) -> Duration {
    let code = ending.and_then(|ending| ending.code);
    let subcode = ending.and_then(|ending| ending.subcode);
    let stopped = STOPS.iter().any(|(c, s)| code == Some(*c) && (s.is_none() || *s == subcode));
    let away = ending.is_some_and(|ending| matches!(ending.outcome, Outcome::Retry(_)));
    let (first, longest) = match () {
        () if stopped => STOPPED,
        () if away => BLINK,
        () => PAUSE,
    };
    let doublings = u32::try_from(before.clamp(0, 10)).unwrap_or(0);
    first.saturating_mul(1 << doublings).min(longest)
}

/// When a held page is probed: as planned, but in time for whoever has the earliest hard stop. The first probe comes
/// before it however near it is; the later ones keep a distance, because after one hard stop there is the next.
#[must_use]
pub fn probe_at(last: Timestamp, planned: Timestamp, holds: i64, earliest: Option<Timestamp>) -> Timestamp {
    let Some(stop) = earliest.filter(|stop| *stop <= planned) else { return planned };
    let halfway = last.plus(stop.since(last) / 2);
    let nearest = if holds > 1 { last.plus(NEAREST) } else { last };
    halfway.max(nearest).min(planned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::optin::Reason;
    use crate::domain::outcome::Then;

    fn ending(outcome: Outcome, code: Option<i64>, subcode: Option<i64>) -> Ending {
        Ending { code, subcode, ..Ending::bare(outcome) }
    }

    #[test]
    fn only_what_may_be_everybodys_counts() {
        let person = ending(Outcome::PersonUnavailable(Reason::Unavailable), Some(551), Some(1_545_041));
        let failure = Failure::of(&person).unwrap();
        assert_eq!((failure.sort.as_str(), failure.limit), ("person_unavailable 551/1545041", 5));
        let reset = Failure::of(&ending(Outcome::Uncertain(Reason::Reset), None, None)).unwrap();
        let told = Failure::of(&ending(Outcome::Uncertain(Reason::ServerError), Some(1), Some(99))).unwrap();
        assert_eq!((&reset, reset.limit), (&told, 3));
        assert_eq!(Failure::of(&ending(Outcome::WindowClosed, Some(10), None)).unwrap().sort, "window_closed 10");
        for neutral in [Outcome::PageHold, Outcome::ContentHold, Outcome::Throttled { regain: None }] {
            assert_eq!(Failure::of(&ending(neutral, Some(1), None)), None);
        }
    }

    #[test]
    fn an_invalid_request_is_ours_and_a_name_nobody_knows_is_theirs() {
        let of = |subcode| {
            let unknown = Outcome::PersonUnavailable(Reason::UnknownId);
            let failure = Failure::of(&ending(unknown, Some(100), subcode)).unwrap();
            (failure.limit, failure.content)
        };
        assert_eq!((of(None), of(Some(2_018_164))), ((3, true), (3, true)));
        assert_eq!((of(Some(33)), of(Some(2_018_001))), ((5, false), (5, false)));
    }

    #[test]
    fn a_platform_that_is_away_may_be_back_in_a_moment() {
        let refused = ending(Outcome::Retry(Then::Again), None, None);
        let failure = Failure::of(&refused).unwrap();
        assert_eq!((failure.sort.as_str(), failure.limit), ("retry", 10));
        assert_eq!(Failure::of(&ending(Outcome::Retry(Then::Person), Some(2), None)).unwrap(), failure);
        let seconds: Vec<u64> = (0..9).map(|before| pause(Some(&refused), before).as_secs()).collect();
        assert_eq!(seconds, [5, 10, 20, 40, 80, 160, 320, 640, 900]);
    }

    #[test]
    fn a_probe_comes_before_the_earliest_hard_stop() {
        let (now, minutes) = (Timestamp::from_ms(1_780_000_000_000), Duration::from_mins);
        let planned = now.plus(minutes(15));
        let at = |holds, left| probe_at(now, planned, holds, Some(now.plus(left))).since(now);
        assert_eq!(probe_at(now, planned, 5, None), planned);
        assert_eq!(at(5, minutes(16)), minutes(15));
        assert_eq!(at(5, minutes(8)), minutes(4));
        assert_eq!((at(1, Duration::from_secs(4)), at(2, Duration::from_secs(4))), (Duration::from_secs(2), NEAREST));
        // Whoever is past it already draws nothing nearer than the distance.
        assert_eq!(probe_at(now, planned, 3, Some(now.minus(minutes(1)))).since(now), NEAREST);
    }

    #[test]
    fn pauses_double_up_to_a_quarter_of_an_hour() {
        let minutes: Vec<u64> = (0..7).map(|before| pause(None, before).as_secs() / 60).collect();
        assert_eq!(minutes, [1, 2, 4, 8, 15, 15, 15]);
        assert_eq!(pause(None, i64::MAX), Duration::from_mins(15));
    }

    #[test]
    fn a_page_the_platform_stopped_waits_longer() {
        let stopped = ending(Outcome::PageHold, Some(368), Some(4));
        assert_eq!(pause(Some(&stopped), 0), Duration::from_mins(30));
        assert_eq!(pause(Some(&stopped), 9), Duration::from_hours(4));
        let other = ending(Outcome::PageHold, Some(10), Some(1));
        assert_eq!(pause(Some(&other), 0), Duration::from_mins(1));
    }
}
