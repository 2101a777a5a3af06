//! What the internet sends.

use std::time::Duration;

use firstword::domain::keyed::hmac_sha256;
use firstword::sandbox::Behaviour;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::database::Database;
use crate::place::{API_TOKEN, PAGE, Place, until};
use crate::platform::Platform;
use crate::process::Daemon;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_is_refused_and_harms_nobody() {
    let mut place = Place::sqlite();
    let platform = Platform::of(&mut place).await;
    place.set("[server]\nmax_body = \"64KiB\"\nbody_timeout = \"1s\"");
    let daemon = Daemon::ready(&place).await;
    for body in ["", "garbage", "[]", "7", "\u{0}\u{1}\u{ff}"] {
        assert_eq!(daemon.webhook(body).await, 400, "signed: {body:?}");
        assert_eq!(daemon.post("/webhook", body, &[]).await.0, 403, "unsigned: {body:?}");
    }
    let huge = " ".repeat(65_537);
    assert_eq!(daemon.webhook(&huge).await, 413);
    assert_eq!(daemon.post("/webhook", &huge, &[]).await.0, 413);
    assert_eq!(daemon.site(&huge).await.0, 413);
    assert_eq!(daemon.get("/nowhere").await.0, 404);

    // Not even HTTP, and people who never finish.
    let address = ("127.0.0.1", place.port);
    let mut slow = Vec::new();
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc",
        b"POST /webhook HTTP/1.1\r\nHost: ",
        b"",
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        slow.push(stream);
    }
    assert_eq!(daemon.get("/healthz").await.0, 200);
    for mut stream in slow.into_iter().skip(1) {
        let mut rest = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut rest)).await;
        assert!(read.is_ok(), "it holds on to somebody who never finishes");
    }

    let database = Database::of(&place).await;
    let stored =
        "SELECT (SELECT count(*) FROM optins) + (SELECT count(*) FROM unparsed) + (SELECT count(*) FROM alerts)";
    assert_eq!(database.number(stored).await, 0);
    platform.opt_in("anna", Behaviour::Silent).await;
    database.becomes("anna", "sent").await;
    assert_eq!((daemon.get("/readyz").await.0, platform.clean().delivered), (200, 1));
    assert!(daemon.get("/metrics").await.1.contains("firstword_webhook_refused_total{why=\"signature\"} 6"));
}

