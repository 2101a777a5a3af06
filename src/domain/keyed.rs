//! Keyed hashes, and comparisons that take the same time whatever differs.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::ids::{LoginId, PageId, Psid};
use super::time::Timestamp;

/// HMAC-SHA256 of the parts, one after the other.
#[must_use]
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC takes a key of any length; the error type exists for other MACs.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Whether two byte strings are equal, in a time that does not depend on where they differ.
#[must_use]
pub fn same(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// The first 16 hex digits of a SHA-256: enough to tell two secrets or templates apart, useless for finding them.
#[must_use]
pub fn fingerprint(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes).get(..8).unwrap_or_default())
}

/// The 32 random bytes kept in the store, from which tombstones and tokens are keyed. Never derived from a secret
/// that rotates: a new key would make every tombstone unreadable.
#[derive(Clone)]
pub struct StoreKey([u8; 32]);

impl StoreKey {
    /// Takes the stored bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The name under which an erased person is remembered: knows them again, cannot be turned back into them.
    #[must_use]
    pub fn tombstone(&self, page: &PageId, login: &LoginId) -> String {
        self.person(b"login", page, login.as_str())
    }

    /// The name under which a person known only by PSID is remembered.
    #[must_use]
    pub fn psid_tombstone(&self, page: &PageId, psid: &Psid) -> String {
        self.person(b"psid", page, psid.as_str())
    }

    /// The code of a deletion request: the same for the same request, unguessable, and it names nobody.
    #[must_use]
    pub fn deletion_code(&self, user: &str, issued_at: Timestamp) -> String {
        let at = issued_at.ms().to_be_bytes();
        let mut code = hex::encode(hmac_sha256(&self.0, &[b"deletion/", &at, user.as_bytes()]));
        code.truncate(32);
        code
    }

    fn person(&self, kind: &[u8], page: &PageId, id: &str) -> String {
        // Lengths are part of the text, so that no two pairs of identifiers run together into the same bytes.
        let length = page.as_str().len().to_be_bytes();
        hex::encode(hmac_sha256(&self.0, &[b"tombstone/", kind, &length, page.as_str().as_bytes(), id.as_bytes()]))
    }

    /// A key for another purpose.
    pub(super) fn derive(&self, purpose: &str) -> [u8; 32] {
        hmac_sha256(&self.0, &[purpose.as_bytes()])
    }
}

impl std::fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoreKey(hidden)")
    }
}

/// The proof that whoever holds an access token also holds the app's secret:
/// lowercase hex of HMAC-SHA256(app secret, access token). Graph API, "Securing requests".
#[must_use]
pub fn appsecret_proof(app_secret: &str, access_token: &str) -> String {
    hex::encode(hmac_sha256(app_secret.as_bytes(), &[access_token.as_bytes()]))
}

/// The `login_id` of a person, computed from their app-scoped user id as the platform's own sample does:
/// lowercase hex of HMAC-SHA256(client token, `umc_{user}_{app}_{page}`).
#[must_use]
pub fn derive_login_id(client_token: &str, app_id: &str, app_scoped_id: &str, page: &PageId) -> String {
    let text = format!("umc_{app_scoped_id}_{app_id}_{page}");
    hex::encode(hmac_sha256(client_token.as_bytes(), &[text.as_bytes()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors() {
        assert_eq!(
            appsecret_proof("test-app-secret", "test-page-token"),
            "c3a6d59dd2efd5d8a8457238dbf36a7d4e3cc8349c46a0ca1b50419ed8720191"
        );
        let page = PageId::new("3003").unwrap();
        assert_eq!(
            derive_login_id("test-client-token", "2002", "1001", &page),
            "801121618c4a6cda1021f1faa963e7567162ecb7f38d1cf2152d5d98333fd962"
        );
    }

    #[test]
    fn tombstones_of_different_people_differ() {
        let key = StoreKey::new([7; 32]);
        let page = |id| PageId::new(id).unwrap();
        let login = |id| LoginId::new(id).unwrap();
        assert_ne!(key.tombstone(&page("1"), &login("23")), key.tombstone(&page("12"), &login("3")));
        assert_ne!(key.tombstone(&page("1"), &login("2")), key.psid_tombstone(&page("1"), &Psid::new("2").unwrap()));
        assert_eq!(key.tombstone(&page("1"), &login("2")), key.tombstone(&page("1"), &login("2")));
    }
}
