//! Signed events: stored, then answered; refused whole where the store refuses.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use firstword::domain::ids::{LoginId, PageId};
use firstword::domain::keyed::StoreKey;
use serde_json::json;

use crate::house::{House, NOW, fixture, hook, pieces, signature, site};

pub(crate) async fn signed_events_are_stored_then_answered(house: House) {
    let answer = house.ask(hook(fixture("batch"))).await;
    assert_eq!((answer.status, &*answer.text), (StatusCode::OK, "EVENT_RECEIVED"));
    assert_eq!((house.rows("optins").await, house.rows("unparsed").await), (4, 12));
    assert_eq!((house.events("optin"), house.events("unparsed")), (4, 12));
    assert_eq!(house.number("SELECT count(*) FROM optins WHERE state = 'pending'").await, 3);
    assert_eq!(house.number("SELECT count(*) FROM optins WHERE state = 'new' AND page_id = '600700800'").await, 1);
    let body = fixture("optin_login");
    let old = Request::post("/webhook").header("x-hub-signature-256", signature("old-secret", &body));
    assert_eq!(house.ask(old.body(Body::from(body)).unwrap()).await.status, StatusCode::OK);
    for body in ["{}", r#"{"object":"user"}"#, r#"{"object":"page","entry":[]}"#] {
        assert_eq!(house.ask(hook(body)).await.status, StatusCode::OK, "{body}");
    }
    assert_eq!((house.rows("optins").await, house.events("other_object")), (5, 2));
}

/// The platform sends again what was answered too late, and in other batches than before.
pub(crate) async fn a_redelivery_changes_nothing(house: House) {
    for _ in 0..3 {
        assert_eq!(house.ask(hook(fixture("optin_login"))).await.status, StatusCode::OK);
    }
    let one = "SELECT count(*) FROM optins WHERE state = 'pending' AND cycle = 1 AND renewed_at IS NULL";
    assert_eq!((house.rows("optins").await, house.number(one).await), (1, 1));
}

pub(crate) async fn a_store_that_refuses_and_a_body_that_breaks_off(house: House) {
    let broken = || pieces(vec![b"{".to_vec(), vec![]]);
    let signed = Request::post("/webhook").header("x-hub-signature-256", signature("test-app-secret", b"{"));
    assert_eq!(house.ask(signed.body(broken()).unwrap()).await.status, StatusCode::BAD_REQUEST);
    // Of what nobody signed nothing is read.
    assert_eq!(house.ask(Request::post("/webhook").body(broken()).unwrap()).await.status, StatusCode::FORBIDDEN);
    house.store.close().await;
    let answer = house.ask(hook(fixture("optin_login"))).await;
    assert_eq!((answer.status, &*answer.problem()), (StatusCode::SERVICE_UNAVAILABLE, "unavailable"));
    assert_eq!(answer.headers[header::RETRY_AFTER], "30");
    assert_eq!((house.events("optin"), house.refused("unavailable")), (0, 1), "counted when it comes again");
    assert_eq!(house.ask(hook("{}")).await.status, StatusCode::OK, "nothing to store");
    let answer = house.ask(site(json!({"page_id": "3003", "login_id": "a"}).to_string())).await;
    assert_eq!((answer.status, &*answer.problem()), (StatusCode::SERVICE_UNAVAILABLE, "unavailable"));
    assert!(answer.headers.contains_key(header::RETRY_AFTER));
    assert_eq!(house.rows("optins").await, 0);
}

pub(crate) async fn erased_people_are_counted(house: House) {
    erase(&house, "200300400500", "login-amber").await;
    assert_eq!(house.ask(hook(fixture("optin_login"))).await.status, StatusCode::OK);
    assert_eq!((house.events("erased_person"), house.rows("optins").await), (1, 0));
}

/// Leaves behind what an erasure leaves.
pub(crate) async fn erase(house: &House, page: &str, login: &str) {
    let key = house.store.setting("store_key").await.unwrap().unwrap();
    let key = StoreKey::new(hex::decode(key).unwrap().try_into().unwrap());
    let name = key.tombstone(&PageId::new(page).unwrap(), &LoginId::new(login).unwrap());
    let text = format!("INSERT INTO tombstones (name, at, erased) VALUES ('{name}', {}, 1)", NOW.ms());
    house.sql(&text).await;
}
