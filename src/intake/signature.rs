//! Whether a body comes from the platform: `X-Hub-Signature-256`, an HMAC over the raw bytes.
//!
//! The platform signs what it sends, with letters beyond ASCII as `\u` escapes; decoding or re-serialising the body
//! first breaks the signature.
//! <https://developers.facebook.com/documentation/business-messaging/messenger-platform/webhooks>

use axum::http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use crate::domain::keyed::{hmac_sha256, same};

/// The header that carries it.
pub(super) const HEADER: &str = "x-hub-signature-256";

/// The signature a header claims: `sha256=` and 64 lowercase hex digits.
pub(super) fn claimed(header: Option<&HeaderValue>) -> Option<[u8; 32]> {
    let digits = header?.as_bytes().strip_prefix(b"sha256=")?;
    if digits.iter().any(u8::is_ascii_uppercase) {
        return None;
    }
    let mut signature = [0; 32];
    hex::decode_to_slice(digits, &mut signature).ok()?;
    Some(signature)
}

/// Whether one of the secrets made it. Several are valid while one is being replaced; all are tried, so that the time
/// taken does not tell which.
pub(super) fn holds(secrets: &[SecretString], signature: &[u8; 32], body: &[u8]) -> bool {
    secrets
        .iter()
        .map(|secret| secret.expose_secret().as_bytes())
        // Anybody can sign with an empty key.
        .filter(|secret| !secret.is_empty())
        .fold(false, |found, secret| found | same(&hmac_sha256(secret, &[body]), signature))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ESCAPED: &[u8] = br#"{"t":"\u00e4\u00f6\u00e5"}"#;
    const LETTERS: &str = r#"{"t":"äöå"}"#;
    const OF_ESCAPED: &str = "5f6b857a98dc088218ace05218a8843d7f89b20b84173ef8d38f9c63f6281e8d";
    const OF_LETTERS: &str = "af12aedd864459cb257e60bdeb594b8150a057cdb3031fff92c324c277eb4c83";

    fn secrets(texts: &[&str]) -> Vec<SecretString> {
        texts.iter().copied().map(SecretString::from).collect()
    }

    fn header(text: &str) -> Option<[u8; 32]> {
        claimed(Some(&HeaderValue::from_str(text).unwrap()))
    }

    #[test]
    fn vectors() {
        let secret = secrets(&["test-app-secret"]);
        let escaped = header(&format!("sha256={OF_ESCAPED}")).unwrap();
        let letters = header(&format!("sha256={OF_LETTERS}")).unwrap();
        assert!(holds(&secret, &escaped, ESCAPED));
        assert!(holds(&secret, &letters, LETTERS.as_bytes()));
        assert!(!holds(&secret, &escaped, LETTERS.as_bytes()), "the raw bytes are signed, not the text they mean");
        assert!(!holds(&secret, &letters, ESCAPED));
    }

    #[test]
    fn either_secret_of_a_rotation_is_taken() {
        let signature = header(&format!("sha256={OF_ESCAPED}")).unwrap();
        assert!(holds(&secrets(&["old", "test-app-secret"]), &signature, ESCAPED));
        assert!(holds(&secrets(&["test-app-secret", "new"]), &signature, ESCAPED));
        assert!(!holds(&secrets(&["old", "new"]), &signature, ESCAPED));
        assert!(!holds(&[], &signature, ESCAPED));
    }

    #[test]
    fn an_empty_secret_signs_nothing() {
        let forged = hmac_sha256(b"", &[ESCAPED]);
        assert!(!holds(&secrets(&[""]), &forged, ESCAPED));
    }

    #[test]
    fn only_the_documented_form_is_a_signature() {
        assert_eq!(claimed(None), None);
        let upper = OF_ESCAPED.to_uppercase();
        let short = OF_ESCAPED.get(..62).unwrap();
        for text in [
            "",
            "sha256=",
            OF_ESCAPED,
            &format!("sha1={OF_ESCAPED}"),
            &format!("SHA256={OF_ESCAPED}"),
            &format!("sha256={upper}"),
            &format!("sha256={short}"),
            &format!("sha256={OF_ESCAPED}00"),
            &format!("sha256= {short}"),
            &format!("sha256={short}zz"),
        ] {
            assert_eq!(header(text), None, "{text}");
        }
    }
}
