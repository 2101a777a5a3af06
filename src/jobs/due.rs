//! Which ticks of a job are due: decided from its schedule and what is known of its ticks, and nothing else.

use std::time::Duration;

use super::spec::{CatchUp, Spec};
use crate::domain::time::Timestamp;
use crate::store::ticks::History;

/// How far back missed ticks are looked for.
pub(super) const LOOK_BACK: Duration = Duration::from_hours(7 * 24);
/// The most ticks of one job that are caught up at once.
const MOST_TICKS: usize = 100;
/// How late a tick may be found where missed ones are skipped: it was due while somebody looked, or a node started.
const ON_TIME: Duration = Duration::from_mins(1);

/// The ticks that are due and that nobody ran, oldest first.
pub(super) fn due(spec: &Spec, history: &History, now: Timestamp) -> Vec<Timestamp> {
    let begin = history.last.unwrap_or(history.since).max(now.minus(LOOK_BACK));
    let latest = || spec.schedule.last_until(now).filter(|tick| *tick > begin);
    let fresh: Vec<Timestamp> = match spec.catch_up {
        CatchUp::All => spec.schedule.ticks_after(begin).take_while(|tick| *tick <= now).take(MOST_TICKS).collect(),
        CatchUp::Latest => latest().into_iter().collect(),
        CatchUp::Skip => latest().filter(|tick| now.since(*tick) <= ON_TIME).into_iter().collect(),
    };
    let mut ticks: Vec<Timestamp> =
        history.left.iter().copied().filter(|tick| taken_over(spec, history, *tick, now)).collect();
    if spec.catch_up != CatchUp::All && !fresh.is_empty() {
        // The later one does what the earlier would have done.
        ticks.clear();
    }
    ticks.extend(fresh);
    ticks
}

/// Whether a tick that somebody left behind is worth taking over.
fn taken_over(spec: &Spec, history: &History, tick: Timestamp, now: Timestamp) -> bool {
    match spec.catch_up {
        CatchUp::All => true,
        CatchUp::Latest => history.last == Some(tick),
        // It would be running still, if its node had lived.
        CatchUp::Skip => history.last == Some(tick) && now < tick.plus(spec.timeout),
    }
}

#[cfg(test)]
mod tests {
    use super::super::file::parse;
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(&format!("2027-01-{text}:00Z")).unwrap()
    }

    fn hourly(catch_up: &str) -> Spec {
        let text = format!("name = \"x\"\ntask = \"purge\"\nschedule = \"0 * * * *\"\ncatch_up = \"{catch_up}\"");
        parse([("x.toml".to_owned(), text)]).unwrap().remove(0)
    }

    fn after(last: &str) -> History {
        History { since: at("01T00:00"), last: Some(at(last)), left: Vec::new() }
    }

    #[test]
    fn a_job_without_a_history_begins_when_it_is_first_known() {
        let history = History { since: at("01T10:30"), last: None, left: Vec::new() };
        for catch_up in ["skip", "latest", "all"] {
            assert_eq!(due(&hourly(catch_up), &history, at("01T10:59")), []);
            assert_eq!(due(&hourly(catch_up), &history, at("01T11:00")), [at("01T11:00")]);
        }
    }

    #[test]
    fn what_was_missed_is_caught_up_as_the_file_says() {
        let now = at("01T14:30");
        assert_eq!(due(&hourly("skip"), &after("01T10:00"), now), []);
        assert_eq!(due(&hourly("latest"), &after("01T10:00"), now), [at("01T14:00")]);
        let all = ["01T11:00", "01T12:00", "01T13:00", "01T14:00"].map(at);
        assert_eq!(due(&hourly("all"), &after("01T10:00"), now), all);
        for catch_up in ["skip", "latest", "all"] {
            assert_eq!(due(&hourly(catch_up), &after("01T14:00"), now), []);
        }
    }

    #[test]
    fn nobody_looks_further_back_than_a_week() {
        let ticks = due(&hourly("all"), &after("01T10:00"), at("20T10:30"));
        assert_eq!((ticks[0], ticks.len()), (at("13T11:00"), MOST_TICKS));
    }

    #[test]
    fn what_was_left_behind_is_taken_over_unless_a_later_tick_does_it() {
        let left = |last, left: &[&str]| History { left: left.iter().map(|tick| at(tick)).collect(), ..after(last) };
        let newest = left("01T14:00", &["01T12:00", "01T14:00"]);
        assert_eq!(due(&hourly("all"), &newest, at("01T14:02")), [at("01T12:00"), at("01T14:00")]);
        assert_eq!(due(&hourly("latest"), &newest, at("01T14:02")), [at("01T14:00")]);
        assert_eq!(due(&hourly("skip"), &newest, at("01T14:02")), [at("01T14:00")]);
        assert_eq!(due(&hourly("skip"), &newest, at("01T14:05")), [], "its time is over");
        assert_eq!(due(&hourly("latest"), &newest, at("01T15:00")), [at("01T15:00")]);
        assert_eq!(due(&hourly("latest"), &left("01T14:00", &["01T12:00"]), at("01T14:02")), []);
    }
}
