//! What is fuzzed: everything that reads bytes nobody vouches for. Each function must come back from any bytes at all,
//! and what it makes of them must hold together.

use std::path::Path;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use firstword::cli::optin::Format;
use firstword::commands::judge_import;
use firstword::config::{self, Environment};
use firstword::domain::hold::PageOrder;
use firstword::domain::keyed::{StoreKey, hmac_sha256};
use firstword::domain::signal::Signal;
use firstword::domain::time::Timestamp;
use firstword::domain::token::Tokens;
use firstword::intake::event::{Reading, parse};
use firstword::intake::{StopWords, privacy::signed};
use secrecy::SecretString;

/// When everything is read.
const NOW: Timestamp = Timestamp::from_ms(1_780_315_200_000);

/// The body of a signed webhook.
pub fn webhook(bytes: &[u8]) {
    let tokens = Tokens::new(&StoreKey::new([7; 32]));
    let stop_words = StopWords::new(&["stop".to_owned()]);
    let reading = Reading { tokens: &tokens, app_id: Some("5550001"), stop_words: &stop_words, now: NOW };
    let Ok(parsed) = parse(bytes, &reading) else { return };
    let counted: u64 = parsed.kinds.values().sum();
    assert!(counted >= u64::try_from(parsed.signals.len()).unwrap_or(u64::MAX), "a signal of an event nobody counted");
    for signal in &parsed.signals {
        match signal {
            Signal::OptIn(optin) => assert!(optin.at.is_none_or(|at| at.ms() <= NOW.ms() + 300_000), "of the future"),
            Signal::Person { links, .. } => assert!(!links.is_empty(), "about nobody"),
            Signal::Unparsed { raw, .. } => assert!(raw.len() <= bytes.len(), "longer than what came"),
            Signal::Page { order: PageOrder::Blocked { reason, .. } | PageOrder::Warned { reason }, .. } => {
                assert!(
                    reason.chars().count() <= 300 && !reason.contains(char::is_control),
                    "a reason that is no line"
                );
            }
            Signal::Page { order: PageOrder::Unblocked { .. }, .. } => {}
            _ => unreachable!("no event is a command"),
        }
    }
}

/// The field of a deletion or deauthorisation request: the bytes as they came, and as the payload of one that is well
/// signed, since hardly any other bytes get past the signature.
pub fn signed_request(bytes: &[u8]) {
    const SECRET: &str = "test-login-secret";
    let payload = BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let signature = BASE64_URL_SAFE_NO_PAD.encode(hmac_sha256(SECRET.as_bytes(), &[payload.as_bytes()]));
    judge_signed(&format!("{signature}.{payload}"), SECRET);
    if let Ok(text) = std::str::from_utf8(bytes) {
        judge_signed(text, SECRET);
    }
}

fn judge_signed(text: &str, secret: &str) {
    let secrets = [SecretString::from(secret.to_owned())];
    if let Ok(asked) = signed::read(text, &secrets, NOW) {
        assert!(asked.issued_at.ms() <= NOW.ms() + 300_000 && !asked.user.as_str().is_empty());
        let other = [SecretString::from("another-secret".to_owned())];
        assert!(signed::read(text, &other, NOW).is_err(), "believed under two secrets");
    }
}

/// A configuration file.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // What a file names is read from the disk; a made-up directory keeps it from finding anything.
    if text.contains("/dev") || text.contains("/proc") || text.contains("/sys") {
        return;
    }
    match config::read_text(text, Path::new("/nonexistent/firstword.toml"), &Environment::default()) {
        Ok(config) => assert!(!config.pages.is_empty(), "no page, and no fault"),
        Err(faults) => assert!(!faults.to_string().is_empty(), "a fault that says nothing"),
    }
}

/// A file of opt-ins; its first byte says how it is read.
pub fn import(bytes: &[u8]) {
    let Some((how, bytes)) = bytes.split_first() else { return };
    let format = match how % 3 {
        0 => Some(Format::Csv),
        1 => Some(Format::Jsonl),
        _ => None,
    };
    let lines = bytes.split(|byte| *byte == b'\n').count();
    if let Ok((good, bad)) = judge_import(bytes, format, NOW) {
        assert!(good + bad <= u64::try_from(lines).unwrap_or(u64::MAX), "more lines than there are");
    }
}
