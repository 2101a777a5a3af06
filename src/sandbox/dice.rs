//! Seeded draws that do not depend on the order in which requests come: each is made from who, which attempt, and the
//! seed, so that a run with many senders can be repeated.

use std::time::Duration;

use fastrand::Rng;

/// A hash of some texts, the same on every machine and in every version.
pub(super) fn hash(seed: u64, parts: &[&str]) -> u64 {
    // FNV-1a; the length ends each part, so that no two lists of parts run together.
    let mut state = 0xcbf2_9ce4_8422_2325 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for part in parts {
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes();
        for byte in part.bytes().chain(length) {
            state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    // FNV leaves neighbours alike in the high bits: mix once more.
    state = (state ^ (state >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    state ^ (state >> 33)
}

/// The page-scoped id of a person: decimal digits, the same in every run.
pub(super) fn psid(page: &str, login_id: &str) -> String {
    let digits = hash(0, &["psid", page, login_id]) % 90_000_000_000_000_000;
    (10_000_000_000_000_000 + digits).to_string()
}

/// The draws of one attempt.
pub(super) struct Dice(Rng);

impl Dice {
    /// The draws for the `attempt`th send to somebody.
    pub(super) fn new(seed: u64, page: &str, login_id: &str, attempt: u32) -> Self {
        let base = hash(seed, &["attempt", page, login_id]);
        Self(Rng::with_seed(base.wrapping_add(u64::from(attempt).wrapping_mul(0x9e37_79b9_7f4a_7c15))))
    }

    /// Draws that matter to nobody's outcome, as in trace ids.
    pub(super) fn any(seed: u64) -> Self {
        Self(Rng::with_seed(seed))
    }

    /// True with this probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.0.f64() < probability
    }

    /// A number below `bound`, 0 where that is 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.0.u64(0..bound) }
    }

    /// A span from zero up to `most`.
    pub(super) fn span(&mut self, most: Duration) -> Duration {
        if most.is_zero() { most } else { most.mul_f64(self.0.f64()) }
    }

    /// Letters and digits, as in the platform's trace ids.
    pub(super) fn letters(&mut self, count: usize) -> String {
        (0..count).map(|_| self.0.alphanumeric()).collect()
    }

    /// A message id; `salt` keeps it unique across runs with one seed.
    pub(super) fn message_id(&mut self, salt: i64) -> String {
        format!("m_{salt:012x}{:016x}{:016x}", self.0.u64(..), self.0.u64(..))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_repeat_by_seed_and_differ_by_attempt() {
        let draw = |seed, attempt| Dice::new(seed, "p", "l", attempt).letters(11);
        assert_eq!(draw(1, 0), draw(1, 0));
        assert_ne!(draw(1, 0), draw(1, 1));
        assert_ne!(draw(1, 0), draw(2, 0));
        assert_ne!(hash(0, &["ab", "c"]), hash(0, &["a", "bc"]));
    }

    #[test]
    fn chances_come_out_as_asked() {
        let hits = (0..10_000).filter(|n| Dice::new(7, "p", &format!("login-{n}"), 0).chance(0.2)).count();
        assert!((1_850..2_150).contains(&hits), "{hits}");
        assert!(!Dice::any(1).chance(0.0));
        assert!(Dice::any(1).chance(1.0));
    }

    #[test]
    fn a_psid_is_seventeen_digits_and_one_per_person() {
        let ids: std::collections::HashSet<String> = (0..10_000).map(|n| psid("p", &n.to_string())).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(ids.iter().all(|id| id.len() == 17 && id.bytes().all(|b| b.is_ascii_digit())));
    }
}
