//! The simulation: days of virtual time, made from a seed, through the production passes over a real SQLite store.
//!
//! Nodes crash and freeze before and after every step, the platform answers late, twice, wrongly or never, webhooks come
//! again and out of order, people say stop at the worst moment. The promises of the README are judged by what the
//! scripted platform sees and what the store holds. A seed always plays the same way; `docs/proof.md` says more.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a simulation says what is wrong by panicking, and what it looks for is there"
)]

mod dice;
mod ending;
mod happening;
mod many;
mod node;
mod outage;
mod people;
mod platform;
mod play;
mod promise;
mod raw;
#[path = "../model/relation.rs"]
mod relation;
mod replay;
mod scenario;
mod stage;
mod urgency;
mod world;

use many::{Seeds, play_all, play_followed, play_one};
use promise::Promise;
use replay::Replay;

/// Each night brings others; each change must pass these.
const SEEDS: u64 = 500;
/// How many of them are held against the model, row by row.
const FOLLOWED: u64 = 60;

#[test]
fn five_hundred_seeds_keep_every_promise() {
    let seeds = Seeds { from: 1, count: SEEDS, loud: false };
    let told = play_all(seeds, false);
    println!("{}", told.summary());
    assert!(told.broken.is_none(), "{}", told.broken.unwrap_or_default());
    assert!(told.tally.requests > SEEDS && told.tally.crashes > SEEDS / 2, "{}", told.summary());
}

#[test]
fn a_seed_plays_the_same_way_again() {
    for seed in (1..=24).chain([u64::MAX]) {
        let (first, second) = (play_one(seed, false), play_one(seed, false));
        assert_eq!(first.hash, second.hash, "seed {seed}\n{}\n--\n{}", first.tail.join("\n"), second.tail.join("\n"));
    }
}

/// The traces replayed through the model: whatever a row becomes, the model's relation leads there.
#[test]
fn every_change_of_a_row_is_one_that_the_model_allows() {
    let (mut changes, mut turns) = (0, 0);
    for seed in 1..=FOLLOWED {
        let (played, followed) = play_followed(seed, Replay::default());
        let broken = played.broken.map(|broken| format!("{}\n\nseed {seed}: {broken}", played.tail.join("\n")));
        assert!(broken.is_none(), "{}", broken.unwrap_or_default());
        (changes, turns) = (changes + followed, turns + played.tally.steps);
    }
    println!("{FOLLOWED} seeds followed: {changes} changes of rows in {turns} turns, all as the model allows");
    assert!(changes > 10 * FOLLOWED, "{changes}");
}

/// What the model does not allow is found out, whatever it is.
#[test]
fn a_change_that_the_model_does_not_allow_is_told() {
    let strays = [
        // A finished delivery waits again; one that waits was never tried; the fence of an attempt goes back.
        "UPDATE optins SET state = 'pending' WHERE state = 'sent'",
        "UPDATE optins SET attempts = 0 WHERE state = 'retrying' AND attempts > 0",
        "UPDATE optins SET fence = fence - 1 WHERE state = 'sending'",
        // A lease becomes longer; somebody in doubt, or who said stop, waits again.
        "UPDATE optins SET lease_until = lease_until + 60000 WHERE state = 'sending'",
        "UPDATE optins SET state = 'pending' WHERE state = 'uncertain'",
        "UPDATE optins SET opted_out_at = NULL WHERE opted_out_at IS NOT NULL",
        // Nobody may have been greeted who was.
        "UPDATE optins SET maybe_greeted_at = NULL WHERE maybe_greeted_at IS NOT NULL",
    ];
    for stray in strays {
        let found = (1..=FOLLOWED).find_map(|seed| {
            let (played, _) = play_followed(seed, Replay::meddled(stray));
            played.broken.filter(|broken| broken.promise == Promise::AsTheModel)
        });
        assert!(found.is_some(), "not found out: {stray}");
    }
}

/// For `scripts/simulate`.
#[test]
#[ignore = "scripts/simulate says how many"]
fn any_number_of_seeds() {
    let seeds = Seeds::asked_for();
    let told = play_all(seeds, true);
    println!("{}", told.summary());
    assert!(told.broken.is_none(), "{}", told.broken.unwrap_or_default());
}
