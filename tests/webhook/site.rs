//! `POST /optins`: the site's login callback.

use axum::http::{StatusCode, header};
use firstword::domain::time::Timestamp;
use firstword::intake::Settings;
use serde_json::{Value, json};

use crate::events::erase;
use crate::house::{House, NOW, fixture, hook, secret, settings, site};

fn results(json: &Value) -> Vec<(&str, Option<&str>)> {
    let lines = json["results"].as_array().unwrap();
    lines.iter().map(|line| (line["result"].as_str().unwrap(), line["error"]["code"].as_str())).collect()
}

pub(crate) async fn a_site_reports_one_and_many(house: House) {
    let one = house.ask(site(r#" {"page_id":"3003","login_id":"login-amber"} "#)).await;
    assert_eq!((one.status, results(&one.json())), (StatusCode::OK, vec![("created", None)]));
    assert_eq!(one.headers[header::CONTENT_TYPE], "application/json");
    let first = one.json()["results"][0]["id"].as_i64().unwrap();
    house.sql("UPDATE optins SET state = 'cancelled', state_since = opted_in_at").await;
    erase(&house, "3003", "d").await;
    let later = Timestamp::from_ms(NOW.ms() + 1).to_string();
    let many = json!([
        {"page_id": "3003", "login_id": "login-amber"}, {"page_id": "3003"},
        {"page_id": "3003", "app_scoped_id": "1001"}, 5,
        {"page_id": "3003", "login_id": "c", "opted_in_at": NOW.ms()}, {"page_id": "3003", "login_id": "d"},
        {"page_id": "3003", "login_id": "c", "opted_in_at": later},
    ]);
    let many = house.ask(site(many.to_string())).await;
    assert_eq!(many.status, StatusCode::OK);
    let json = many.json();
    let expected = [
        ("duplicate", None),
        ("refused", Some("missing")),
        ("created", None),
        ("refused", Some("invalid")),
        ("created", None),
        ("refused", Some("erased")),
        ("duplicate", None),
    ];
    assert_eq!(results(&json), expected);
    let lines = json["results"].as_array().unwrap();
    assert!(lines.iter().zip(0..).all(|(line, index)| line["index"] == index));
    assert_eq!((lines[0]["id"].as_i64(), &lines[4]["id"]), (Some(first), &lines[6]["id"]));
    assert_eq!(house.rows("optins").await, 3);
    assert_eq!(house.ask(site("[]")).await.json(), json!({"results": []}));
}

/// Two sources of one consent are one consent, whichever comes first.
pub(crate) async fn the_webhook_after_the_site_is_the_same_consent(house: House) {
    let body = json!({"page_id": "200300400500", "login_id": "login-amber", "ref": "order 17", "locale": "de_DE"});
    assert_eq!(house.ask(site(body.to_string())).await.status, StatusCode::OK);
    assert_eq!(house.ask(hook(fixture("optin_login"))).await.status, StatusCode::OK);
    let earliest = "SELECT count(*) FROM optins WHERE opted_in_at = 1780315140000 AND cycle = 1 AND locale = 'de_DE'";
    assert_eq!((house.rows("optins").await, house.number(earliest).await), (1, 1));
}

#[tokio::test]
async fn a_site_is_told_what_is_wrong() {
    let house = House::sqlite().await;
    let none = house.ask(site(r#"[{"page_id":"3003"},{"x":1}]"#)).await;
    assert_eq!((none.status, &*none.problem()), (StatusCode::UNPROCESSABLE_ENTITY, "invalid_items"));
    assert_eq!(none.json()["results"][1]["error"]["code"], "unknown_field");
    for body in ["", "{", "5", "null", "\"x\"", "[1", "{}{}"] {
        let answer = house.ask(site(body)).await;
        assert_eq!((answer.status, &*answer.problem()), (StatusCode::BAD_REQUEST, "malformed"), "{body}");
    }
    let item = r#"{"page_id":"1","login_id":"a"}"#;
    let list = |n: usize| format!("[{}]", vec![item; n].join(","));
    assert_eq!(house.ask(site(list(1000))).await.status, StatusCode::OK);
    assert_eq!(house.ask(site(list(1001))).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(house.ask(site(" ".repeat(100_001))).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(house.rows("optins").await, 1);
    for kind in [None, Some("text/plain"), Some("application/jsonp"), Some("application/x-www-form-urlencoded")] {
        let mut request = site(item);
        request.headers_mut().remove("content-type");
        kind.map(|kind| request.headers_mut().insert("content-type", kind.parse().unwrap()));
        let answer = house.ask(request).await;
        assert_eq!((answer.status, &*answer.problem()), (StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json"));
    }
    let mut request = site(item);
    request.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
    assert_eq!(house.ask(request).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(house.ask(crate::house::get("/optins")).await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn only_the_site_may_report() {
    let house = House::sqlite().await;
    for (given, challenge) in [
        (None, r#"Bearer realm="firstword""#),
        (Some("Basic c2l0ZQ=="), r#"Bearer realm="firstword""#),
        (Some("Bearer"), r#"Bearer realm="firstword""#),
        (Some("Bearer site-tokem"), r#"Bearer realm="firstword", error="invalid_token""#),
        (Some("Bearer "), r#"Bearer realm="firstword""#),
    ] {
        let mut request = site("{}");
        request.headers_mut().remove("authorization");
        given.map(|given| request.headers_mut().insert("authorization", given.parse().unwrap()));
        let answer = house.ask(request).await;
        assert_eq!((answer.status, &*answer.problem()), (StatusCode::UNAUTHORIZED, "unauthorized"), "{given:?}");
        assert_eq!(answer.headers[header::WWW_AUTHENTICATE], challenge, "{given:?}");
    }
    let mut lower = site(r#"{"page_id":"3003","login_id":"a"}"#);
    lower.headers_mut().insert("authorization", "bearer  site-token".parse().unwrap());
    assert_eq!(house.ask(lower).await.status, StatusCode::OK);
    for token in [None, Some(secret(""))] {
        let house = House::with(Settings { api_token: token, ..settings() }).await;
        let mut request = site("{}");
        request.headers_mut().insert("authorization", "Bearer ".parse().unwrap());
        let answer = house.ask(request).await;
        assert_eq!((answer.status, &*answer.problem()), (StatusCode::FORBIDDEN, "not_configured"));
        assert!(answer.text.contains("server.api_token"));
    }
}
