//! What silence is worth: whether no echo of a message means that it was not delivered.
//!
//! An attempt whose end is unknown left a message or left none. If it left one, the platform may echo it, and the echo
//! bears our token. Where every other message is echoed in time and everything the platform says is heard, a message
//! that is not echoed was not delivered. [`against`] holds the measure of a page to that, strictly: whatever is not
//! known to be so is held. Echoes may never come for `login_id`s; then nothing is ever sent again on silence.

use std::fmt;
use std::time::Duration;

use super::policy::Policy;
use super::time::Timestamp;

/// How old the oldest message of the sample may be.
pub const SAMPLE_AGE: Duration = Duration::from_hours(7 * 24);
/// How many messages that were accepted after the end of the doubt's lease must have been echoed.
pub const SINCE: u64 = 3;

/// What is known of a page's echoes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Echoes {
    /// How many of the latest accepted messages, without a gap, were echoed in time and matched by our token alone;
    /// counted up to the sample's size.
    pub echoed: u64,
    /// When the oldest of them was accepted.
    pub oldest: Option<Timestamp>,
    /// When the latest message was accepted that was not echoed in time.
    pub unechoed_at: Option<Timestamp>,
    /// Since when silence counts for nothing here, because a second message was proved.
    pub refuted_at: Option<Timestamp>,
}

/// What happened around one attempt of unknown end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Around {
    /// When the attempt was claimed, and until when its echo is waited for.
    pub from: Timestamp,
    /// See `from`.
    pub to: Timestamp,
    /// Messages accepted after the end of its lease and matched by our token, counted up to [`SINCE`].
    pub since: u64,
    /// The times in which nodes took in whatever the platform sent, as far as they touch that span.
    pub intake: Vec<Span>,
    /// Events of the page, or of no page, that could not be understood since the claim.
    pub unparsed: u64,
}

/// An unbroken time of one node's intake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The node.
    pub node: String,
    /// When it began: a start, or the end of an outage.
    pub since: Timestamp,
    /// Until when it is known to have lasted.
    pub until: Timestamp,
}

/// A condition that does not hold, with its figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Against {
    /// A second message was proved here.
    Refuted(Timestamp),
    /// Too few messages in a row were echoed.
    NotEchoed {
        /// How many were.
        echoed: u64,
        /// How many must be.
        sample: u32,
        /// When the one before them was accepted, if there is one.
        unechoed_at: Option<Timestamp>,
    },
    /// The sample reaches too far back.
    TooOld(Timestamp),
    /// Too few messages were accepted and echoed after the doubt.
    TooFewSince(u64),
    /// Nobody noted whether the intake was up.
    IntakeUnknown,
    /// A node's intake was not up all the time, or answered 503.
    IntakeBroken(Span),
    /// Something was not understood: it may have been the echo.
    Unparsed(u64),
}

/// The conditions about the page that do not hold.
#[must_use]
pub fn against(page: &Echoes, policy: &Policy, now: Timestamp) -> Vec<Against> {
    let mut found: Vec<Against> = page.refuted_at.map(Against::Refuted).into_iter().collect();
    if page.echoed < u64::from(policy.evidence_sample) {
        let (echoed, sample) = (page.echoed, policy.evidence_sample);
        found.push(Against::NotEchoed { echoed, sample, unechoed_at: page.unechoed_at });
    }
    found.extend(page.oldest.filter(|oldest| oldest.plus(SAMPLE_AGE) < now).map(Against::TooOld));
    found
}

/// The conditions about one attempt that do not hold.
#[must_use]
pub fn against_one(around: &Around) -> Vec<Against> {
    let mut found = Vec::new();
    if around.since < SINCE {
        found.push(Against::TooFewSince(around.since));
    }
    if around.intake.is_empty() {
        found.push(Against::IntakeUnknown);
    }
    let broken = around.intake.iter().filter(|span| span.since > around.from || span.until < around.to);
    found.extend(broken.cloned().map(Against::IntakeBroken));
    if around.unparsed > 0 {
        found.push(Against::Unparsed(around.unparsed));
    }
    found
}

impl fmt::Display for Against {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refuted(at) => write!(f, "a second message was proved here at {at}: silence counts for nothing"),
            Self::NotEchoed { echoed, sample, unechoed_at } => {
                write!(f, "{echoed} of {sample} accepted messages in a row were echoed and matched by our token")?;
                match unechoed_at {
                    Some(at) => write!(f, "; the one accepted at {at} was not"),
                    None => Ok(()),
                }
            }
            Self::TooOld(at) => write!(f, "the oldest of the messages that were echoed is of {at}, over 7 days old"),
            Self::TooFewSince(count) => {
                write!(f, "{count} of {SINCE} messages accepted since the doubt's lease ended were echoed")
            }
            Self::IntakeUnknown => f.write_str("whether webhooks were taken in meanwhile is not known"),
            Self::IntakeBroken(Span { node, since, until }) => {
                write!(f, "the intake of node {node} is known to have been up only from {since} to {until}")
            }
            Self::Unparsed(count) => write!(f, "{count} events since then could not be understood"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_790_000_000_000);

    fn minutes(count: u64) -> Timestamp {
        NOW.plus(Duration::from_mins(count))
    }

    fn good() -> (Echoes, Around) {
        let page = Echoes { echoed: 300, oldest: Some(NOW.minus(SAMPLE_AGE)), ..Echoes::default() };
        let span = Span { node: "a".into(), since: minutes(0), until: minutes(10) };
        (page, Around { from: minutes(0), to: minutes(10), since: SINCE, intake: vec![span], unparsed: 0 })
    }

    fn told(page: &Echoes, around: &Around) -> Vec<String> {
        let all = against(page, &Policy::default(), NOW).into_iter().chain(against_one(around));
        all.map(|one| one.to_string()).collect()
    }

    #[test]
    fn everything_at_its_bound_is_enough() {
        let (page, around) = good();
        assert_eq!(told(&page, &around), Vec::<String>::new());
    }

    #[test]
    fn each_condition_fails_by_itself_and_tells_its_figures() {
        let (page, around) = good();
        let only = |page: Echoes, around: Around, part: &str| {
            let told = told(&page, &around);
            assert!(told.len() == 1 && told[0].contains(part), "{part}: {told:?}");
        };
        only(Echoes { echoed: 212, ..page }, around.clone(), "212 of 300");
        only(Echoes { echoed: 0, unechoed_at: Some(NOW), ..page }, around.clone(), "was not");
        only(
            Echoes { oldest: Some(NOW.minus(SAMPLE_AGE + Duration::from_millis(1))), ..page },
            around.clone(),
            "7 days",
        );
        only(Echoes { refuted_at: Some(NOW), ..page }, around.clone(), "second message");
        only(page, Around { since: 2, ..around.clone() }, "2 of 3");
        only(page, Around { intake: vec![], ..around.clone() }, "not known");
        only(page, Around { unparsed: 1, ..around.clone() }, "1 events");
        for (since, until) in [(minutes(1), minutes(10)), (minutes(0), minutes(9))] {
            let broken = Span { node: "b".into(), since, until };
            let intake = vec![around.intake[0].clone(), broken];
            only(page, Around { intake, ..around.clone() }, "node b");
        }
    }
}
