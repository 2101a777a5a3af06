//! What the platform, or somebody who says so, is answered before anything is stored.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use firstword::intake::Settings;

use crate::house::{House, fixture, get, hook, pieces, secret, settings, signature};

#[tokio::test]
async fn handshake() {
    let house = House::sqlite().await;
    let good =
        house.ask(get("/webhook?hub.mode=subscribe&hub.verify_token=verify-me&hub.challenge=11%2042%3Cb%3E")).await;
    assert_eq!((good.status, &*good.text), (StatusCode::OK, "11 42<b>"));
    assert_eq!(good.headers[header::CONTENT_TYPE], "text/plain; charset=utf-8");
    for bad in [
        "/webhook",
        "/webhook?hub.mode=subscribe&hub.verify_token=verify-you&hub.challenge=1",
        "/webhook?hub.mode=subscribe&hub.verify_token=&hub.challenge=1",
        "/webhook?hub.mode=unsubscribe&hub.verify_token=verify-me&hub.challenge=1",
        "/webhook?hub.mode=subscribe&hub.verify_token=verify-me",
        "/webhook?hub.mode=subscribe&hub.verify_token=x&hub.verify_token=verify-me&hub.challenge=1",
    ] {
        let answer = house.ask(get(bad)).await;
        assert_eq!((answer.status, &*answer.problem()), (StatusCode::FORBIDDEN, "handshake"), "{bad}");
    }
    for token in [None, Some(secret(""))] {
        let house = House::with(Settings { verify_token: token, ..settings() }).await;
        let answer = house.ask(get("/webhook?hub.mode=subscribe&hub.verify_token=&hub.challenge=1")).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn unsigned_or_wrongly_signed_is_403_before_parsing() {
    let house = House::sqlite().await;
    let body = fixture("optin_login");
    for header in [
        None,
        Some(signature("other-secret", &body)),
        Some(signature("test-app-secret", b"{}")),
        Some(signature("test-app-secret", &body).to_uppercase()),
        Some(signature("test-app-secret", &body).replace("sha256", "sha1")),
        Some(String::new()),
    ] {
        for body in [body.clone(), b"garbage".to_vec()] {
            let request = header.iter().fold(Request::post("/webhook"), |r, h| r.header("X-Hub-Signature-256", h));
            let answer = house.ask(request.body(Body::from(body)).unwrap()).await;
            assert_eq!((answer.status, &*answer.problem()), (StatusCode::FORBIDDEN, "signature"));
        }
    }
    assert_eq!((house.rows("optins").await, house.rows("unparsed").await, house.refused("signature")), (0, 0, 12));
    for secrets in [vec![], vec![secret("")]] {
        let house = House::with(Settings { app_secrets: secrets, ..settings() }).await;
        let forged = Request::post("/webhook").header("X-Hub-Signature-256", signature("", &body));
        assert_eq!(house.ask(forged.body(Body::from(body.clone())).unwrap()).await.status, StatusCode::FORBIDDEN);
        assert_eq!(house.rows("optins").await, 0);
    }
}

#[tokio::test]
async fn signed_but_not_understood() {
    let house = House::sqlite().await;
    for body in ["", "nope", "[]", "null", "7"] {
        let answer = house.ask(hook(body)).await;
        assert_eq!((answer.status, &*answer.problem()), (StatusCode::BAD_REQUEST, "malformed"), "{body}");
    }
    assert_eq!((house.rows("optins").await, house.rows("unparsed").await, house.refused("malformed")), (0, 0, 5));
}

#[tokio::test]
async fn encodings_and_sizes() {
    let house = House::sqlite().await;
    for (coding, status) in
        [("identity", 200), ("Identity", 200), ("gzip", 415), ("br", 415), ("identity, gzip", 415), ("", 415)]
    {
        let mut request = hook("{}");
        request.headers_mut().insert("content-encoding", coding.parse().unwrap());
        assert_eq!(house.ask(request).await.status.as_u16(), status, "{coding}");
    }
    let exact = format!("{{{}}}", " ".repeat(99_998));
    assert_eq!(house.ask(hook(exact.clone())).await.status, StatusCode::OK);
    let answer = house.ask(hook(format!("{exact} "))).await;
    assert_eq!((answer.status, &*answer.problem()), (StatusCode::PAYLOAD_TOO_LARGE, "too_large"));
    let unknown_length = pieces(vec![b" ".repeat(60_000), b" ".repeat(60_000)]);
    let request = Request::post("/webhook").header("X-Hub-Signature-256", signature("x", b""));
    assert_eq!(house.ask(request.body(unknown_length).unwrap()).await.status, StatusCode::PAYLOAD_TOO_LARGE);
}
