//! Chance, all of it from the seed.

use std::time::Duration;

use fastrand::Rng;

/// Dice that fall the same way for the same seed.
#[derive(Debug)]
pub(crate) struct Dice(Rng);

impl Dice {
    pub(crate) fn of(seed: u64) -> Self {
        // Neighbouring seeds must not begin alike.
        Self(Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d))
    }

    /// Whether something with this probability happens.
    pub(crate) fn happens(&mut self, probability: f64) -> bool {
        self.0.f64() < probability
    }

    /// A number from `0` up to, not including, `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0.u64(0..end.max(1))
    }

    /// A place in a list of this length.
    pub(crate) fn place(&mut self, length: usize) -> usize {
        self.0.usize(0..length.max(1))
    }

    /// One of several.
    pub(crate) fn one<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.place(all.len())]
    }

    /// A span between two numbers of milliseconds.
    pub(crate) fn ms(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.0.u64(least..=most.max(least)))
    }

    /// One of several by weight.
    pub(crate) fn weighted<'a, T>(&mut self, all: &'a [(f64, T)]) -> &'a T {
        let mut mark = self.0.f64() * all.iter().map(|(weight, _)| weight).sum::<f64>();
        for (weight, one) in all {
            mark -= weight;
            if mark <= 0.0 {
                return one;
            }
        }
        &all[all.len() - 1].1
    }
}
