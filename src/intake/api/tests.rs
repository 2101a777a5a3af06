//! Items of `POST /optins`, one by one.

use secrecy::SecretString;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::MOST_ITEMS;
use super::answer::Line;
use super::item::{FIELDS, Fault, LONGEST_LOCALE, LONGEST_REFERENCE, read};
use crate::domain::ids::{LoginId, MAX_ID_BYTES, OptInId, PageId};
use crate::domain::signal::{NewOptIn, Receipt, Source};
use crate::domain::time::Timestamp;
use crate::intake::{Derivation, openapi};

const NOW: Timestamp = Timestamp::from_ms(1_780_315_200_000);
/// The `login_id` of person 1001 on page 3003 under app 2002.
const DERIVED: &str = "801121618c4a6cda1021f1faa963e7567162ecb7f38d1cf2152d5d98333fd962";

fn item(json: &str) -> Result<NewOptIn, Fault> {
    let derivation =
        Derivation { app_id: "2002".into(), client_token: SecretString::from("test-client-token".to_owned()) };
    read(&RawValue::from_string(json.to_owned()).unwrap(), Some(&derivation), NOW)
}

fn taken(login: &str) -> NewOptIn {
    NewOptIn {
        page: PageId::new("3003").unwrap(),
        login: LoginId::new(login).unwrap(),
        at: None,
        locale: None,
        reference: None,
        source: Source::Site,
    }
}

/// Code and field of an item's fault.
fn fault(json: &str) -> (String, String) {
    let fault = serde_json::to_value(item(json).unwrap_err()).unwrap();
    let part = |key: &str| fault.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    assert!(!part("detail").is_empty());
    (part("code"), part("field"))
}

