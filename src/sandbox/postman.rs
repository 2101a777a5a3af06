//! Sending webhooks: signed, and again until they are acknowledged, as the platform does.

use std::io;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;

use super::platform::Platform;
use super::sign;

/// How long the platform waits for an answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// The first pause before trying again. The platform takes its time over a day; a test has no day.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause before trying again.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What came of one try.
enum Try {
    Acknowledged,
    Refused,
    Again,
}

/// The client for webhooks.
///
/// # Errors
/// When TLS cannot be set up.
pub(super) fn client() -> io::Result<reqwest::Client> {
    if rustls::crypto::CryptoProvider::get_default().is_none()
        && rustls::crypto::ring::default_provider().install_default().is_err()
    {
        tracing::trace!("another part of the process chose its TLS provider first");
    }
    let client = reqwest::Client::builder().timeout(PATIENCE).redirect(Policy::none()).no_proxy().build();
    client.map_err(io::Error::other)
}

impl Platform {
    /// Sends a webhook until it is acknowledged, refused with 4xx, or the sandbox stops. Says whether it was
    /// acknowledged.
    pub(super) async fn post(&self, body: String) -> bool {
        let Some(callback) = &self.callback else { return false };
        let tries = async {
            let mut pause = FIRST_PAUSE;
            loop {
                match self.try_post(callback, body.clone()).await {
                    Try::Acknowledged => break true,
                    Try::Refused => break false,
                    Try::Again => {}
                }
                // Half to one and a half of it, so that many that failed together do not come back together.
                tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
                pause = LONGEST_PAUSE.min(pause * 2);
                self.count(|report| report.webhooks.retried += 1);
            }
        };
        let acknowledged = self.stop.run_until_cancelled(tries).await.unwrap_or(false);
        self.count(|report| {
            report.webhooks.accepted += u64::from(acknowledged);
            report.webhooks.failed += u64::from(!acknowledged);
        });
        acknowledged
    }

    async fn try_post(&self, callback: &str, body: String) -> Try {
        // The semaphore is never closed.
        let _permit = self.posts.acquire().await;
        self.count(|report| report.webhooks.sent += 1);
        let mut request = self.client.post(callback).header(CONTENT_TYPE, "application/json");
        if let Some(secret) = &self.app_secret {
            request = request.header("X-Hub-Signature-256", sign::webhook_signature(secret, body.as_bytes()));
        }
        verdict(request.body(body).send().await.map(|answer| answer.status()).ok())
    }
}

/// What an answer, or the lack of one, means for the webhook.
fn verdict(answer: Option<StatusCode>) -> Try {
    match answer {
        Some(status) if status.is_success() => Try::Acknowledged,
        Some(StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS) => Try::Again,
        Some(status) if status.is_client_error() => {
            tracing::warn!(%status, "the callback refused a webhook; giving it up");
            Try::Refused
        }
        // The rest, an unreachable callback included, is what retries are for; they are counted.
        Some(_) | None => Try::Again,
    }
}
