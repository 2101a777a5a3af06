//! People who take back what they gave: deletion and deauthorisation, by signed request.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use firstword::domain::alert::Kind;
use firstword::domain::ids::PageId;
use firstword::domain::keyed::{derive_login_id, hmac_sha256};
use firstword::intake::{Derivation, Settings};
use serde_json::{Value, json};

use crate::house::{Answer, House, NOW, get, hook, secret, settings, signature, site};

/// Person 1001 on page 3003, and on page 200300400500.
pub(crate) const DERIVED: &str = "801121618c4a6cda1021f1faa963e7567162ecb7f38d1cf2152d5d98333fd962";
const NOWHERE: &str = "0123456789abcdef0123456789abcdef";

pub(crate) fn signed_with(secret: &str, payload: &Value) -> String {
    let payload = URL_SAFE_NO_PAD.encode(payload.to_string());
    let signature = URL_SAFE_NO_PAD.encode(hmac_sha256(secret.as_bytes(), &[payload.as_bytes()]));
    format!("signed_request={signature}.{payload}")
}

pub(crate) fn signed(user: &str) -> String {
    let payload = json!({"algorithm": "HMAC-SHA256", "user_id": user, "issued_at": NOW.ms() / 1000 - 60, "expires": 0});
    signed_with("test-login-secret", &payload)
}

pub(crate) fn form(path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(path).header("Content-Type", "application/x-www-form-urlencoded").body(body.into()).unwrap()
}

fn wanting(path: &str, accept: &str) -> Request<Body> {
    Request::get(path).header("Accept", accept).body(Body::empty()).unwrap()
}

/// The path of the page that a deletion's answer names.
fn page_of(answer: &Answer) -> String {
    assert_eq!(
        (answer.status, answer.headers[header::CONTENT_TYPE].to_str().unwrap()),
        (StatusCode::OK, "application/json")
    );
    let json = answer.json();
    let (url, code) = (json["url"].as_str().unwrap(), json["confirmation_code"].as_str().unwrap());
    assert_eq!(url, format!("https://site.example/deletion/{code}"));
    url.strip_prefix("https://site.example").unwrap().to_owned()
}

pub(crate) async fn a_person_has_their_data_deleted(house: House) {
    house.ask(site(json!({"page_id": "3003", "app_scoped_id": "1001"}).to_string())).await;
    house.ask(site(json!({"page_id": "3003", "login_id": "somebody-else"}).to_string())).await;
    let reply = json!({"object": "page", "entry": [{"id": "3003", "messaging": [
        {"sender": {"id": "71"}, "recipient": {"id": "3003"}, "message": {"mid": "m_1", "text": "hello"},
         "prior_message": {"identifier": DERIVED}}]}]});
    house.ask(hook(reply.to_string())).await;
    assert_eq!(
        house.number(&format!("SELECT count(*) FROM optins WHERE login_id = '{DERIVED}' AND psid = '71'")).await,
        1
    );

    let answer = house.ask(form("/data-deletion", signed("1001"))).await;
    let path = page_of(&answer);
    assert_eq!((house.rows("optins").await, house.rows("attempts").await), (1, 0));
    assert_eq!(house.number("SELECT count(*) FROM tombstones WHERE erased = 1").await, 3, "two pages, one PSID");

    // The same request again, as after an answer that was lost, is the same deletion.
    assert_eq!(page_of(&house.ask(form("/data-deletion", signed("1001"))).await), path);
    assert_eq!(house.rows("deletions").await, 1);

    look_at_the_page(&house, &path).await;

    // Nothing that names them later is stored.
    let again = house.ask(site(json!({"page_id": "3003", "app_scoped_id": "1001"}).to_string())).await;
    assert_eq!(again.json()["results"][0]["error"]["code"], "erased");
    house.ask(hook(reply.to_string())).await;
    assert_eq!((house.rows("optins").await, house.events("erased_person"), house.events("data_deletion")), (1, 1, 1));
    assert_eq!(house.events("data_deletion_of_nobody"), 1, "told twice, done once");
}

