//! The sandbox's own signatures. They are not shared with the daemon: two sides with one signer would agree on a
//! mistake in it.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Lowercase hex of HMAC-SHA256.
fn keyed(key: &str, message: &[u8]) -> String {
    // HMAC takes a key of any length; the error type exists for other MACs.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else { return String::new() };
    mac.update(message);
    hex::encode(mac.finalize().into_bytes())
}

/// The value of `X-Hub-Signature-256` for the raw bytes of a webhook.
pub(super) fn webhook_signature(app_secret: &str, body: &[u8]) -> String {
    format!("sha256={}", keyed(app_secret, body))
}

/// The `appsecret_proof` of a token.
pub(super) fn proof(app_secret: &str, token: &str) -> String {
    keyed(app_secret, token.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_over_the_escaped_bytes() {
        let escaped = br#"{"t":"\u00e4\u00f6\u00e5"}"#;
        let expected = "sha256=5f6b857a98dc088218ace05218a8843d7f89b20b84173ef8d38f9c63f6281e8d";
        assert_eq!(webhook_signature("test-app-secret", escaped), expected);
        let letters = r#"{"t":"äöå"}"#.as_bytes();
        let other = "sha256=af12aedd864459cb257e60bdeb594b8150a057cdb3031fff92c324c277eb4c83";
        assert_eq!(webhook_signature("test-app-secret", letters), other);
    }

    #[test]
    fn the_proof_is_of_the_token() {
        let expected = "c3a6d59dd2efd5d8a8457238dbf36a7d4e3cc8349c46a0ca1b50419ed8720191";
        assert_eq!(proof("test-app-secret", "test-page-token"), expected);
    }
}
