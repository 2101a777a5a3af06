//! What the internet sends.

use std::time::Duration;

use firstword::sandbox::Behaviour;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::database::Database;
use crate::place::{Place, until};
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
    assert!(daemon.get("/metrics").await.1.contains("firstword_webhook_refused_total{why=\"signature\"} 5"));
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
