//! Floor 3: what comes in over HTTP. Requests become [signals](crate::domain::signal) for the store, and are answered
//! only when the store has committed them. Knows nothing of sending.
//!
//! | file | holds |
//! |---|---|
//! | `webhook` | `GET /webhook`, the handshake; `POST /webhook`, the platform's events |
//! | `signature` | whether a body comes from the platform |
//! | [`event`] | a signed body as signals |
//! | [`StopWords`] | whether a message says stop |
//! | `api` | `POST /optins`, the site's login callback |
//! | `body` `plausible` `problem` | bounded bodies, believable times, refusals (RFC 9457) |
//!
//! Nothing here logs a secret, an identifier of a person, or a text.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use secrecy::SecretString;

use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::store::Store;

mod api;
mod body;
pub mod event;
mod plausible;
mod problem;
mod signature;
mod stop;
mod webhook;

pub use stop::StopWords;

/// Everything a request may touch.
#[derive(Clone)]
pub struct Intake {
    /// Where signals go.
    pub store: Arc<Store>,
    /// Store time.
    pub clock: Arc<dyn Clock>,
    /// What the operator chose.
    pub settings: Arc<Settings>,
    /// Counters.
    pub metrics: Arc<Metrics>,
}

/// What the operator chose.
#[derive(Debug, Default)]
pub struct Settings {
    /// Secrets of the app that gets the webhooks, more than one during a rotation. None: every webhook is refused.
    pub app_secrets: Vec<SecretString>,
    /// What the handshake must bring.
    pub verify_token: Option<SecretString>,
    /// The bearer token of `POST /optins`.
    pub api_token: Option<SecretString>,
    /// The app that sends: echoes of another one's messages show that it wrote first.
    pub app_id: Option<String>,
    /// How to compute a `login_id` from an app-scoped user id.
    pub login: Option<Derivation>,
    /// Words that mean stop.
    pub stop_words: StopWords,
    /// The longest body, in bytes.
    pub max_body: usize,
}

/// The login app, as far as a `login_id` depends on it; see
/// [`derive_login_id`](crate::domain::keyed::derive_login_id).
#[derive(Debug)]
pub struct Derivation {
    /// Its id.
    pub app_id: String,
    /// Its client token, which is not its secret.
    pub client_token: SecretString,
}

/// The routes. Limits on time and connections are the server's.
pub fn router(state: Intake) -> Router {
    Router::new()
        .route("/webhook", get(webhook::handshake).post(webhook::receive))
        .route("/optins", post(api::receive))
        .with_state(state)
}
