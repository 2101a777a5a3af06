//! The breaker: failures that look like a person's fault, and are everybody's.
//!
//! A failure counts in a *run*: failures of one sort, of different people, with no acceptance of the page between them.
//! A run that gets long enough holds the page, and whoever it had ended goes back to waiting. A held page is probed: one
//! ordinary claim, the most urgent person's, finds out whether it can send again, and each failure doubles the pause.

use std::time::Duration;

use super::outcome::{Ending, Outcome};

/// How many people in a row meet the same person-level error before it is not theirs.
const PEOPLE: i64 = 5;
/// How many people in a row may be in doubt, or told that their window is over.
const FEW: i64 = 3;

/// The first pause of a held page, and the longest; each one in a row doubles.
const PAUSE: (Duration, Duration) = (Duration::from_mins(1), Duration::from_mins(15));
/// The same where the platform itself stopped the page: asking often would make it worse.
const STOPPED: (Duration, Duration) = (Duration::from_mins(30), Duration::from_hours(4));
/// (code, subcode) by which the platform says that it stopped the page or its app: blocked for abuse (368), removed for
/// a violation (2022), blocked from messaging (10/1893063). Source: the Messenger Platform's page of error codes.
const STOPS: [(i64, Option<i64>); 3] = [(368, None), (2022, None), (10, Some(1_893_063))];

/// A failure that counts in a run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failure {
    /// Failures of one sort make a run.
    pub sort: String,
    /// How long a run of it holds the page.
    pub limit: i64,
}

impl Failure {
    /// What an attempt's end counts as; `None` for whatever says nothing about the page, or holds it by itself.
    #[must_use]
    pub fn of(ending: &Ending) -> Option<Self> {
        let limit = match ending.outcome {
            Outcome::PersonUnavailable(_) => PEOPLE,
            Outcome::Uncertain(_) | Outcome::WindowClosed => FEW,
            _ => return None,
        };
        let word = ending.outcome.as_str();
        Some(Self { sort: sort(word, ending.code, ending.subcode), limit })
    }
}

/// The sort of a failure, from the words an attempt is kept with. Doubt is doubt, whatever its cause.
#[must_use]
pub fn sort(outcome: &str, code: Option<i64>, subcode: Option<i64>) -> String {
    match (outcome, code, subcode) {
        ("uncertain", ..) | (_, None, _) => outcome.to_owned(),
        (_, Some(code), None) => format!("{outcome} {code}"),
        (_, Some(code), Some(subcode)) => format!("{outcome} {code}/{subcode}"),
    }
}

/// How long a page pauses that was held `before` times in a row.
#[must_use]
pub fn pause(ending: Option<&Ending>, before: i64) -> Duration {
    let code = ending.and_then(|ending| ending.code);
    let subcode = ending.and_then(|ending| ending.subcode);
    let stopped = STOPS.iter().any(|(c, s)| code == Some(*c) && (s.is_none() || *s == subcode));
    let (first, longest) = if stopped { STOPPED } else { PAUSE };
    let doublings = u32::try_from(before.clamp(0, 8)).unwrap_or(0);
    first.saturating_mul(1 << doublings).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::optin::Reason;

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
