//! A platform that is away, or browned out, for most of a day: what it costs, to the person.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use firstword::domain::ids::PageId;
use firstword::domain::time::Timestamp;

use crate::many::play_chosen;
use crate::play::Day;
use crate::raw::Stored;
use crate::scenario::{Mood, Scenario, Spell};
use crate::stage::START;
use crate::urgency::{opted_in, pages, possible};
use crate::world::Person;

const fn hours(hours: u64) -> Duration {
    Duration::from_hours(hours)
}

/// How many rows are in which state.
fn states(rows: &[Stored]) -> BTreeMap<&str, usize> {
    rows.iter().fold(BTreeMap::new(), |mut counts, row| {
        *counts.entry(row.state.as_str()).or_default() += 1;
        counts
    })
}

fn unbroken(day: &Day) {
    assert!(day.played.broken.is_none(), "{:?}\n{}", day.played.broken, day.played.tail.join("\n"));
}

/// When the message a person got left.
fn greeted_at(person: &Person) -> Option<Timestamp> {
    person.requests.iter().find(|request| request.accepted == Some(true)).map(|request| request.left_at)
}

/// Everybody of a page: their row, and when they were sent to.
fn fates<'a>(day: &'a Day, page: &PageId) -> Vec<(&'a Stored, Option<Timestamp>)> {
    let of = |row: &Stored| day.people.iter().find(|person| person.page == row.page && person.login == row.login);
    day.rows.iter().filter(|row| row.page == *page).map(|row| (row, of(row).and_then(greeted_at))).collect()
}

/// How often somebody was passed over: still in time when another, who opted in later, was sent to. Whoever was tried
/// in the outage waits for their retry, and is left out.
fn passed_over(scenario: &Scenario, fates: &[(&Stored, Option<Timestamp>)], back: Timestamp) -> usize {
    let window = scenario.window();
    let was = |(other, at): &(&Stored, Option<Timestamp>), row: &Stored, sent: Timestamp| {
        let waits = at.is_none_or(|at| at > sent) && other.attempts <= 1;
        waits && other.opted_in_at < row.opted_in_at && sent < window.hard_stop(other.opted_in_at)
    };
    let sent = fates.iter().filter_map(|(row, at)| Some((*row, (*at)?))).filter(|(_, at)| *at > back);
    sent.map(|(row, at)| fates.iter().filter(|other| was(other, row, at)).count()).sum()
}

/// Three pages and 20 hours of nothing; then everybody at once. On slow pages there are more people than the rate can
/// ever serve, and on quick ones the outage holds the page, which learns of the return by a probe.
#[test]
fn after_an_outage_of_twenty_hours_everybody_in_time_is_sent_in_order_of_urgency() {
    for (mood, seconds) in [(Mood::Says(503, 2, 0), 45.0), (Mood::Unreachable, 720.0)] {
        let away = Spell { from: hours(4), to: hours(24), mood };
        let scenario = Scenario::spell(450, 3, 1.0 / seconds, away.clone());
        let began = Instant::now();
        let day = play_chosen(scenario.clone());
        unbroken(&day);
        let back = START.plus(away.to);
        let (mut on_time, mut late, mut over, mut oracle, mut seer) = (0, 0, 0, 0, 0);
        for page in pages(&day.rows) {
            let fates = fates(&day, &page);
            let sent = || fates.iter().filter_map(|(row, at)| Some((*row, (*at)?)));
            on_time += sent().count() as u64;
            late += sent().filter(|(row, at)| *at >= scenario.window().hard_stop(row.opted_in_at)).count();
            // A page learns of the return by its probe; the one oracle learns of it then, the other knows beforehand.
            let told = sent().map(|(_, at)| at).filter(|at| *at >= back).min().unwrap();
            over += passed_over(&scenario, &fates, told);
            let known = Spell { to: told.since(START), ..away.clone() };
            oracle += possible(&scenario, &opted_in(&day.rows, &page), &[known]);
            seer += possible(&scenario, &opted_in(&day.rows, &page), std::slice::from_ref(&away));
            println!("page {page}: the return is known after {:?}", told.since(back));
        }
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let (ratio, clairvoyant) = (on_time as f64 / oracle as f64, on_time as f64 / seer as f64);
        println!(
            "{mood:?} for 20 h, a message each {seconds} s: {:?}; on time {on_time}, late {late}, passed over {over}; oracle {oracle} ({ratio:.4}), \
             one that knows the return beforehand {seer} ({clairvoyant:.4}); {} probes, {} turns, {:?}",
            states(&day.rows),
            day.probes,
            day.played.tally.steps,
            began.elapsed()
        );
        assert_eq!((late, over), (0, 0));
        assert!(ratio >= 0.999 && clairvoyant >= 0.99);
        let crowded = seconds > 100.0;
        assert_eq!((oracle < 450, day.probes > 0), (crowded, !crowded));
        assert!(states(&day.rows).keys().all(|state| matches!(*state, "missed" | "sent")));
    }
}

/// A thousand people opt in through a day, and an hour after its begin nobody's message is answered well for 24 hours.
#[test]
fn a_day_of_brown_out_costs_a_handful_of_people() {
    const PEOPLE: usize = 1000;
    for mood in [Mood::Says(500, 1, 0), Mood::Silent] {
        let spell = Spell { from: hours(1), to: hours(25), mood };
        let scenario = Scenario::spell(PEOPLE, 1, 1.0, spell.clone());
        let began = Instant::now();
        let day = play_chosen(scenario.clone());
        unbroken(&day);
        let count = |state| states(&day.rows).get(state).copied().unwrap_or(0) as u64;
        let lost = count("uncertain") + count("unavailable");
        println!(
            "{mood:?} for 24 h: {:?}; {} probes, {} turns, {:?}",
            states(&day.rows),
            day.probes,
            day.played.tally.steps,
            began.elapsed()
        );
        assert!(lost > 0 && lost <= 3 + day.probes, "{lost} people lost, {} probes", day.probes);
        // One probe in a quarter of an hour, and more only for whoever's hard stop is near.
        assert!(day.probes <= 24 * 4 + 40, "{} probes", day.probes);
        let over = |row: &&Stored| scenario.window().hard_stop(row.opted_in_at) <= START.plus(spell.to);
        let over = day.rows.iter().filter(|row| row.state == "missed").filter(over).count() as u64;
        assert_eq!(count("missed"), over, "whoever was in time after the return was sent to");
        assert_eq!(count("sent") + lost + over, PEOPLE as u64);
    }
}
