//! The OpenAPI document against the real service behind a real listener: every path, method and status it names is asked
//! for and answered as it says, and no route is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use firstword::clock::{Clock, ManualClock};
use firstword::intake::{Settings, openapi};
use firstword::pulse::Pulse;
use firstword::server::{self, Face, Front, Limits};
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::house::{House, settings, signature};
use crate::privacy::{signed, signed_with};

/// The service, listening.
struct Service {
    house: House,
    http: Client,
    address: std::net::SocketAddr,
    pulse: Arc<Pulse>,
    _stop: DropGuard,
}

impl Service {
    async fn start() -> Self {
        let house = House::sqlite().await;
        let (listener, stop, pulse) =
            (TcpListener::bind("127.0.0.1:0").await.unwrap(), CancellationToken::new(), Arc::new(Pulse::default()));
        let address = listener.local_addr().unwrap();
        let behind = OnceLock::from((house.router(), house.store.clone()));
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&house.clock);
        let front = Front { pulse: Arc::clone(&pulse), clock, metrics: house.metrics(), house: Arc::new(behind) };
        let limits = Limits { max_connections: 100, body_timeout: Duration::from_secs(1) };
        TaskTracker::new().spawn(server::serve(listener, Face::All, front, limits, stop.clone()));
        _ = rustls::crypto::ring::default_provider().install_default();
        // The service closes a connection that is idle for so short a time, perhaps as the next request leaves on it.
        let http = Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
        Self { house, http, address, pulse, _stop: stop.drop_guard() }
    }

    fn ask(&self, method: &str, path: &str) -> RequestBuilder {
        self.http.request(method.parse().unwrap(), format!("http://{}{path}", self.address))
    }

    /// A request with a good body for the route.
    fn good(&self, method: &str, path: &str) -> RequestBuilder {
        match (method, path) {
            ("POST", "/optins") => self.site(r#"[{"page_id":"3003","login_id":"a"},{"page_id":"3003"}]"#),
            ("GET", "/webhook") => {
                self.ask("GET", "/webhook?hub.mode=subscribe&hub.verify_token=verify-me&hub.challenge=7")
            }
            ("POST", "/webhook") => self.hook(EVENT, "test-app-secret"),
            ("POST", "/data-deletion" | "/deauthorize") => self.form(path, signed("1001")),
            ("GET", "/deletion/{code}") => {
                let code = self.house.store.deletion_code(
                    "1001",
                    firstword::domain::time::Timestamp::from_ms(crate::house::NOW.ms() - 60_000),
                );
                self.ask("GET", &format!("/deletion/{code}"))
            }
            _ => self.ask(method, path),
        }
    }

    fn site(&self, body: &str) -> RequestBuilder {
        let request = self.ask("POST", "/optins").bearer_auth("site-token").header("Content-Type", "application/json");
        request.body(body.to_owned())
    }

    fn hook(&self, body: &str, secret: &str) -> RequestBuilder {
        self.ask("POST", "/webhook")
            .header("X-Hub-Signature-256", signature(secret, body.as_bytes()))
            .body(body.to_owned())
    }

    fn form(&self, path: &str, body: String) -> RequestBuilder {
        self.ask("POST", path).header("Content-Type", "application/x-www-form-urlencoded").body(body)
    }

    /// The request that should be answered with this status; `None` for one this test does not know how to provoke.
    fn provoke(&self, method: &str, path: &str, status: &str) -> Option<RequestBuilder> {
        let form = path == "/data-deletion" || path == "/deauthorize";
        Some(match (method, path, status) {
            (_, _, "200" | "503") => self.good(method, path),
            ("POST", _, "415") => self.good(method, path).header("Content-Encoding", "gzip"),
            ("POST", "/optins", "400") => self.site("{"),
            ("POST", "/optins", "401") => self.ask(method, path).bearer_auth("site-tokem").body("[]"),
            ("POST", "/optins", "413") => self.site(&" ".repeat(100_001)),
            ("POST", "/optins", "422") => self.site("[{}]"),
            ("POST", "/webhook", "400") => self.hook("nope", "test-app-secret"),
            (_, "/webhook", "403") => {
                if method == "GET" {
                    self.ask("GET", "/webhook")
                } else {
                    self.hook("{}", "wrong")
                }
            }
            ("POST", "/webhook", "413") => self.hook(&" ".repeat(100_001), "test-app-secret"),
            ("POST", _, "400") if form => self.form(path, "signed_request=x".into()),
            ("POST", _, "403") if form => self.form(path, signed_with("wrong", &json!({}))),
            ("POST", _, "413") if form => self.form(path, "x".repeat(70_000)),
            ("GET", "/deletion/{code}", "404") => self.ask("GET", "/deletion/0123456789abcdef0123456789abcdef"),
            _ => return None,
        })
    }

    /// The head of the answer to a request whose body stays away.
    async fn slow(&self, method: &str, path: &str) -> (String, Value) {
        let request = self.good(method, path).build().unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 90\r\n");
        let line = |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}\r\n", value.to_str().unwrap());
        head.extend(request.headers().iter().map(line));
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(format!("{head}\r\n{{").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_lowercase(), serde_json::from_str(body).unwrap())
    }
}

const EVENT: &str =
    r#"{"object":"page","entry":[{"id":"3003","messaging":[{"recipient":{"id":"3003"},"optin":{"login_id":"b"}}]}]}"#;

/// Follows a reference within the document.
fn follow<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    match value["$ref"].as_str() {
        Some(to) => follow(document, document.pointer(to.strip_prefix('#').unwrap()).unwrap()),
        None => value,
    }
}

