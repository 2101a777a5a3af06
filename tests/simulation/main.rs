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
mod scenario;
mod stage;
mod urgency;
mod world;

use many::{Seeds, play_all, play_one};

/// Each night brings others; each change must pass these.
const SEEDS: u64 = 500;

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

/// For `scripts/simulate`.
#[test]
#[ignore = "scripts/simulate says how many"]
fn any_number_of_seeds() {
    let seeds = Seeds::asked_for();
    let told = play_all(seeds, true);
    println!("{}", told.summary());
    assert!(told.broken.is_none(), "{}", told.broken.unwrap_or_default());
}