/// In a browser, by program, and under codes that nobody has.
async fn look_at_the_page(house: &House, path: &str) {
    let html = house.ask(wanting(path, "text/html,*/*;q=0.8")).await;
    assert_eq!(
        (html.status, html.headers[header::CONTENT_TYPE].to_str().unwrap()),
        (StatusCode::OK, "text/html; charset=utf-8")
    );
    assert!(html.text.contains("<h1>Your data was deleted</h1>") && html.text.contains("2026-06-01"), "{}", html.text);
    assert_eq!(html.headers[header::CACHE_CONTROL], "no-store");
    let json = house.ask(wanting(path, "application/json")).await;
    assert_eq!((json.status, json.json()["status"].as_str()), (StatusCode::OK, Some("completed")));
    for path in [format!("/deletion/{NOWHERE}"), "/deletion/x".into(), "/deletion/%27%3B--".into(), path.to_uppercase()]
    {
        assert_eq!(house.ask(get(&path)).await.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(house.ask(wanting(&path, "application/json")).await.problem(), "not_found", "{path}");
    }
}

pub(crate) async fn a_person_removes_the_app(house: House) {
    house.ask(site(json!({"page_id": "3003", "app_scoped_id": "1001"}).to_string())).await;
    let answer = house.ask(form("/deauthorize", signed("1001"))).await;
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!({"success": true})));
    let stopped = "SELECT count(*) FROM optins WHERE state = 'opted_out' AND reason = 'deauthorized' AND opted_out_at = 1780315140000";
    assert_eq!((house.number(stopped).await, house.rows("optins").await), (2, 2), "on every page, known there or not");
    // Told again, nothing changes; the consent from before the stop, told late, opens nothing.
    house.ask(form("/deauthorize", signed("1001"))).await;
    house
        .ask(site(
            json!({"page_id": "200300400500", "app_scoped_id": "1001", "opted_in_at": NOW.ms() - 90_000}).to_string(),
        ))
        .await;
    assert_eq!((house.number(stopped).await, house.rows("optins").await, house.events("deauthorize")), (2, 2, 2));
    // Whoever is erased is not stored again by it.
    house.ask(form("/data-deletion", signed("1001"))).await;
    house.ask(form("/deauthorize", signed("1001"))).await;
    assert_eq!(house.rows("optins").await, 0);
}

pub(crate) async fn a_store_that_refuses_keeps_the_request_for_later(house: House) {
    house.store.close().await;
    for path in ["/data-deletion", "/deauthorize"] {
        let answer = house.ask(form(path, signed("1001"))).await;
        assert_eq!((answer.status, &*answer.problem()), (StatusCode::SERVICE_UNAVAILABLE, "unavailable"), "{path}");
        assert!(answer.headers.contains_key(header::RETRY_AFTER));
    }
    let answer = house.ask(get(&format!("/deletion/{NOWHERE}"))).await;
    assert_eq!((answer.status, &*answer.problem()), (StatusCode::SERVICE_UNAVAILABLE, "unavailable"));
}

