//! Floor 2: the client of the platform's Send API. One call, one answer, no retries of its own.
//!
//! | file | holds |
//! |---|---|
//! | [`gate`] | the last look before a body leaves |
//! | `wire` | the request's body and the answer's |
//! | [`verdict`] | what an answer means: a table with a row for each known error |
//! | `graph` | harmless questions about a page: token, permissions, webhooks, version, clock |
//! | [`usage`] | how much of its allowance a page has used, by the headers |

pub mod gate;
mod graph;
pub mod usage;
pub mod verdict;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use http_body_util::Full;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderValue};
use reqwest::{Body, Client, Url, redirect};
use secrecy::{ExposeSecret, SecretString};

use crate::clock::Clock;
use crate::domain::ids::{LoginId, PageId};
use crate::domain::keyed::appsecret_proof;
use crate::domain::optin::Reason;
use crate::domain::outcome::{Ending, Outcome, Then};
use crate::domain::time::{Timestamp, millis};
use gate::{Gate, Gated};
use usage::Usage;
use verdict::Answer;

/// The longest answer we read; a longer one is no answer of the Send API.
const LONGEST_ANSWER: usize = 1024 * 1024;
/// Idle connections are closed by us before the platform closes them: a request that meets a closing connection
/// after its body left would leave a person uncertain.
const IDLE: Duration = Duration::from_secs(15);
/// How long an answer is looked for when its time is over. A process that wakes from a freeze finds both at once, the
/// time-out and the answer that came meanwhile; the answer takes a few steps to be read, and is what counts.
const AFTERWARDS: Duration = Duration::from_millis(200);
/// The furthest the platform's clock is believed to be ahead of ours.
const FURTHEST_AHEAD: Duration = Duration::from_hours(1);

/// How to reach the platform.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the Graph API is, without a trailing slash.
    pub graph_url: String,
    /// Its version, such as `v26.0`.
    pub api_version: String,
    /// From the first byte of the body to the whole answer.
    pub request_timeout: Duration,
    /// Whether errors that say they are temporary count as uncertain.
    pub doubt_transient: bool,
    /// This node's name, for the user agent.
    pub node: String,
}

/// Everything about a page that a request needs, prepared once.
#[derive(Debug, Clone)]
pub struct Sender {
    url: Url,
    authorization: HeaderValue,
    page: PageId,
    token: SecretString,
    app_secret: Option<SecretString>,
}

/// What came of one call.
#[derive(Debug, Clone)]
pub struct Sent {
    /// How the attempt ended; `None` if the gate refused, so that nothing left.
    pub ending: Option<Ending>,
    /// What the headers say about the page's allowance.
    pub usage: Option<Usage>,
}

impl Sent {
    /// Nothing left, and nothing will.
    pub const GIVEN_BACK: Self = Self { ending: None, usage: None };
}

/// The client.
#[derive(Debug)]
pub struct Messenger {
    http: Client,
    settings: Settings,
    clock: Arc<dyn Clock>,
    /// How far the platform's clock is ahead of store time, in milliseconds; never negative.
    ahead: AtomicI64,
}

impl Messenger {
    /// A client for one platform.
    ///
    /// # Errors
    /// If the operating system's TLS roots cannot be read, or the user agent is not a header value.
    pub fn new(settings: Settings, clock: Arc<dyn Clock>) -> reqwest::Result<Self> {
        // The HTTP client was built without TLS of its own; where something else was chosen already, that serves.
        _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder()
            .user_agent(format!("firstword/{} (node {})", env!("CARGO_PKG_VERSION"), settings.node))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .http1_only()
            .tcp_nodelay(true)
            .pool_idle_timeout(IDLE)
            .build()?;
        Ok(Self { http, settings, clock, ahead: AtomicI64::new(0) })
    }

