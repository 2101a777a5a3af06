//! `signed_request`: how the platform speaks for a person who removes the app or wants their data deleted.
//!
//! `SIGNATURE.PAYLOAD`, both in base64url; the signature is HMAC-SHA256 over the encoded payload, with the secret of the
//! app people log in with.
//! <https://developers.facebook.com/docs/development/create-an-app/app-dashboard/data-deletion-callback>

use std::time::Duration;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::domain::ids::LoginId;
use crate::domain::time::Timestamp;
use crate::intake::plausible::{AHEAD, believe};
use crate::intake::signature;

/// The longest one that is looked at, in bytes; the platform's have a few hundred.
const LONGEST: usize = 16 * 1024;
/// How old one may be. Long enough for an outage here and the platform's patience with it; short enough that one that
/// was overheard is soon worthless.
const OLDEST: Duration = Duration::from_hours(48);

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a request says once it is believed.
#[derive(Debug, PartialEq, Eq)]
pub struct SignedRequest {
    /// The person, by their app-scoped id. It obeys the same rules as any identifier of a person.
    pub user: LoginId,
    /// When they asked.
    pub issued_at: Timestamp,
}

/// Why a request is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Disbelief {
    /// It is no signed request.
    #[error("signed_request is not of the form SIGNATURE.PAYLOAD in base64url.")]
    Shape,
    /// No secret made the signature.
    #[error("The signature of signed_request does not hold.")]
    Forged,
    /// It was signed in another way than we check.
    #[error("signed_request names another algorithm than HMAC-SHA256.")]
    Algorithm,
    /// It names nobody.
    #[error("signed_request has no user_id.")]
    Nobody,
    /// It does not say when it was made.
    #[error("signed_request has no issued_at.")]
    Timeless,
    /// It was made in the future or too long ago.
    #[error("signed_request was not issued in the last 48 hours.")]
    Stale,
}

/// Reads a request that one of the secrets signed.
///
/// # Errors
/// Why it is not believed. The signature is looked at before anything it covers.
pub fn read(text: &str, secrets: &[SecretString], now: Timestamp) -> Result<SignedRequest, Disbelief> {
    let (claimed, payload) = text.split_once('.').filter(|_| text.len() <= LONGEST).ok_or(Disbelief::Shape)?;
    let claimed = BASE64.decode(claimed).map_err(|_| Disbelief::Shape)?;
    let claimed = <[u8; 32]>::try_from(claimed).map_err(|_| Disbelief::Shape)?;
    if !signature::holds(secrets, &claimed, payload.as_bytes()) {
        return Err(Disbelief::Forged);
    }
    let payload = BASE64.decode(payload).map_err(|_| Disbelief::Shape)?;
    let payload: Map<String, Value> = serde_json::from_slice(&payload).map_err(|_| Disbelief::Shape)?;
    let algorithm = payload.get("algorithm").and_then(Value::as_str).unwrap_or_default();
    if !algorithm.eq_ignore_ascii_case("HMAC-SHA256") {
        return Err(Disbelief::Algorithm);
    }
    let user = text_of(payload.get("user_id")).and_then(|id| LoginId::new(&id).ok()).ok_or(Disbelief::Nobody)?;
    // `expires` is about an access token that may come along, not about the request.
    let issued_at =
        text_of(payload.get("issued_at")).and_then(|at| Timestamp::parse(&at)).ok_or(Disbelief::Timeless)?;
    if believe(issued_at, now).is_err() || issued_at.plus(OLDEST) < now.minus(AHEAD) {
        return Err(Disbelief::Stale);
    }
    Ok(SignedRequest { user, issued_at })
}