#[test]
fn an_item_in_full_and_in_short() {
    let full = item(
        r#"{"page_id":"3003","login_id":"login-amber","opted_in_at":"2026-06-01T13:59:00+02:00","locale":"de_DE","ref":"order 7"}"#,
    );
    let expected = NewOptIn {
        at: Some(Timestamp::from_ms(1_780_315_140_000)),
        locale: Some("de_DE".into()),
        reference: Some("order 7".into()),
        ..taken("login-amber")
    };
    assert_eq!(full, Ok(expected));
    assert_eq!(item(r#"{"page_id":3003,"login_id":77}"#), Ok(taken("77")));
    let nulls = r#"{"page_id":"3003","login_id":"a","app_scoped_id":null,"opted_in_at":null,"locale":null,"ref":null}"#;
    assert_eq!(item(nulls), Ok(taken("a")));
}

#[test]
fn a_login_id_is_derived_and_both_must_agree() {
    assert_eq!(item(r#"{"page_id":"3003","app_scoped_id":"1001"}"#), Ok(taken(DERIVED)));
    assert_eq!(item(r#"{"page_id":3003,"app_scoped_id":1001}"#), Ok(taken(DERIVED)));
    let both = |login: &str| format!(r#"{{"page_id":"3003","app_scoped_id":"1001","login_id":"{login}"}}"#);
    assert_eq!(item(&both(DERIVED)), Ok(taken(DERIVED)));
    assert_eq!(fault(&both("another")), ("mismatch".into(), "login_id".into()));

    let raw = RawValue::from_string(both(DERIVED)).unwrap();
    let without = serde_json::to_value(read(&raw, None, NOW).unwrap_err()).unwrap();
    assert_eq!(without["code"], "not_configured");
    assert!(without["detail"].as_str().unwrap().contains("login.client_token"), "{without}");
}

#[test]
fn times() {
    let at = |value: Value| item(&json!({ "page_id": "3003", "login_id": "a", "opted_in_at": value }).to_string());
    for form in [json!(1_780_315_140_000_i64), json!(1_780_315_140), json!("1780315140"), json!("2026-06-01T11:59:00Z")]
    {
        assert_eq!(at(form.clone()).unwrap().at, Some(Timestamp::from_ms(1_780_315_140_000)), "{form}");
    }
    for (form, code) in [
        (json!("2026-06-01T12:05:01Z"), "in_future"),
        (json!("2026-05-25T11:59:59Z"), "too_old"),
        (json!("yesterday"), "invalid"),
        (json!(""), "invalid"),
        (json!(1.5), "invalid"),
        (json!(0), "invalid"),
        (json!(i64::MAX), "invalid"),
        (json!({}), "invalid"),
    ] {
        let fault = serde_json::to_value(at(form.clone()).unwrap_err()).unwrap();
        assert_eq!((&fault["code"], &fault["field"]), (&json!(code), &json!("opted_in_at")), "{form}");
    }
}

#[test]
fn faults_name_the_field_and_never_the_person() {
    for (json, code, field) in [
        (r#"{"login_id":"a"}"#, "missing", "page_id"),
        (r#"{"page_id":"3003"}"#, "missing", "login_id"),
        (r#"{"page_id":"","login_id":"a"}"#, "invalid", "page_id"),
        (r#"{"page_id":"3003","login_id":" a"}"#, "invalid", "login_id"),
        (r#"{"page_id":"3003","login_id":"a\u0000"}"#, "invalid", "login_id"),
        (r#"{"page_id":"3003","login_id":1.5}"#, "invalid", "login_id"),
        (r#"{"page_id":"3003","app_scoped_id":""}"#, "invalid", "app_scoped_id"),
        (r#"{"page_id":"3003","login_id":"a","locale":"de DE"}"#, "invalid", "locale"),
        (r#"{"page_id":"3003","login_id":"a","locale":""}"#, "invalid", "locale"),
        (r#"{"page_id":"3003","login_id":"a","ref":"x\u0000"}"#, "invalid", "ref"),
        (r#"{"page_id":"3003","login_id":"a","loginid":"b"}"#, "unknown_field", ""),
        (r#"{"page_id":"3003","login_id":"\ud83d"}"#, "invalid", ""),
        (r#""text""#, "invalid", ""),
        ("null", "invalid", ""),
        ("[]", "invalid", ""),
    ] {
        assert_eq!(fault(json), (code.into(), field.into()), "{json}");
    }
    let hidden = item(r#"{"page_id":"3003","login_id":"carla-login","ref":"x\u0000carla"}"#).unwrap_err();
    assert!(!format!("{hidden:?}").contains("carla"), "{hidden:?}");
}

#[test]
fn every_receipt_has_a_result() {
    let line = |receipt| serde_json::to_value(Line::of(3, receipt)).unwrap();
    let id = OptInId(12);
    for (receipt, result) in [
        (Receipt::Created(id), "created"),
        (Receipt::Duplicate(id), "duplicate"),
        (Receipt::Applied(id), "duplicate"),
        (Receipt::Renewed(id), "renewed"),
        (Receipt::Reopened(id), "reopened"),
        (Receipt::Refused(id), "refused"),
    ] {
        assert_eq!(line(receipt), json!({ "index": 3, "id": 12, "result": result }));
    }
    assert_eq!(line(Receipt::Unknown), json!({ "index": 3, "result": "refused" }));
    assert_eq!(line(Receipt::Erased)["error"]["code"], "erased");
}

/// The schema of an item in the OpenAPI document, its references followed.
fn documented() -> Value {
    let document: Value = serde_json::from_str(openapi::DOCUMENT).unwrap();
    let mut schema = document["components"]["schemas"]["OptIn"].clone();
    for rule in schema["properties"].as_object_mut().unwrap().values_mut() {
        if let Some(to) = rule["$ref"].as_str().map(str::to_owned) {
            *rule = document.pointer(to.trim_start_matches('#')).unwrap().clone();
        }
    }
    let items = &document["paths"]["/optins"]["post"]["requestBody"]["content"]["application/json"]["schema"]["oneOf"];
    assert_eq!(items[1]["maxItems"], MOST_ITEMS);
    schema
}

/// An item with one field set to a value, and whatever else it needs.
fn with(field: &str, value: Value) -> String {
    let mut item = json!({ "page_id": "3003" });
    if field != "app_scoped_id" {
        item["login_id"] = "a".into();
    }
    item[field] = value;
    item.to_string()
}

#[test]
fn the_document_says_what_an_item_may_be() {
    let schema = documented();
    let properties = schema["properties"].as_object().unwrap();
    let mut fields = FIELDS;
    fields.sort_unstable();
    assert_eq!(properties.keys().map(String::as_str).collect::<Vec<_>>(), fields);
    assert_eq!((&schema["additionalProperties"], &schema["required"]), (&json!(false), &json!(["page_id"])));
    assert_eq!(schema["anyOf"], json!([{ "required": ["login_id"] }, { "required": ["app_scoped_id"] }]));
    for (field, rule) in properties {
        let longest = match field.as_str() {
            "locale" => Some(LONGEST_LOCALE),
            "ref" => Some(LONGEST_REFERENCE),
            "opted_in_at" => None,
            _ => Some(MAX_ID_BYTES),
        };
        assert_eq!(rule.get("maxLength"), longest.map(Value::from).as_ref(), "{field}");
        if let Some(longest) = longest {
            assert_eq!(rule["minLength"] == 1, item(&with(field, "".into())).is_err(), "{field}, empty");
            assert!(item(&with(field, "x".repeat(longest).into())).is_ok(), "{field} of {longest}");
            let beyond = fault(&with(field, "x".repeat(longest + 1).into()));
            assert_eq!(beyond, ("invalid".to_owned(), field.clone()), "{field} of {}", longest + 1);
        }
        for kind in rule["type"].as_array().unwrap() {
            let value = match kind.as_str().unwrap() {
                "null" => Value::Null,
                "integer" if field == "opted_in_at" => json!(NOW.ms() / 1000),
                "string" if field == "opted_in_at" => json!(NOW.to_string()),
                "integer" => json!(17),
                "string" => json!("17"),
                other => panic!("{other}"),
            };
            assert!(item(&with(field, value.clone())).is_ok(), "{field}: {value}");
        }
        for value in [json!(true), json!({}), json!([]), json!(1.5)] {
            assert_eq!(fault(&with(field, value.clone())), ("invalid".to_owned(), field.clone()), "{value}");
        }
    }
}
