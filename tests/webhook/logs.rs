//! Nothing that comes in is written to the log.

use std::io::Write;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::{Request, StatusCode};

use crate::house::{House, fixture, get, hook, signature, site};
use crate::privacy::{form, signed};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

const NEVER: [&str; 14] = [
    "login-",
    "7100000000",
    "m_in",
    "m_out",
    "old-secret",
    "app-secret",
    "login-secret",
    "verify-",
    "site-token",
    "hello",
    "stop",
    "STOP",
    "checkbox",
    "sha256",
];

#[tokio::test]
async fn logs_name_nobody() {
    let log = Log::default();
    let writer = {
        let log = log.clone();
        move || log.clone()
    };
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(writer).finish();
    // For the whole process: threads without a subscriber would switch call sites off for this one. What the other
    // cases log is looked at too.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let house = House::sqlite().await;
    let dir = format!("{}/tests/fixtures", env!("CARGO_MANIFEST_DIR"));
    let names: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    for down in [false, true] {
        if down {
            house.store.close().await;
        }
        for name in &names {
            let body = fixture(name.to_str().unwrap().strip_suffix(".json").unwrap());
            let status = house.ask(hook(body.clone())).await.status;
            assert!(down || status == StatusCode::OK, "{}: {status}", name.display());
            let bad = Request::post("/webhook").header("X-Hub-Signature-256", signature("wrong", &body));
            house.ask(bad.body(Body::from(body)).unwrap()).await;
        }
        house.ask(site(r#"{"page_id":"3003","app_scoped_id":"71000000009"}"#)).await;
        for path in ["/deauthorize", "/data-deletion"] {
            house.ask(form(path, signed("71000000009"))).await;
            house.ask(form(path, signed("71000000009").replace('.', ".x"))).await;
            house.ask(form(path, "signed_request=login-amber")).await;
        }
        house.ask(site(r#"{"page_id":"3003","login_id":"login-amber","ref":"hello"}"#)).await;
        house.ask(get("/webhook?hub.mode=subscribe&hub.verify_token=verify-you&hub.challenge=1")).await;
    }
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for word in ["200300400500", "unknown kind", "kept raw"] {
        assert!(text.contains(word), "{word} is not in {text}");
    }
    for secret in NEVER {
        let found: Vec<_> = text.lines().filter(|line| line.contains(secret)).take(3).collect();
        assert!(found.is_empty(), "{secret} in {found:#?}");
    }
}
