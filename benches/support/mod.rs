//! What the benchmarks share: a sink that says yes, and a house with a store and a client in it.

#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]
#![allow(dead_code, unreachable_pub, missing_docs, clippy::allow_attributes, reason = "each benchmark uses its part")]

#[path = "../../tests/support/pg.rs"]
mod pg;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use firstword::clock::{Clock, SystemClock};
use firstword::deliver::{self, Delivery, InFlight};
use firstword::domain::budget::Budget;
use firstword::domain::ids::PageId;
use firstword::domain::message::Template;
use firstword::domain::optin::State;
use firstword::domain::policy::Policy;
use firstword::domain::signal::{NewOptIn, Signal, Source};
use firstword::domain::time::Timestamp;
use firstword::messenger::{Messenger, Sender, Settings};
use firstword::pulse::Pulse;
use firstword::store::Store;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use secrecy::SecretString;
use sqlx::Connection;
use tokio::net::TcpListener;

pub const PAGE: &str = "1000";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// A server that reads a request and accepts it.
pub struct Sink {
    pub addr: SocketAddr,
    pub accepted: Arc<AtomicUsize>,
}

impl Sink {
    pub async fn start(latency: Duration) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        let serve = async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let count = Arc::clone(&count);
                let service = service_fn(move |request| answer(request, latency, Arc::clone(&count)));
                connections.spawn(async move {
                    // The client closes when it is done.
                    _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        };
        std::mem::forget(tokio::task::JoinSet::from_iter([serve]));
        Self { addr, accepted }
    }
}

