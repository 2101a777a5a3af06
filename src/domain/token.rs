//! The opaque token every first message carries, so that an echo or a tap names its attempt.
//!
//! A token is 26 characters for 16 bytes: the attempt's number, masked, and a keyed check over it. Nothing has to be
//! stored to read it back, nobody without the store's key can make one, and it tells a stranger nothing.

use super::ids::AttemptId;
use super::keyed::{StoreKey, hmac_sha256, same};

/// Characters in a token.
pub const TOKEN_LENGTH: usize = 26;
/// What comes before the token in a quick reply's or button's payload.
pub const MARK: &str = "#fw=";

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Mints and reads tokens.
#[derive(Clone, Debug)]
pub struct Tokens {
    check: [u8; 32],
    mask: [u8; 32],
}

impl Tokens {
    /// Tokens under the store's key.
    #[must_use]
    pub fn new(key: &StoreKey) -> Self {
        Self { check: key.derive("token/check"), mask: key.derive("token/mask") }
    }

    /// The token of an attempt; always the same for the same attempt.
    #[must_use]
    pub fn mint(&self, attempt: AttemptId) -> String {
        let tag = self.tag(attempt.0);
        let masked = attempt.0 ^ self.mask_for(tag);
        encode((u128::from(tag) << 64) | u128::from(masked.cast_unsigned()))
    }

    /// The attempt a token names, if we made it.
    #[must_use]
    pub fn read(&self, token: &str) -> Option<AttemptId> {
        let bits = decode(token)?;
        let tag = u64::try_from(bits >> 64).ok()?;
        let masked = u64::try_from(bits & u128::from(u64::MAX)).ok()?;
        let number = masked.cast_signed() ^ self.mask_for(tag);
        same(&self.tag(number).to_be_bytes(), &tag.to_be_bytes()).then_some(AttemptId(number))
    }

    /// The attempt named by a payload that ends in our mark and token.
    #[must_use]
    pub fn read_payload(&self, payload: &str) -> Option<AttemptId> {
        self.read(payload.rsplit_once(MARK)?.1)
    }

    fn tag(&self, number: i64) -> u64 {
        first_u64(&hmac_sha256(&self.check, &[&number.to_be_bytes()]))
    }

    fn mask_for(&self, tag: u64) -> i64 {
        first_u64(&hmac_sha256(&self.mask, &[&tag.to_be_bytes()])).cast_signed()
    }
}

fn first_u64(hash: &[u8; 32]) -> u64 {
    hash.iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

fn encode(bits: u128) -> String {
    let digit = |place: usize| usize::try_from((bits >> (5 * place)) & 31).unwrap_or(0);
    (0..TOKEN_LENGTH).rev().filter_map(|place| ALPHABET.get(digit(place))).map(|byte| char::from(*byte)).collect()
}

fn decode(token: &str) -> Option<u128> {
    if token.len() != TOKEN_LENGTH {
        return None;
    }
    token.bytes().try_fold(0_u128, |bits, byte| {
        let digit = ALPHABET.iter().position(|letter| *letter == byte)?;
        // 26 digits hold 130 bits: a first digit over 7 would be lost, so it is not ours.
        bits.checked_mul(32)?.checked_add(u128::try_from(digit).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tokens(key: u8) -> Tokens {
        Tokens::new(&StoreKey::new([key; 32]))
    }

    proptest! {
        #[test]
        fn what_is_minted_is_read_back(number in any::<i64>()) {
            let token = tokens(1).mint(AttemptId(number));
            prop_assert_eq!(token.len(), TOKEN_LENGTH);
            prop_assert_eq!(tokens(1).read(&token), Some(AttemptId(number)));
            let payload = format!("YES{MARK}{token}");
            prop_assert_eq!(tokens(1).read_payload(&payload), Some(AttemptId(number)));
            prop_assert_eq!(tokens(2).read(&token), None);
        }

        #[test]
        fn garbage_is_not_a_token(text in ".{0,40}", letters in "[0-9a-z]{26}") {
            prop_assert_eq!(tokens(1).read(&text), None);
            prop_assert_eq!(tokens(1).read(&letters), None);
        }
    }

    #[test]
    fn neighbours_look_unrelated() {
        let (a, b) = (tokens(1).mint(AttemptId(1)), tokens(1).mint(AttemptId(2)));
        let alike = a.bytes().zip(b.bytes()).filter(|(x, y)| x == y).count();
        assert!(alike < 8, "{a} {b}");
    }
}
