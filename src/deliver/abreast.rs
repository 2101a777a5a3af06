//! How many requests are under way at once.
//!
//! A platform that is far away needs many: each answer takes its time on the network. Where answers come at once, one
//! request more only waits in our own process behind the others, and the buffers of all crowd each other out of the
//! processor's caches: a few carry as much. How long an answer took does not tell the one from the other, since it
//! grows with whatever waits here; the soonest of many does.

use std::time::Duration;

/// An answer sooner than this has not come over a network.
const SOON: Duration = Duration::from_millis(1);
/// So many answers in a row that took longer, and the platform is far away.
const MEMORY: usize = 512;
/// As many as are useful where the platform is near.
const FEW: usize = 24;

/// How many requests may be under way at once.
#[derive(Debug)]
pub(super) struct Abreast {
    most: usize,
    /// How many answers came since one came soon.
    since_soon: usize,
}

impl Abreast {
    /// As many as may ever be: nothing is known of the platform.
    pub(super) const fn new(most: usize) -> Self {
        Self { most, since_soon: MEMORY }
    }

    /// So many.
    pub(super) fn now(&self) -> usize {
        if self.since_soon < MEMORY { FEW.min(self.most) } else { self.most }
    }

    /// An answer came, so long after its request was begun.
    pub(super) fn answered(&mut self, took: Duration) {
        self.since_soon = if took < SOON { 0 } else { self.since_soon.saturating_add(1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(abreast: &mut Abreast, answers: usize, took: Duration) -> usize {
        (0..answers).for_each(|_| abreast.answered(took));
        abreast.now()
    }

    #[test]
    fn a_platform_that_is_far_away_gets_every_place() {
        let mut abreast = Abreast::new(64);
        assert_eq!((abreast.now(), after(&mut abreast, 1000, SOON)), (64, 64));
    }

    #[test]
    fn one_that_ever_answers_at_once_gets_few_for_a_while() {
        let mut abreast = Abreast::new(64);
        assert_eq!(after(&mut abreast, 1, Duration::ZERO), FEW);
        assert_eq!(after(&mut abreast, MEMORY - 1, SOON), FEW);
        assert_eq!(after(&mut abreast, 1, SOON), 64);
    }

    #[test]
    fn never_more_than_may_be() {
        let mut abreast = Abreast::new(5);
        assert_eq!(after(&mut abreast, 1, Duration::ZERO), 5);
    }
}