async fn answer(
    request: Request<Incoming>,
    latency: Duration,
    count: Arc<AtomicUsize>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    // A request cut short is not counted.
    if request.into_body().collect().await.is_err() {
        return Ok(Response::new(Full::default()));
    }
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let number = count.fetch_add(1, Ordering::Relaxed);
    Ok(Response::new(Full::from(format!(r#"{{"message_id":"m_{number:032}"}}"#))))
}

/// A store, a client, and what lies between them.
#[derive(Clone)]
pub struct House {
    pub store: Store,
    pub messenger: Arc<Messenger>,
    pub sender: Arc<Sender>,
    pub template: Template,
    pub clock: Arc<SystemClock>,
    accepted: Arc<AtomicUsize>,
    accepted_before: usize,
    dir: PathBuf,
    pub url: String,
}

impl House {
    pub async fn build(engine: Engine, sink: &Sink) -> Self {
        let dir = std::env::temp_dir().join(format!("firstword-bench-{:x}", fastrand::u64(..)));
        std::fs::create_dir_all(&dir).unwrap();
        let url = match engine {
            Engine::Sqlite => format!("sqlite://{}", dir.join("bench.db").display()),
            Engine::Postgres => pg::database("durable", migrate).await,
        };
        let store = Store::open(&url).await.unwrap();
        store.govern(Policy::default(), [PageId::new(PAGE).unwrap()]).await.unwrap();
        let clock = Arc::new(SystemClock::new());
        let settings = Settings {
            graph_url: format!("http://{}", sink.addr),
            api_version: "v26.0".into(),
            request_timeout: Duration::from_secs(10),
            doubt_transient: false,
            node: "bench".into(),
        };
        let shared: Arc<dyn Clock> = Arc::<SystemClock>::clone(&clock);
        let messenger = Arc::new(Messenger::new(settings, shared).unwrap());
        let (token, secret) = (SecretString::from("token"), SecretString::from("secret"));
        let sender = messenger.sender(&PageId::new(PAGE).unwrap(), &token, Some(&secret)).unwrap();
        let (template, _) = Template::parse(include_str!("../../messages/welcome.json")).unwrap();
        let accepted = Arc::clone(&sink.accepted);
        Self { store, messenger, sender: Arc::new(sender), template, clock, accepted, accepted_before: 0, dir, url }
    }

    /// The database's own word about durability. What SQLite's connections are set to, a test of the store asserts.
    pub async fn settings(&self) -> String {
        if self.url.starts_with("sqlite") {
            return "WAL, synchronous=FULL".into();
        }
        let mut conn = sqlx::PgConnection::connect(&self.url).await.unwrap();
        let mut words = Vec::new();
        for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
            let text = "SELECT current_setting($1)";
            let value: String = sqlx::query_scalar(text).bind(setting).fetch_one(&mut conn).await.unwrap();
            words.push(format!("{setting}={value}"));
        }
        conn.close().await.unwrap();
        words.join(", ")
    }

    pub async fn opt_in(&self, numbers: Range<usize>) {
        let now = self.clock.now();
        for chunk in numbers.collect::<Vec<_>>().chunks(4000) {
            let signals = chunk.iter().map(|number| {
                Signal::OptIn(NewOptIn {
                    page: PageId::new(PAGE).unwrap(),
                    login: login(*number).as_str().to_owned().try_into().unwrap(),
                    at: Some(now),
                    locale: None,
                    reference: None,
                    source: Source::Operator,
                })
            });
            self.store.apply(signals.collect(), now).await.unwrap();
        }
    }

    /// The attempts so far: number, message, `login_id`.
    pub async fn messages(&self) -> Vec<(i64, String, String)> {
        const ALL: &str =
            "SELECT a.id, a.message_id, o.login_id FROM attempts AS a JOIN optins AS o ON o.id = a.optin_id";
        if self.url.starts_with("sqlite") {
            let mut conn = sqlx::SqliteConnection::connect(&self.url).await.unwrap();
            return sqlx::query_as(ALL).fetch_all(&mut conn).await.unwrap();
        }
        let mut conn = sqlx::PgConnection::connect(&self.url).await.unwrap();
        sqlx::query_as(ALL).fetch_all(&mut conn).await.unwrap()
    }

    /// Takes the sink's count as the beginning.
    pub fn begin(&mut self) {
        self.accepted_before = self.accepted.load(Ordering::Relaxed);
    }

    pub fn delivery(&self, in_flight: usize) -> Arc<Delivery> {
        let page = deliver::Page {
            id: PageId::new(PAGE).unwrap(),
            budget: Budget::per_second(1_000_000.0),
            template: self.template.clone(),
            credential: "0".into(),
        };
        let (messenger, sender) = (Arc::clone(&self.messenger), Arc::clone(&self.sender));
        let pulse = Arc::new(Pulse::default());
        pulse.sampled(self.clock.boot());
        Arc::new(Delivery {
            store: self.store.clone(),
            clock: Arc::<SystemClock>::clone(&self.clock),
            pages: tokio::sync::watch::channel(Arc::new(vec![page])).1,
            node: "bench".into(),
            window: Policy::default().window,
            limits: deliver::Limits { max_in_flight: in_flight, poll_interval: Duration::from_secs(1) },
            post: Arc::new(move |letter| {
                let (messenger, sender) = (Arc::clone(&messenger), Arc::clone(&sender));
                Box::pin(async move { messenger.send(&sender, &letter.login, &letter.message, &letter.gate).await })
            }),
            ask: Arc::new(|_| Box::pin(async { deliver::Answer::Fine })),
            ahead: Arc::new(|| Duration::ZERO),
            reach: deliver::everybody(),
            inflight: Arc::new(InFlight::default()),
            pace: deliver::Pace::new(in_flight),
            metrics: Arc::default(),
            pulse,
        })
    }

    /// Waits until nobody is to be sent to or under way. What is asked of the store is cheap: it costs the sends time.
    pub async fn until_sent(&self, count: usize) {
        loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            // The sink knows when it is worth asking.
            if self.accepted.load(Ordering::Relaxed) >= self.accepted_before + count
                && self.store.at_risk(Timestamp::LATEST).await.unwrap().is_empty()
            {
                return;
            }
        }
    }

    /// How many the store has recorded as sent.
    pub async fn sent(&self) -> u64 {
        let counts = self.store.counts().await.unwrap();
        counts.iter().filter(|count| count.state == State::Sent).map(|count| count.count).sum()
    }

    pub async fn tear_down(self) {
        self.store.close().await;
        std::fs::remove_dir_all(&self.dir).unwrap();
    }
}

/// How the template database gets its schema: as every other database, by being opened.
fn migrate(url: String) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move { Store::open(&url).await.unwrap().close().await })
}

/// A login_id as long as the platform's own.
pub fn login(number: usize) -> String {
    firstword::domain::keyed::derive_login_id("bench", "1", &number.to_string(), &PageId::new(PAGE).unwrap())
}

pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
