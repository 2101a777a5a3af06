//! Floor 2: telling others over HTTP: one request with a time-out, no redirects, no proxy. Addresses are secrets: no
//! error quotes one.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, RequestBuilder, redirect};
use secrecy::{ExposeSecret, SecretString};

use crate::domain::keyed::hmac_sha256;
use crate::domain::time::Timestamp;

/// How long a receiver may take.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The client.
#[derive(Debug, Clone)]
pub struct Post {
    http: Client,
}

impl Post {
    /// A client.
    ///
    /// # Errors
    /// If the operating system's TLS roots cannot be read.
    pub fn new() -> reqwest::Result<Self> {
        // Where something else was chosen already, that serves.
        _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder()
            .user_agent(concat!("firstword/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .http1_only()
            .timeout(PATIENCE)
            .build()?;
        Ok(Self { http })
    }

    /// Posts a JSON text.
    ///
    /// # Errors
    /// Why it did not arrive: anything but an answer of the 200s.
    pub async fn json(
        &self,
        url: &SecretString,
        headers: &[(&'static str, String)],
        body: String,
    ) -> Result<(), String> {
        let request = self.http.post(url.expose_secret()).header(CONTENT_TYPE, "application/json").body(body);
        ask(headers.iter().fold(request, |request, (name, value)| request.header(*name, value))).await
    }

    /// Calls an address.
    ///
    /// # Errors
    /// As [`json`](Self::json).
    pub async fn call(&self, url: &SecretString) -> Result<(), String> {
        ask(self.http.get(url.expose_secret())).await
    }
}

async fn ask(request: RequestBuilder) -> Result<(), String> {
    match request.send().await {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(format!("answered {}", answer.status().as_u16())),
        Err(error) if error.is_timeout() => Err(format!("no answer within {PATIENCE:?}")),
        Err(error) => Err(describe(&error)),
    }
}

/// What broke, without the address.
fn describe(error: &reqwest::Error) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    if deepest.is::<reqwest::Error>() { "cannot be called".to_owned() } else { deepest.to_string() }
}

/// The headers that prove to a receiver who sends this, when, and as what: the scheme of
/// <https://www.standardwebhooks.com>. Signed is `id.timestamp.body`, with HMAC-SHA256; the timestamp is in seconds. The
/// key is the secret's text, or where it begins with `whsec_`, what the rest of it is in Base64.
#[must_use]
pub fn signed(secret: &SecretString, id: &str, at: Timestamp, body: &str) -> [(&'static str, String); 3] {
    let timestamp = (at.ms() / 1000).to_string();
    let text = secret.expose_secret();
    let decoded = text.strip_prefix("whsec_").and_then(|rest| STANDARD.decode(rest).ok());
    let key = decoded.as_deref().unwrap_or(text.as_bytes());
    let parts = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body.as_bytes()];
    let signature = format!("v1,{}", STANDARD.encode(hmac_sha256(key, &parts)));
    [("webhook-id", id.to_owned()), ("webhook-timestamp", timestamp), ("webhook-signature", signature)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn signatures_are_those_of_standard_webhooks() {
        let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let at = Timestamp::from_ms(1_614_265_330_999);
        let headers = signed(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, r#"{"test": 2432232314}"#);
        assert_eq!(headers[1], ("webhook-timestamp", "1614265330".to_owned()));
        assert_eq!(headers[2].1, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let plain = signed(&SecretString::from("text"), "1", at, "{}");
        assert_ne!(plain[2].1, signed(&SecretString::from("texs"), "1", at, "{}")[2].1);
    }

    #[tokio::test]
    async fn errors_name_no_address() {
        let url = SecretString::from("http://127.0.0.1:9/secret-path");
        let why = Post::new().unwrap().call(&url).await.unwrap_err();
        assert!(!why.contains("secret-path") && !why.is_empty(), "{why}");
    }
}