    /// Prepares a page's requests. `app_secret` is that of the app that issued the token, for `appsecret_proof`.
    ///
    /// # Errors
    /// Says whether the page's id or its token cannot be part of a request.
    pub fn sender(
        &self,
        page: &PageId,
        token: &SecretString,
        app_secret: Option<&SecretString>,
    ) -> Result<Sender, String> {
        let Settings { graph_url, api_version, .. } = &self.settings;
        let mut url = Url::parse(&format!("{graph_url}/{api_version}/{page}/messages"))
            .map_err(|error| format!("page {page}: {graph_url} with this page id is no URL: {error}"))?;
        if let Some(secret) = app_secret {
            let proof = appsecret_proof(secret.expose_secret(), token.expose_secret());
            url.query_pairs_mut().append_pair("appsecret_proof", &proof);
        }
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
            .map_err(|_| format!("page {page}: the access token has a character that cannot be in a header"))?;
        authorization.set_sensitive(true);
        Ok(Sender { url, authorization, page: page.clone(), token: token.clone(), app_secret: app_secret.cloned() })
    }

    /// How far the platform's clock is ahead of store time, by the latest answer's `Date`.
    #[must_use]
    pub fn ahead(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.ahead.load(Ordering::Relaxed)).unwrap_or(0))
    }

    /// Sends one message to one person. The body leaves only if the gate lets it.
    pub async fn send(&self, sender: &Sender, login: &LoginId, message: &str, gate: &Arc<Gate>) -> Sent {
        let body = Gated::new(Full::from(wire::request(login, message)), Arc::clone(gate));
        let call = self
            .http
            .post(sender.url.clone())
            .header(AUTHORIZATION, sender.authorization.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(Body::wrap(body))
            .send();
        tokio::pin!(call);
        let early = tokio::select! {
            answer = &mut call => Some(answer),
            timed_out = gate.timed_out() => {
                if timed_out {
                    return ended(Ending::explained(Outcome::Retry(Then::Again), "no connection in time"));
                }
                if gate.is_refused() {
                    return Sent::GIVEN_BACK;
                }
                None
            }
        };
        let whole = async {
            let answer = match early {
                Some(answer) => answer,
                None => call.await,
            }?;
            read(answer).await
        };
        tokio::pin!(whole);
        let in_time = match tokio::time::timeout(self.settings.request_timeout, &mut whole).await {
            Ok(answer) => Ok(answer),
            Err(_) => tokio::time::timeout(AFTERWARDS, whole).await,
        };
        match in_time {
            Ok(Ok((status, headers, body))) => self.judge(status, &headers, &body),
            Ok(Err(error)) => broken(gate, &error),
            Err(_) => ended(Ending::explained(Outcome::Uncertain(Reason::Timeout), "no answer in time")),
        }
    }

    fn judge(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> Sent {
        self.compare_clocks(headers);
        let usage = Usage::read(headers);
        let answer = Answer { status, body, regain: usage.and_then(|usage| usage.regain) };
        Sent { ending: Some(verdict::judge(&answer, self.settings.doubt_transient)), usage }
    }

    fn compare_clocks(&self, headers: &HeaderMap) {
        if let Some(platform) = date(headers) {
            let ahead = platform.since(self.clock.now()).min(FURTHEST_AHEAD);
            self.ahead.store(millis(ahead), Ordering::Relaxed);
        }
    }
}

/// The platform's clock, to the second.
fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let date = headers.get(DATE)?.to_str().ok()?;
    Some(Timestamp::from_ms(chrono::DateTime::parse_from_rfc2822(date).ok()?.timestamp_millis()))
}

async fn read(mut response: reqwest::Response) -> reqwest::Result<(u16, HeaderMap, Vec<u8>)> {
    let status = response.status().as_u16();
    let headers = std::mem::take(response.headers_mut());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST_ANSWER {
            break;
        }
    }
    Ok((status, headers, body))
}

/// The connection failed: before the gate nothing left, after it nobody knows.
fn broken(gate: &Gate, error: &reqwest::Error) -> Sent {
    if gate.is_refused() {
        return Sent::GIVEN_BACK;
    }
    let what = describe(error);
    // Whatever still holds the body must not let it go any more.
    if gate.close() {
        return ended(Ending::explained(Outcome::Retry(Then::Again), format!("could not be sent: {what}")));
    }
    ended(Ending::explained(Outcome::Uncertain(Reason::Reset), format!("the connection broke: {what}")))
}

fn ended(ending: Ending) -> Sent {
    Sent { ending: Some(ending), usage: None }
}

/// What broke, without the URL: it names the page and carries the proof.
fn describe(error: &reqwest::Error) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    if deepest.is::<reqwest::Error>() { "no connection".to_owned() } else { deepest.to_string() }
}
