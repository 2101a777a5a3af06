//! The listener: bounded connections and times, health and metrics at once, everything else as soon as the house
//! stands. Until then, and while the database is away, the platform gets 503 and comes again.

mod arrival;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::{Service, ServiceExt};
use tower_http::catch_panic::{CatchPanicLayer, ResponseForPanic};
use tower_http::timeout::DeadlineBody;

use arrival::{Arrival, Watched};

use crate::clock::Clock;
use crate::intake::problem::Problem;
use crate::metrics::Metrics;
use crate::pulse::Pulse;
use crate::store::Store;

/// How long the delivery loop may be silent before the service counts as ill.
const LONGEST_SILENCE: Duration = Duration::from_secs(15);
/// How long the database may take to answer the readiness check.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long connections may take to finish after the stop.
const DRAIN: Duration = Duration::from_secs(5);

/// The most headers of a request; more are answered with 431.
const MOST_HEADERS: usize = 64;
/// The largest head of a request, and what a connection buffers, in bytes; for one that is read in large pieces, twice
/// that.
const LARGEST_HEAD: usize = 32 * 1024;

/// What the listener allows.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Open connections; the next one is closed at once.
    pub max_connections: usize,
    /// How long a request may take until it is whole, head and body; and how long a connection may wait for one.
    pub body_timeout: Duration,
}

/// Which routes a listener has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// Everything on one address.
    All,
    /// What the platform and the site call.
    Public,
    /// Health and metrics.
    Admin,
}

/// The front of the house.
#[derive(Clone)]
pub struct Front {
    /// The pulse of the loops.
    pub pulse: Arc<Pulse>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The rooms behind, once they stand.
    pub house: Arc<OnceLock<(Router, Store)>>,
}

impl std::fmt::Debug for Front {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Front").field("stands", &self.house.get().is_some()).finish_non_exhaustive()
    }
}

/// Listens.
///
/// # Errors
/// If the address cannot be had.
pub async fn bind(addr: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(addr).await
}

/// Serves until told to stop; then finishes the requests under way.
pub async fn serve(listener: TcpListener, face: Face, front: Front, limits: Limits, stop: CancellationToken) {
    let house = Arc::clone(&front.house);
    let app = router(face, front);
    let places = Arc::new(Semaphore::new(limits.max_connections));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                    // The platform may have been among them.
                    house.get().into_iter().for_each(|(_, store)| store.note_refusal());
                    continue;
                };
                let (app, stop) = (app.clone(), stop.clone());
                connections.spawn(async move {
                    connection(stream, app, limits, stop).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    connections.close();
    if tokio::time::timeout(DRAIN, connections.wait()).await.is_err() {
        tracing::info!(open = connections.len(), "connections were cut at the stop");
    }
}

async fn connection(stream: TcpStream, app: Router, limits: Limits, stop: CancellationToken) {
    // Answers are small, and somebody waits for them.
    _ = stream.set_nodelay(true);
    give_up_on_the_dead(&stream, limits.body_timeout);
    let arrival = Arrival::default();
    let io = TokioIo::new(Watched::new(stream, arrival.clone()));
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let left = arrival.left(limits.body_timeout, tokio::time::Instant::now());
        let (app, arrival) = (app.clone(), arrival.clone());
        async move {
            let answer = app.oneshot(request.map(|body| Body::new(DeadlineBody::new(left, body)))).await;
            arrival.over();
            answer
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.body_timeout)
        .max_headers(MOST_HEADERS)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(io, service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::trace!(%error, "a connection ended early");
    }
}

/// Has the kernel end a connection whose peer takes nothing any more, or is gone without a word: what was written and
/// not acknowledged in time, and then nothing to be heard. Without it such a connection would keep its place for ever.
fn give_up_on_the_dead(stream: &TcpStream, patience: Duration) {
    let unacknowledged = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX);
    let set = sockopt::set_tcp_user_timeout(stream, unacknowledged)
        .and_then(|()| sockopt::set_socket_keepalive(stream, true))
        .and_then(|()| sockopt::set_tcp_keepidle(stream, patience.max(Duration::from_secs(1))));
    if let Err(error) = set {
        tracing::debug!(%error, "the kernel will not watch over a connection");
    }
}

fn router(face: Face, front: Front) -> Router {
    let admin =
        || Router::new().route("/healthz", get(health)).route("/readyz", get(ready)).route("/metrics", get(metrics));
    let routes = match face {
        Face::All => admin().fallback(behind),
        Face::Public => Router::new().fallback(behind),
        Face::Admin => admin().fallback(async || Problem::not_found("There is nothing at this address.")),
    };
    let routes = routes.method_not_allowed_fallback(async || Problem::method_not_allowed().into_response());
    routes.layer(CatchPanicLayer::custom(Panicked)).with_state(front)
}

/// What a panic in a handler is answered with. The panic itself is in the log, by the process's hook.
#[derive(Clone)]
struct Panicked;

impl ResponseForPanic for Panicked {
    type ResponseBody = Body;

    fn response_for_panic(&mut self, _: Box<dyn std::any::Any + Send>) -> hyper::Response<Body> {
        Problem::internal().into_response()
    }
}

/// Hands a request to the rooms behind.
async fn behind(State(front): State<Front>, request: Request) -> Response {
    let Some((house, _)) = front.house.get() else { return later("starting") };
    let answer: Result<Response, Infallible> = house.clone().call(request).await;
    answer.unwrap_or_else(|never| match never {})
}

fn later(why: &'static str) -> Response {
    Problem::busy(why).into_response()
}

async fn health(State(front): State<Front>) -> Response {
    let silence = front.pulse.silence(front.clock.boot());
    // Before the house stands there is no loop to be silent.
    if front.house.get().is_some() && silence > LONGEST_SILENCE {
        return later("the delivery loop is silent");
    }
    "ok".into_response()
}

async fn ready(State(front): State<Front>) -> Response {
    let reasons = front.reasons().await;
    front.metrics.ready(reasons.is_empty());
    if reasons.is_empty() {
        return "ready".into_response();
    }
    let body = axum::Json(serde_json::json!({ "ready": false, "reasons": reasons }));
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "10")], body).into_response()
}

async fn metrics(State(front): State<Front>) -> Response {
    const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, TEXT)], front.metrics.render()).into_response()
}

impl Front {
    /// Why the service cannot do its work.
    async fn reasons(&self) -> Vec<&'static str> {
        let Some((_, store)) = self.house.get() else { return vec!["the database was not reached yet"] };
        let mut reasons = Vec::new();
        match tokio::time::timeout(PATIENCE, store.standing()).await {
            Ok(Ok(standing)) if standing.is_outdated() => {
                reasons.push("a newer version has changed the database: this node records and claims nothing");
            }
            Ok(Ok(_)) => {}
            _ => reasons.push("the database does not answer"),
        }
        if self.pulse.silence(self.clock.boot()) > LONGEST_SILENCE {
            reasons.push("the delivery loop is silent");
        }
        reasons
    }
}