/// A text, or a whole number as text.
fn text_of(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::keyed::hmac_sha256;
    use serde_json::json;

    const NOW: Timestamp = Timestamp::from_ms(1_780_315_200_000);
    const ISSUED: i64 = 1_780_315_140;

    fn secrets(texts: &[&str]) -> Vec<SecretString> {
        texts.iter().copied().map(SecretString::from).collect()
    }

    fn signed(payload: &str, secret: &str) -> String {
        let payload = BASE64.encode(payload).replace('=', "");
        let signature = BASE64.encode(hmac_sha256(secret.as_bytes(), &[payload.as_bytes()])).replace('=', "");
        format!("{signature}.{payload}")
    }

    fn payload(changes: &Value) -> String {
        let mut payload = json!({"user_id": "1001", "algorithm": "HMAC-SHA256", "issued_at": ISSUED, "expires": 0});
        payload.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        payload.to_string()
    }

    fn told(changes: &Value) -> Result<SignedRequest, Disbelief> {
        read(&signed(&payload(changes), "login-secret"), &secrets(&["login-secret"]), NOW)
    }

    /// Made with the shell: `printf %s PAYLOAD | openssl dgst -sha256 -hmac test-login-secret -binary | base64`, over the encoded payload.
    #[test]
    fn a_vector_of_other_making() {
        let text = "sdEdun5BfT9bUl_d7VUOBBnFiuhwQwFL9hXjL11fp3Q.eyJhbGdvcml0aG0iOiJITUFDLVNIQTI1NiIsInVzZXJfaWQiOiIxMDAxIiwiaXNzdWVkX2F0IjoxNzgwMzE1MTQwfQ";
        let read = read(text, &secrets(&["test-login-secret"]), NOW);
        assert_eq!(
            read,
            Ok(SignedRequest { user: LoginId::new("1001").unwrap(), issued_at: Timestamp::from_ms(ISSUED * 1000) })
        );
    }

    #[test]
    fn either_secret_of_a_rotation_is_taken_and_an_empty_one_never() {
        let text = signed(&payload(&json!({})), "new");
        for list in [&["new"][..], &["old", "new"], &["new", "old"]] {
            assert!(read(&text, &secrets(list), NOW).is_ok());
        }
        for list in [&["old"][..], &[], &[""]] {
            assert_eq!(read(&text, &secrets(list), NOW), Err(Disbelief::Forged));
        }
        let empty = signed(&payload(&json!({})), "");
        assert_eq!(read(&empty, &secrets(&["", "new"]), NOW), Err(Disbelief::Forged));
    }

    #[test]
    fn ids_and_times_come_as_text_or_numbers() {
        for changes in [
            json!({}),
            json!({"user_id": 1001}),
            json!({"issued_at": ISSUED.to_string()}),
            json!({"algorithm": "hmac-sha256"}),
            json!({"issued_at": ISSUED * 1000}),
            json!({"expires": 7}),
        ] {
            assert_eq!(told(&changes).unwrap().user.as_str(), "1001", "{changes}");
        }
    }

    #[test]
    fn what_is_signed_is_looked_at_too() {
        let hours = |hours: i64| json!({"issued_at": ISSUED + hours * 3600});
        for (changes, why) in [
            (json!({"algorithm": "HMAC-MD5"}), Disbelief::Algorithm),
            (json!({"algorithm": null}), Disbelief::Algorithm),
            (json!({"user_id": null}), Disbelief::Nobody),
            (json!({"user_id": ""}), Disbelief::Nobody),
            (json!({"user_id": 1.5}), Disbelief::Nobody),
            (json!({"user_id": {"id": "1001"}}), Disbelief::Nobody),
            (json!({"issued_at": null}), Disbelief::Timeless),
            (json!({"issued_at": "soon"}), Disbelief::Timeless),
            (hours(1), Disbelief::Stale),
            (hours(-49), Disbelief::Stale),
            (hours(-24 * 365), Disbelief::Stale),
        ] {
            assert_eq!(told(&changes), Err(why), "{changes}");
        }
        assert!(told(&hours(-47)).is_ok());
    }

    #[test]
    fn anything_else_is_no_signed_request() {
        let good = signed(&payload(&json!({})), "login-secret");
        let (signature, payload) = good.split_once('.').unwrap();
        let long = format!("{signature}.{}", "A".repeat(LONGEST));
        for text in ["", ".", "a.b", payload, signature, &format!("{payload}.{signature}"), &long, "ä.ö"] {
            assert_eq!(read(text, &secrets(&["login-secret"]), NOW), Err(Disbelief::Shape), "{text}");
        }
        let mended = format!("{signature}.{payload}A");
        assert_eq!(read(&mended, &secrets(&["login-secret"]), NOW), Err(Disbelief::Forged));
        for inner in ["", "[]", "null", "{", "\u{0}"] {
            assert_eq!(read(&signed(inner, "s"), &secrets(&["s"]), NOW), Err(Disbelief::Shape), "{inner:?}");
        }
    }

    #[test]
    fn people_are_hidden_in_debug() {
        let shown = format!("{:?}", told(&json!({"user_id": "4711"})));
        assert!(!shown.contains("4711"), "{shown}");
    }
}