/// Whether a value is what a schema says, as far as our schemas go; anything else they might say is refused.
fn check(document: &Value, schema: &Value, value: &Value) {
    let schema = follow(document, schema);
    for (key, rule) in schema.as_object().unwrap() {
        let holds = match key.as_str() {
            "type" => match rule.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "integer" => value.is_i64(),
                other => panic!("{other}"),
            },
            "const" => rule == value,
            "enum" => rule.as_array().unwrap().contains(value),
            "pattern" => value.as_str().unwrap().starts_with(rule.as_str().unwrap().trim_start_matches('^')),
            "required" => rule.as_array().unwrap().iter().all(|key| value.get(key.as_str().unwrap()).is_some()),
            "properties" => {
                let given = rule.as_object().unwrap().iter().filter_map(|(key, rule)| Some((rule, value.get(key)?)));
                given.for_each(|(rule, value)| check(document, rule, value));
                true
            }
            "additionalProperties" => {
                assert_eq!(rule, &json!(false));
                value.as_object().unwrap().keys().all(|key| schema["properties"].get(key).is_some())
            }
            "items" => {
                value.as_array().unwrap().iter().for_each(|value| check(document, rule, value));
                true
            }
            "format" | "description" => true,
            other => panic!("the test does not know {other}"),
        };
        assert!(holds, "{key} {rule}: {value}");
    }
}

/// Every path, method and status of the document.
fn promises(document: &Value) -> Vec<(String, String, String)> {
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            for status in operation["responses"].as_object().unwrap().keys() {
                all.push((method.to_uppercase(), path.clone(), status.clone()));
            }
        }
    }
    all.sort_by_key(|(_, path, status)| (status == "503", status.clone(), path == "/deletion/{code}"));
    all
}

async fn kept(document: &Value, response: Response, (method, path, status): &(String, String, String)) {
    let at = format!("{method} {path} {status}");
    assert_eq!(response.status().as_str(), status, "{at}");
    let said = &document["paths"][path][method.to_lowercase()]["responses"][status];
    let said = follow(document, said);
    for name in said["headers"].as_object().into_iter().flat_map(|headers| headers.keys()) {
        assert!(response.headers().contains_key(name), "{at}: {name}");
    }
    let kind = response.headers()["content-type"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let schema = &said["content"][&kind]["schema"];
    assert!(schema.is_object(), "{at}: {kind} is not in the document");
    let text = response.text().await.unwrap();
    let value = if kind.ends_with("json") { serde_json::from_str(&text).unwrap() } else { Value::from(text) };
    check(document, schema, &value);
}

#[tokio::test]
async fn every_promise_of_the_document_is_kept() {
    let document: Value = serde_json::from_str(openapi::DOCUMENT).unwrap();
    let service = Service::start().await;
    service.pulse.beat(service.house.clock.boot());
    let (promises, mut asked) = (promises(&document), 0);
    for promise in &promises {
        let (method, path, status) = promise;
        if status == "503" && service.house.store.time().await.is_ok() {
            // From here on nothing can be stored, and nothing beats.
            service.house.store.close().await;
            service.house.clock.advance(Duration::from_mins(1));
        }
        asked += 1;
        if status == "408" {
            let (head, body) = service.slow(method, path).await;
            assert!(head.starts_with("http/1.1 408") && head.contains("connection: close"), "{path}: {head}");
            check(&document, &document["components"]["schemas"]["Problem"], &body);
            continue;
        }
        if (path.as_str(), status.as_str()) == ("/optins", "403") {
            service.house.settings.send_replace(Arc::new(Settings { api_token: None, ..settings() }));
            kept(&document, service.good(method, path).send().await.unwrap(), promise).await;
            service.house.settings.send_replace(Arc::new(settings()));
            continue;
        }
        let request = service.provoke(method, path, status);
        let request = request.unwrap_or_else(|| panic!("{promise:?}: the test does not know how to provoke it"));
        kept(&document, request.send().await.unwrap(), promise).await;
    }
    assert_eq!(asked, promises.len());
    let mut kinds: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (method, path, status) in &promises {
        kinds.entry(format!("{method} {path}")).or_default().push(status);
    }
    for (kind, statuses) in &kinds {
        println!("{kind}: answered {}", statuses.join(", "));
    }
    println!("{asked} requests, each answered as the document says");
}

#[tokio::test]
async fn no_route_is_missing_and_the_rest_is_refused_as_it_says() {
    let document: Value = serde_json::from_str(openapi::DOCUMENT).unwrap();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut routes = BTreeSet::new();
    for file in ["src/intake/mod.rs", "src/server/mod.rs"] {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        let found = text.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
        routes.extend(found);
    }
    let documented: BTreeSet<String> = document["paths"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(routes, documented);
    let service = Service::start().await;
    for path in &documented {
        let known = document["paths"][path].as_object().unwrap();
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
            if known.contains_key(&method.to_lowercase()) {
                continue;
            }
            let answer = service.ask(method, &path.replace("{code}", "x")).send().await.unwrap();
            assert_eq!(answer.status(), 405, "{method} {path}");
            let allow = answer.headers()["allow"].to_str().unwrap().to_owned();
            assert!(known.keys().all(|method| allow.contains(&method.to_uppercase())), "{path}: {allow}");
            check(&document, &document["components"]["schemas"]["Problem"], &answer.json().await.unwrap());
        }
    }
    for path in ["/", "/webhook/", "/optins/1", "/admin", "/.env", "/deletion/", "/../etc/passwd", "/%00"] {
        let answer = service.ask("GET", path).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{path}");
        check(&document, &document["components"]["schemas"]["Problem"], &answer.json().await.unwrap());
    }
}
