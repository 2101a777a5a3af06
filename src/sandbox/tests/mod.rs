//! The sandbox over real HTTP: what a sender and a callback see of it.

mod sends;
mod webhooks;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::clock::{Clock, ManualClock};

const SECRET: &str = "test-app-secret";
const TOKEN: &str = "test-page-token";
const PROOF: &str = "c3a6d59dd2efd5d8a8457238dbf36a7d4e3cc8349c46a0ca1b50419ed8720191";
const T0: i64 = 1_780_000_000_000;
const SOON: Duration = Duration::ZERO;

/// A callback that keeps what it gets, and the sandbox that calls it.
struct Scene {
    sandbox: Sandbox,
    clock: Arc<ManualClock>,
    heard: Arc<Mutex<Vec<(String, Bytes)>>>,
    status: Arc<AtomicU16>,
    client: reqwest::Client,
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Scene {
    async fn new(change: impl FnOnce(&mut Options)) -> Self {
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let (heard, status) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicU16::new(200)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let callback = format!("http://{}/webhook", listener.local_addr().unwrap());
        let (hear, answer) = (Arc::clone(&heard), Arc::clone(&status));
        let hook = async move |headers: HeaderMap, body: Bytes| {
            let signature = headers["x-hub-signature-256"].to_str().unwrap().to_owned();
            hear.lock().unwrap().push((signature, body));
            StatusCode::from_u16(answer.load(Ordering::SeqCst)).unwrap()
        };
        let router = axum::Router::new().route("/webhook", post(hook));
        let ended = stop.clone().cancelled_owned();
        tracker.spawn(async move { axum::serve(listener, router).with_graceful_shutdown(ended).await.unwrap() });

        let clock = Arc::new(ManualClock::at(Timestamp::from_ms(T0)));
        let mut options = Options::new(Arc::<ManualClock>::clone(&clock));
        options.pages = vec![Page { id: "p1".to_owned(), token: TOKEN.to_owned() }];
        options.app_secret = Some(SECRET.to_owned());
        options.callback = Some(callback);
        change(&mut options);
        let sandbox = Sandbox::start(options, &tracker, stop.clone()).await.unwrap();
        let client = reqwest::Client::builder().no_proxy().user_agent("firstword/0.1.0 (node a)").build().unwrap();
        Self { sandbox, clock, heard, status, client, tracker, stop }
    }

    fn request(&self, path: &str, body: &Value) -> reqwest::RequestBuilder {
        self.client.post(format!("{}{path}", self.sandbox.url())).bearer_auth(TOKEN).body(body.to_string())
    }

    /// Sends to somebody; `None` when the connection broke.
    async fn send(&self, login_id: &str) -> Option<(u16, Value)> {
        let message = json!({
            "text": "Hello", "metadata": "meta",
            "quick_replies": [{"content_type": "text", "title": "Yes", "payload": "YES#1"}],
        });
        let body = json!({
            "recipient": {"login_id": login_id}, "messaging_type": "UPDATE", "message": message, "appsecret_proof": PROOF,
        });
        let answer = self.request("/v26.0/p1/messages", &body).send().await.ok()?;
        let status = answer.status().as_u16();
        let text = answer.text().await.ok()?;
        Some((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    /// The events heard so far, signatures checked.
    fn events(&self) -> Vec<Value> {
        let event = |(signature, body): &(String, Bytes)| {
            assert_eq!(*signature, sign::webhook_signature(SECRET, body));
            assert!(body.is_ascii());
            let body: Value = serde_json::from_slice(body).unwrap();
            body["entry"][0]["messaging"][0].clone()
        };
        self.heard.lock().unwrap().iter().map(event).collect()
    }

    async fn until(&self, done: impl Fn(&Report) -> bool) -> Report {
        for _ in 0..1_000 {
            let report = self.sandbox.report();
            if done(&report) {
                return report;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("waited 10 s in vain: {:?}", self.sandbox.report());
    }

    async fn end(self) {
        self.stop.cancel();
        self.tracker.close();
        tokio::time::timeout(Duration::from_secs(5), self.tracker.wait()).await.expect("tasks end with the token");
    }
}
