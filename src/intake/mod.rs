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
//! | [`privacy`] | `POST /data-deletion`, `POST /deauthorize`, and the page on which a deletion is seen |
//! | [`openapi`] | `GET /openapi.json`: all of it, described |
//! | `body` `plausible` [`problem`] | bounded bodies, believable times, refusals (RFC 9457) |
//! | `memory` `notice` | what is said once instead of a thousand times |
//!
//! Nothing here logs a secret, an identifier of a person, or a text.

use std::sync::Arc;

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::domain::alert::{Alert, Kind};
use crate::domain::ids::{LoginId, PageId};
use crate::domain::keyed::derive_login_id;
use crate::domain::time::Timestamp;
use crate::metrics::Metrics;
use crate::store::Store;

mod api;
mod body;
pub mod event;
mod memory;
mod notice;
pub mod openapi;
mod plausible;
pub mod privacy;
pub mod problem;
mod signature;
mod stop;
mod webhook;

pub use stop::StopWords;

/// Everything a request may touch. Cheap to clone.
#[derive(Clone)]
pub struct Intake {
    /// Where signals go.
    store: Arc<Store>,
    /// Store time.
    clock: Arc<dyn Clock>,
    /// What the operator chose, as it is now: a reload changes secrets while requests come in.
    settings: watch::Receiver<Arc<Settings>>,
    /// Counters.
    metrics: Arc<Metrics>,
    /// What was said already.
    memory: Arc<memory::Memory>,
    /// The room of all bodies together.
    room: body::Room,
}

/// What the operator chose.
#[derive(Debug, Default)]
pub struct Settings {
    /// Secrets of the app that gets the webhooks, more than one during a rotation. None: every webhook is refused.
    pub app_secrets: Vec<SecretString>,
    /// Secrets of the app people log in with: signed requests are checked with them.
    pub login_secrets: Vec<SecretString>,
    /// What the handshake must bring.
    pub verify_token: Option<SecretString>,
    /// The bearer token of `POST /optins`.
    pub api_token: Option<SecretString>,
    /// The app that sends: echoes of another one's messages show that it wrote first.
    pub app_id: Option<String>,
    /// How to compute a `login_id` from an app-scoped user id.
    pub login: Option<Derivation>,
    /// How the outside reaches us, without a slash at the end: the page of a deletion has an address there.
    pub public_url: Option<String>,
    /// Words that mean stop.
    pub stop_words: StopWords,
    /// The longest body, in bytes. The room of all bodies together follows the first value.
    pub max_body: usize,
}

/// The login app, as far as a `login_id` depends on it; see [`derive_login_id`].
#[derive(Debug)]
pub struct Derivation {
    /// Its id.
    pub app_id: String,
    /// Its client token, which is not its secret.
    pub client_token: SecretString,
}

impl Derivation {
    /// The `login_id` of a person on a page. It always is one: hex digits.
    #[must_use]
    pub fn login_id(&self, app_scoped_id: &str, page: &PageId) -> Option<LoginId> {
        let login = derive_login_id(self.client_token.expose_secret(), &self.app_id, app_scoped_id, page);
        LoginId::new(&login).ok()
    }
}

impl Intake {
    /// Intake for a store.
    #[must_use]
    pub fn new(
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
        settings: watch::Receiver<Arc<Settings>>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let room = body::Room::for_bodies_of(settings.borrow().max_body);
        Self { store, clock, settings, metrics, memory: Arc::default(), room }
    }

    fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.borrow())
    }

    /// A well-formed signature does not hold. The platform never signs badly: once there are several, a secret here is
    /// wrong, a proxy changes bodies, or somebody tries.
    async fn bad_signature(&self, key: &'static str, now: Timestamp) {
        if self.memory.may_tell(format!("signature {key}"), now) {
            tracing::warn!(key, "refused: a signature does not hold under this secret");
        }
        if let Some(times) = self.memory.bad_signature(key, now) {
            let alert = Alert::new(Kind::BadSignatures, key, "signatures do not hold under it");
            self.raise(alert.times(times), now).await;
        }
    }

    /// Raises an alert, at most once a minute for the same cause.
    async fn tell(&self, alert: Alert, now: Timestamp) {
        if self.memory.may_tell(format!("{} {}", alert.kind, alert.cause), now) {
            self.raise(alert, now).await;
        }
    }

    async fn raise(&self, alert: Alert, now: Timestamp) {
        let kind = alert.kind;
        tracing::warn!(%kind, cause = alert.cause, detail = alert.detail, "alert");
        if let Err(error) = self.store.raise(alert, now).await {
            tracing::warn!(%kind, error = error.chain(), "an alert could not be stored");
        }
    }
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intake").finish_non_exhaustive()
    }
}

/// The routes. Limits on time and connections are the server's.
pub fn router(state: Intake) -> Router {
    Router::new()
        .route("/webhook", get(webhook::handshake).post(webhook::receive))
        .route("/optins", post(api::receive))
        .route("/data-deletion", post(privacy::delete))
        .route("/deauthorize", post(privacy::deauthorize))
        .route("/deletion/{code}", get(privacy::page::show))
        .route("/openapi.json", get(openapi::serve))
        .method_not_allowed_fallback(async || problem::Problem::method_not_allowed().into_response())
        .fallback(async || problem::Problem::not_found("There is nothing at this address.").into_response())
        .with_state(state)
}
