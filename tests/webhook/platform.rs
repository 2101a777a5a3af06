//! What the platform, or somebody who says so, is answered before anything is stored.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use firstword::domain::alert::Kind;
use firstword::intake::Settings;

use crate::house::{House, fixture, get, hook, pieces, secret, settings, signature, site};

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

/// Secrets change while requests come in.
#[tokio::test]
async fn secrets_rotate_without_a_restart() {
    let house = House::sqlite().await;
    let ask = async |secret: &str| {
        let request = Request::post("/webhook").header("X-Hub-Signature-256", signature(secret, b"{}"));
        house.ask(request.body(Body::from("{}")).unwrap()).await.status.as_u16()
    };
    assert_eq!((ask("test-app-secret").await, ask("new-secret").await), (200, 403));
    let new = Settings {
        app_secrets: vec![secret("new-secret")],
        verify_token: Some(secret("verify-us")),
        api_token: Some(secret("other-token")),
        ..settings()
    };
    house.settings.send_replace(Arc::new(new));
    assert_eq!((ask("test-app-secret").await, ask("new-secret").await), (403, 200));
    let handshake = |token: &str| get(&format!("/webhook?hub.mode=subscribe&hub.verify_token={token}&hub.challenge=1"));
    assert_eq!(house.ask(handshake("verify-me")).await.status, StatusCode::FORBIDDEN);
    assert_eq!(house.ask(handshake("verify-us")).await.status, StatusCode::OK);
    let mut request = site("[]");
    assert_eq!(house.ask(site("[]")).await.status, StatusCode::UNAUTHORIZED);
    request.headers_mut().insert("authorization", "Bearer other-token".parse().unwrap());
    assert_eq!(house.ask(request).await.status, StatusCode::OK);
}

/// A wrong secret here would lose every event: a few bad signatures are noise, more are an alert.
#[tokio::test]
async fn many_bad_signatures_are_alerted() {
    let house = House::sqlite().await;
    let alerts =
        async || house.store.open_alerts().await.unwrap().into_iter().map(|a| (a.kind, a.times)).collect::<Vec<_>>();
    let forge = async |count: usize| {
        for _ in 0..count {
            let request = Request::post("/webhook").header("X-Hub-Signature-256", signature("wrong", b"{}"));
            house.ask(request.body(Body::from("{}")).unwrap()).await;
            house.ask(Request::post("/webhook").body(Body::from("noise")).unwrap()).await;
        }
    };
    forge(4).await;
    assert_eq!(alerts().await, Vec::<(Kind, i64)>::new());
    forge(3).await;
    assert_eq!(alerts().await, [(Kind::BadSignatures, 5)]);
    house.clock.advance(std::time::Duration::from_mins(2));
    forge(1).await;
    assert_eq!(alerts().await, [(Kind::BadSignatures, 8)], "told once a minute, counted all the same");
}
