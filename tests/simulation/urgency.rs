//! Earliest deadline first: an oracle that knows the whole day beforehand.

use std::collections::BTreeSet;
use std::time::Duration;

use firstword::domain::ids::PageId;
use firstword::domain::time::Timestamp;

use crate::play::Play;
use crate::promise::Promise;
use crate::raw::Stored;
use crate::scenario::{Scenario, Spell};
use crate::stage::START;

/// On a crowded day: as many in time as the oracle says there was room for, less what chance costs.
pub(crate) fn judge(play: &mut Play, rows: &[Stored]) {
    let mut world = play.world.lock().unwrap();
    if !world.scenario.crowded {
        return;
    }
    let possible =
        pages(rows).map(|page| possible(&world.scenario, &opted_in(rows, &page), &world.scenario.spells)).sum();
    let on_time = world.people.iter().filter(|person| person.is_greeted()).count() as u64;
    play.tally.on_time += on_time;
    play.tally.possible += possible;
    if on_time + allowance(possible) < possible {
        let what = format!("{on_time} were sent to in time, and there was room for {possible}");
        world.breaks(Promise::MostUrgentFirst, what);
    }
}

/// The pages of these rows, each once.
pub(crate) fn pages(rows: &[Stored]) -> impl Iterator<Item = PageId> + use<> {
    rows.iter().map(|row| row.page.clone()).collect::<BTreeSet<_>>().into_iter()
}

/// When the people of a page opted in.
pub(crate) fn opted_in(rows: &[Stored], page: &PageId) -> Vec<Timestamp> {
    rows.iter().filter(|row| row.page == *page).map(|row| row.opted_in_at).collect()
}

fn allowance(possible: u64) -> u64 {
    1 + possible / 10
}

/// How many of a page could be sent to in time, by somebody who never waits without need and always takes the most urgent.
pub(crate) fn possible(scenario: &Scenario, opted_in: &[Timestamp], away: &[Spell]) -> u64 {
    let interval = Duration::from_micros(u64::try_from(scenario.budget.interval_us).unwrap());
    let usable = scenario.window().usable();
    let mut waiting: Vec<Timestamp> = opted_in.to_vec();
    waiting.sort_unstable();
    let (mut now, mut sent) = (START, 0);
    while let Some(first) = waiting.first().copied() {
        now = now.max(first);
        let since = now.since(START);
        if let Some(spell) = away.iter().find(|spell| spell.from <= since && since < spell.to) {
            now = START.plus(spell.to);
        }
        waiting.remove(0);
        if now < first.plus(usable) {
            sent += 1;
            now = now.plus(interval);
        }
    }
    sent
}
