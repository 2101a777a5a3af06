//! When nothing is left to happen: is everybody where they belong?

use std::time::Duration;

use firstword::clock::Clock;
use firstword::domain::keyed::StoreKey;

use crate::play::Play;
use crate::promise::Promise;
use crate::raw::{Raw, Stored};
use crate::urgency;
use crate::world::{Person, World};

/// The key of every simulated store.
pub(crate) const KEY: [u8; 32] = [7; 32];

/// What is still open, for a message.
pub(crate) async fn open(raw: &Raw) -> String {
    let rows = raw.rows().await;
    let open = rows.iter().filter(|row| is_open(&row.state));
    open.map(|row| format!("{} is {} since attempt {}", row.id, row.state, row.attempts)).collect::<Vec<_>>().join("; ")
}

fn is_open(state: &str) -> bool {
    matches!(state, "new" | "pending" | "retrying" | "sending")
}

/// Judges the day as a whole, and then what is left after the answer window.
pub(crate) async fn judge(play: &mut Play) {
    let rows = play.raw.rows().await;
    {
        let mut world = play.world.lock().unwrap();
        for row in &rows {
            world.stage.say(|| format!("row {row:?}"));
            judge_row(&mut world, row);
        }
    }
    judge_losses(play, &rows).await;
    urgency::judge(play, &rows);
    retire(play).await;
}

/// Nobody waits any more when nothing is left to happen, and every named state is true.
fn judge_row(world: &mut World, row: &Stored) {
    let Some(person) = world.person_of(&row.page, &row.login) else { return };
    let known = &world.people[person];
    let greeted = known.is_greeted();
    let untrue = match row.state.as_str() {
        state if is_open(state) => Some("and nothing will ever happen to it"),
        "missed" | "unavailable" if greeted => Some("and the message arrived"),
        "sent" if !greeted && !known.elsewhere && !known.vouched => Some("and no message arrived"),
        _ => None,
    };
    if let Some(why) = untrue {
        let what = format!("person {person} (opt-in {}) is {} ({:?}), {why}", row.id, row.state, row.reason);
        world.breaks(Promise::NeverForgotten, what);
    }
}

/// What was answered 200 is in the store, or, if its row was purged, remembered.
async fn judge_losses(play: &Play, rows: &[Stored]) {
    let key = StoreKey::new(KEY);
    let names: Vec<(usize, String)> = {
        let world = play.world.lock().unwrap();
        let told = |person: &Person| !(person.consents.is_empty() && person.stops.is_empty());
        let people = world.people.iter().enumerate().filter(|(_, person)| told(person));
        people.map(|(number, person)| (number, key.tombstone(&person.page, &person.login))).collect()
    };
    for (number, name) in names {
        let row = {
            let world = play.world.lock().unwrap();
            let person = &world.people[number];
            rows.iter().find(|row| row.page == person.page && row.login == person.login)
        };
        let lost = match row {
            // A purge began this person anew: what was before is in the tombstone.
            _ if play.raw.is_buried(&name).await => None,
            None => Some("has no row"),
            Some(row) => facts_lost(&play.world.lock().unwrap().people[number], row),
        };
        if let Some(lost) = lost {
            let what = format!("person {number} {lost}, and we had answered 200");
            play.world.lock().unwrap().breaks(Promise::NeverLost, what);
        }
    }
}

fn facts_lost(person: &Person, row: &Stored) -> Option<&'static str> {
    // A later consent may have made a stop history, and a purge have begun the row anew.
    let plain = row.cycle == 1 && person.consents.iter().map(|told| told.at).max() <= Some(row.opted_in_at);
    if plain && !person.stops.is_empty() && !row.opted_out {
        return Some("said stop, which is not in the store");
    }
    (plain && !person.replies.is_empty() && !row.replied).then_some("replied, which is not in the store")
}

/// The answer window passes: then every state is final.
async fn retire(play: &mut Play) {
    let node = play.awake();
    let day = Duration::from_hours(24);
    let policy = node.upkeep.store.policy();
    play.stage.advance(play.stage.now().plus(policy.answer_window + day));
    let now = node.clock.now();
    let retired = node.upkeep.expire(now).await;
    let rows = play.raw.rows().await;
    let mut world = play.world.lock().unwrap();
    if let Err(error) = retired {
        world.breaks(Promise::NeverForgotten, format!("nobody could be retired: {error}"));
    }
    for row in rows.iter().filter(|row| is_open(&row.state) || matches!(row.state.as_str(), "sent" | "uncertain")) {
        let what = format!("opt-in {} is still {} after the answer window", row.id, row.state);
        world.breaks(Promise::NeverForgotten, what);
    }
}
