//! A house of one room: the router over a store, a clock that stands still, and a second way into the database.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use firstword::clock::ManualClock;
use firstword::domain::ids::PageId;
use firstword::domain::keyed::hmac_sha256;
use firstword::domain::policy::Policy;
use firstword::domain::time::Timestamp;
use firstword::intake::{Derivation, Intake, Settings, StopWords, router};
use firstword::metrics::Metrics;
use firstword::store::Store;
use secrecy::SecretString;
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgPool, SqlitePool};
use tokio::sync::watch;
use tower::ServiceExt;

/// When everything happens: shortly after the times in the fixtures.
pub(crate) const NOW: Timestamp = Timestamp::from_ms(1_780_315_200_000);

enum Raw {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

pub(crate) struct House {
    pub(crate) store: Store,
    metrics: Arc<Metrics>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) settings: watch::Sender<Arc<Settings>>,
    router: axum::Router,
    raw: Raw,
    _dir: Option<tempfile::TempDir>,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

pub(crate) fn secret(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

pub(crate) fn settings() -> Settings {
    Settings {
        app_secrets: vec![secret("old-secret"), secret("test-app-secret")],
        login_secrets: vec![secret("old-login-secret"), secret("test-login-secret")],
        public_url: Some("https://site.example".into()),
        verify_token: Some(secret("verify-me")),
        api_token: Some(secret("site-token")),
        app_id: Some("5550001".into()),
        login: Some(Derivation { app_id: "2002".into(), client_token: secret("test-client-token") }),
        stop_words: StopWords::new(&["stop".to_owned()]),
        max_body: 100_000,
    }
}

impl House {
    pub(crate) async fn sqlite() -> Self {
        Self::with(settings()).await
    }

    /// On SQLite, as an operator set it up.
    pub(crate) async fn with(settings: Settings) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/firstword.db", dir.path().display());
        let store = Store::open(&url).await.unwrap();
        let raw = Raw::Sqlite(SqlitePool::connect(&url).await.unwrap());
        Self { _dir: Some(dir), ..Self::around(store, raw, settings).await }
    }

    pub(crate) async fn postgres() -> Self {
        let url = crate::support::postgres().await;
        let store = Store::open(&url).await.unwrap();
        let raw = Raw::Postgres(PgPool::connect(&url).await.unwrap());
        Self::around(store, raw, settings()).await
    }

    async fn around(store: Store, raw: Raw, settings: Settings) -> Self {
        let pages = ["200300400500", "3003"].map(|page| PageId::new(page).unwrap());
        store.govern(Policy::default(), pages).await.unwrap();
        let metrics = Arc::new(Metrics::default());
        let clock = Arc::new(ManualClock::at(NOW));
        let (settings, reader) = watch::channel(Arc::new(settings));
        let intake =
            Intake::new(Arc::new(store.clone()), Arc::<ManualClock>::clone(&clock), reader, Arc::clone(&metrics));
        Self { store, metrics, clock, settings, router: router(intake), raw, _dir: None }
    }

    pub(crate) async fn ask(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let text = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, text }
    }

    pub(crate) fn router(&self) -> axum::Router {
        self.router.clone()
    }

    pub(crate) fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.metrics)
    }

    /// How many rows a table has.
    pub(crate) async fn rows(&self, table: &str) -> i64 {
        self.number(&format!("SELECT count(*) FROM {table}")).await
    }

    pub(crate) async fn number(&self, query: &str) -> i64 {
        let query = AssertSqlSafe(query.to_owned());
        match &self.raw {
            Raw::Sqlite(pool) => sqlx::query_scalar(query).fetch_one(pool).await.unwrap(),
            Raw::Postgres(pool) => sqlx::query_scalar(query).fetch_one(pool).await.unwrap(),
        }
    }

    pub(crate) async fn sql(&self, text: &str) {
        let query = sqlx::raw_sql(AssertSqlSafe(text.to_owned()));
        match &self.raw {
            Raw::Sqlite(pool) => _ = query.execute(pool).await.unwrap(),
            Raw::Postgres(pool) => _ = query.execute(pool).await.unwrap(),
        }
    }

    /// A counter, as Prometheus reads it.
    pub(crate) fn counted(&self, counter: &str, label: &str) -> u64 {
        let (text, start) = (self.metrics.render(), format!("firstword_{counter}_total{{{label}}} "));
        text.lines().find_map(|line| line.strip_prefix(&start)).map_or(0, |count| count.parse().unwrap())
    }

    pub(crate) fn events(&self, kind: &str) -> u64 {
        self.counted("webhook_events", &format!("kind=\"{kind}\""))
    }

    pub(crate) fn refused(&self, why: &str) -> u64 {
        self.counted("webhook_refused", &format!("why=\"{why}\""))
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// The kind of the problem it tells of.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json");
        let json = self.json();
        assert_eq!(json["status"], self.status.as_u16());
        assert!(json["title"].is_string() && json["detail"].is_string());
        json["type"].as_str().unwrap().strip_prefix("urn:firstword:problem:").unwrap().to_owned()
    }
}

pub(crate) fn signature(key: &str, body: &[u8]) -> String {
    format!("sha256={}", hex::encode(hmac_sha256(key.as_bytes(), &[body])))
}

/// A webhook, rightly signed.
pub(crate) fn hook(body: impl Into<Vec<u8>>) -> Request<Body> {
    let body = body.into();
    let signed = signature("test-app-secret", &body);
    Request::post("/webhook").header("X-Hub-Signature-256", signed).body(Body::from(body)).unwrap()
}

pub(crate) fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

pub(crate) fn get(uri: &str) -> Request<Body> {
    Request::get(uri).body(Body::empty()).unwrap()
}

/// What the site posts.
pub(crate) fn site(body: impl Into<Body>) -> Request<Body> {
    Request::post("/optins")
        .header("Authorization", "Bearer site-token")
        .header("Content-Type", "application/json; charset=utf-8")
        .body(body.into())
        .unwrap()
}

/// A body that comes in pieces, its length unknown; an empty piece breaks it off.
pub(crate) fn pieces(pieces: Vec<Vec<u8>>) -> Body {
    struct Pieces(std::vec::IntoIter<Vec<u8>>);
    impl http_body::Body for Pieces {
        type Data = bytes::Bytes;
        type Error = std::io::Error;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, std::io::Error>>> {
            let frame = |piece: Vec<u8>| {
                let frame = http_body::Frame::data(piece.into());
                if frame.data_ref().is_some_and(bytes::Bytes::is_empty) {
                    return Err(std::io::Error::other("gone"));
                }
                Ok(frame)
            };
            std::task::Poll::Ready(self.0.next().map(frame))
        }
    }
    Body::new(Pieces(pieces.into_iter()))
}