/// A head and a body that are slow both have one time together: who took long over the head is cut before somebody who
/// was quick with it and began the body at the same moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn head_and_body_have_one_time_together() {
    let mut place = Place::sqlite();
    let _platform = Platform::of(&mut place).await;
    place.set("[server]\nbody_timeout = \"2s\"");
    let _daemon = Daemon::ready(&place).await;
    let address = ("127.0.0.1", place.port);
    let head = format!(
        "/optins HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {API_TOKEN}\r\nContent-Type: application/json\r\n\
         Content-Length: 10\r\n\r\n{{"
    );
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(b"POST ").await.unwrap();
    // The time itself is what is looked at here.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let mut quick = TcpStream::connect(address).await.unwrap();
    slow.write_all(head.as_bytes()).await.unwrap();
    quick.write_all(format!("POST {head}").as_bytes()).await.unwrap();
    let answer = async |name: &'static str, mut stream: TcpStream| {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        (name, String::from_utf8_lossy(&bytes).starts_with("HTTP/1.1 408"))
    };
    let first = tokio::select! {
        first = answer("slow", slow) => first,
        first = answer("quick", quick) => first,
    };
    assert_eq!(first, ("slow", true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_may_have_an_address_of_its_own() {
    let mut place = Place::sqlite();
    let _platform = Platform::of(&mut place).await;
    let admin = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    place.set(&format!("[server]\nadmin_listen = \"{admin}\""));
    let daemon = Daemon::start(&place, "info", &[]);
    let status = async |path: &str| Some(reqwest::get(format!("http://{admin}{path}")).await.ok()?.status().as_u16());
    until("the admin address is ready", async || status("/readyz").await.filter(|status| *status == 200)).await;
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!((status(path).await, daemon.get(path).await.0), (Some(200), 404), "{path}");
    }
    assert_eq!((status("/webhook").await, daemon.get("/webhook").await.0), (Some(404), 403));
}

/// What one connection gets for some bytes: all of the answer, or nothing where it is cut.
async fn told(port: u16, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    // It may be cut while we still write.
    _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "it holds on to {:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(60)]));
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_bombs_and_the_slow_cost_nothing() {
    let mut place = Place::sqlite();
    let platform = Platform::of(&mut place).await;
    place.set("[server]\nmax_body = \"1MiB\"\nbody_timeout = \"1s\"\nmax_connections = 600");
    let daemon = Daemon::ready(&place).await;
    // As if signed: of what is not, nothing is read.
    let head = format!("POST /webhook HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: sha256={}\r\n", "0".repeat(64));
    let headers = |count: usize| (0..count).fold(String::new(), |all, n| all + &format!("X-{n}: y\r\n"));

    // Floods of headers.
    for flood in [headers(70), format!("X: {}\r\n", "y".repeat(200_000)), headers(50_000)] {
        let answer = told(place.port, format!("{head}{flood}\r\n").as_bytes()).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
    // Bodies that unfold, and nests that nobody can have meant: signed, so that they are read.
    let zipped = ["gzip", "deflate", "br", "zstd", "gzip, gzip"];
    for coding in zipped {
        let answer = daemon.post("/webhook", "x", &[("Content-Encoding", coding)]).await;
        assert_eq!(answer.0, 415, "{coding}");
    }
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        assert!([200, 400].contains(&daemon.webhook(&deep).await));
        let event = format!(r#"{{"object":"page","entry":[{{"id":"{PAGE}","messaging":[{{"message":{deep}}}]}}]}}"#);
        assert_eq!(daemon.webhook(&event).await, 200, "kept raw");
        assert!([400, 422].contains(&daemon.site(&deep).await.0));
    }
    // A head and a body that come one byte at a time are cut as a whole, not byte by byte.
    for start in [head.clone(), format!("{head}Content-Length: 900000\r\n\r\n")] {
        let mut stream = TcpStream::connect(("127.0.0.1", place.port)).await.unwrap();
        stream.write_all(start.as_bytes()).await.unwrap();
        let began = std::time::Instant::now();
        while stream.write_all(b"x").await.is_ok() {
            assert!(began.elapsed() < Duration::from_secs(20), "somebody slow is never cut");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    // Somebody who asks and asks and never reads an answer.
    let mut deaf = TcpStream::connect(("127.0.0.1", place.port)).await.unwrap();
    let ask = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2_000);
    let cut =
        tokio::time::timeout(Duration::from_secs(30), async { while deaf.write_all(&ask).await.is_ok() {} }).await;
    assert!(cut.is_ok(), "it waits for ever for somebody who does not read");
    // Chunks without an end.
    let chunks = format!("{head}Transfer-Encoding: chunked\r\n\r\n{}", "1\r\nx\r\n".repeat(300_000));
    let answer = told(place.port, chunks.as_bytes()).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");

    // Many who say nothing: whoever is one too many is turned away, and room is made by itself.
    let mut idle = Vec::new();
    for _ in 0..700 {
        idle.push(TcpStream::connect(("127.0.0.1", place.port)).await.unwrap());
    }
    until("there is room again", async || (daemon.get("/healthz").await.0 == 200).then_some(())).await;
    drop(idle);

    platform.opt_in("anna", Behaviour::Silent).await;
    let database = Database::of(&place).await;
    database.becomes("anna", "sent").await;
    assert_eq!((daemon.get("/readyz").await.0, platform.clean().delivered), (200, 1));
}

/// Secrets are read again on SIGHUP, out of the files that hold them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_in_files_rotate_without_a_restart() {
    let mut place = Place::sqlite();
    let _platform = Platform::of(&mut place).await;
    place.app_secrets_in_file("old\n");
    let daemon = Daemon::ready(&place).await;
    let ask = async |secret: &str| {
        let signature = format!("sha256={}", hex::encode(hmac_sha256(secret.as_bytes(), &[b"{}"])));
        daemon.post("/webhook", "{}", &[("X-Hub-Signature-256", &signature)]).await.0
    };
    assert_eq!((ask("old").await, ask("new").await), (200, 403));
    place.write("app", "new\nold\n");
    daemon.signal(Signal::HUP);
    until("both hold", async || (ask("new").await == 200).then_some(())).await;
    assert_eq!(ask("old").await, 200);
    place.write("app", "new\n");
    daemon.signal(Signal::HUP);
    until("only the new one holds", async || (ask("old").await == 403).then_some(())).await;
    assert_eq!(ask("new").await, 200);
}