#[tokio::test]
async fn only_the_platform_speaks_for_people() {
    let house = House::sqlite().await;
    house.ask(site(json!({"page_id": "3003", "app_scoped_id": "1001"}).to_string())).await;
    let payload = |changes: Value| {
        let mut payload = json!({"algorithm": "HMAC-SHA256", "user_id": "1001", "issued_at": NOW.ms() / 1000});
        payload.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        payload
    };
    let old = json!({"issued_at": NOW.ms() / 1000 - 49 * 3600});
    for path in ["/data-deletion", "/deauthorize"] {
        for (body, status, kind) in [
            (signed_with("test-app-secret", &payload(json!({}))), 403, "signature"),
            (signed_with("", &payload(json!({}))), 403, "signature"),
            (signed_with("test-login-secret", &payload(old.clone())), 403, "stale"),
            (signed_with("test-login-secret", &payload(json!({"algorithm": "none"}))), 400, "malformed"),
            (signed_with("test-login-secret", &payload(json!({"user_id": null}))), 400, "malformed"),
            ("signed_request=a.b".into(), 400, "malformed"),
            ("signed_request=".into(), 400, "malformed"),
            ("other=1".into(), 400, "malformed"),
            (String::new(), 400, "malformed"),
            ("x".repeat(70_000), 413, "too_large"),
        ] {
            let answer = house.ask(form(path, body.clone())).await;
            assert_eq!((answer.status.as_u16(), &*answer.problem()), (status, kind), "{path} {body}");
        }
        let json = Request::post(path).header("Content-Type", "application/json").body(Body::from("{}")).unwrap();
        assert_eq!(house.ask(json).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert_eq!(house.ask(get(path)).await.status, StatusCode::METHOD_NOT_ALLOWED);
    }
    assert_eq!(house.number("SELECT count(*) FROM optins WHERE state = 'pending'").await, 1);
    let old_secret = signed_with("old-login-secret", &payload(json!({})));
    assert_eq!(house.ask(form("/deauthorize", old_secret)).await.status, StatusCode::OK, "the other of a rotation");
}

/// A wrong secret here would leave people undeleted: a few bad signatures are noise, more are an alert that names the key.
#[tokio::test]
async fn many_forged_requests_are_alerted() {
    let house = House::sqlite().await;
    let alerts = async || -> Vec<(Kind, String, i64)> {
        let alerts = house.store.open_alerts().await.unwrap().into_iter();
        let mut alerts: Vec<_> = alerts.map(|alert| (alert.kind, alert.cause, alert.times)).collect();
        alerts.sort_by(|a, b| a.1.cmp(&b.1));
        alerts
    };
    let forge = async |path: &str| {
        let payload = json!({"algorithm": "HMAC-SHA256", "user_id": "1001", "issued_at": NOW.ms() / 1000});
        let answer = house.ask(form(path, signed_with("wrong", &payload))).await;
        assert_eq!((answer.status, &*answer.problem()), (StatusCode::FORBIDDEN, "signature"));
        // Neither noise nor another secret's forgeries count.
        house.ask(form(path, "signed_request=a.b")).await;
        let event = Request::post("/webhook").header("X-Hub-Signature-256", signature("wrong", b"{}"));
        house.ask(event.body(Body::from("{}")).unwrap()).await;
    };
    for path in ["/data-deletion", "/deauthorize", "/data-deletion", "/deauthorize"] {
        forge(path).await;
    }
    assert_eq!(alerts().await, []);
    forge("/data-deletion").await;
    let both = |times| {
        ["login.app_secret", "messenger.app_secret"].map(|key| (Kind::BadSignatures, key.to_owned(), times)).to_vec()
    };
    assert_eq!(alerts().await, both(5));
    forge("/deauthorize").await;
    assert_eq!(alerts().await, both(5), "told once a minute");
    house.clock.advance(std::time::Duration::from_mins(2));
    forge("/deauthorize").await;
    assert_eq!(alerts().await, both(7), "and counted all the same");
    assert_eq!((house.refused("signature"), house.rows("optins").await, house.rows("deletions").await), (14, 0, 0));
}

/// The secrets of the app people log in with, and the token from which `login_id`s are derived.
#[tokio::test]
async fn the_login_apps_secrets_rotate_without_a_restart() {
    let house = House::sqlite().await;
    let opt_in = || site(json!({"page_id": "3003", "app_scoped_id": "1001"}).to_string());
    let derived = derive_login_id("new-client-token", "2002", "1001", &PageId::new("3003").unwrap());
    let of = async |login: &str, state: &str| {
        house.number(&format!("SELECT count(*) FROM optins WHERE login_id = '{login}' AND state = '{state}'")).await
    };
    assert_eq!(house.ask(opt_in()).await.status, StatusCode::OK);
    assert_eq!((of(DERIVED, "pending").await, of(&derived, "pending").await), (1, 0));
    let new = Settings {
        login_secrets: vec![secret("new-login-secret")],
        login: Some(Derivation { app_id: "2002".into(), client_token: secret("new-client-token") }),
        ..settings()
    };
    house.settings.send_replace(Arc::new(new));
    assert_eq!(house.ask(opt_in()).await.status, StatusCode::OK);
    assert_eq!((of(DERIVED, "pending").await, of(&derived, "pending").await), (1, 1));
    assert_eq!(house.ask(form("/deauthorize", signed("1001"))).await.problem(), "signature", "the old secret");
    let payload = json!({"algorithm": "HMAC-SHA256", "user_id": "1001", "issued_at": NOW.ms() / 1000});
    let answer = house.ask(form("/deauthorize", signed_with("new-login-secret", &payload))).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!((of(DERIVED, "pending").await, of(&derived, "opted_out").await), (1, 1));
}

/// A request that cannot be served is told to the platform and to the operator, who is told once; and not of requests
/// that are nobody's.
#[tokio::test]
async fn what_is_not_set_up_is_refused_and_alerted() {
    for (missing, key, alerted) in [
        (Settings { public_url: None, ..settings() }, "server.public_url", true),
        (Settings { login: None, ..settings() }, "login.client_token", true),
        (Settings { login_secrets: vec![], ..settings() }, "login.app_secret", false),
    ] {
        let house = House::with(missing).await;
        house.ask(form("/data-deletion", signed_with("wrong", &json!({})))).await;
        assert_eq!(house.store.open_alerts().await.unwrap(), [], "{key}: it was nobody's");
        for _ in 0..3 {
            let answer = house.ask(form("/data-deletion", signed("1001"))).await;
            assert_eq!((answer.status, &*answer.problem()), (StatusCode::FORBIDDEN, "not_configured"), "{key}");
            assert!(answer.text.contains(key), "{}", answer.text);
        }
        let alerts = house.store.open_alerts().await.unwrap();
        let told: Vec<_> = alerts.iter().map(|alert| (alert.kind, alert.cause.as_str(), alert.times)).collect();
        let expected = [(Kind::RequestRefused, key, 1)];
        assert_eq!(told, if alerted { &expected[..] } else { &[] });
    }
}
