//! Every limit: at it accepted, one over it refused.

use super::*;
use crate::domain::token::{MARK, TOKEN_LENGTH};

/// A text of `length` characters, the last of which is an emoji: 2 UTF-16 units.
fn with_emoji(length: usize) -> String {
    "a".repeat(length - 2) + "\u{1f600}"
}

#[test]
fn every_text_has_its_limit_in_utf16_units() {
    type Case = (usize, &'static str, fn(&str) -> Value);
    let cases: [Case; 9] = [
        (2000, "text", |t| json!({"text": t})),
        (20, "quick_replies[0].title", |t| quick(&json!({"content_type": "text", "title": t, "payload": "P"}))),
        (640, "attachment.payload.text", |t| {
            template(
                &json!({"template_type": "button", "text": t, "buttons": [{"type": "postback", "title": "T", "payload": "P"}]}),
            )
        }),
        (80, "attachment.payload.elements[0].title", |t| generic(&json!({"title": t, "subtitle": "S"}))),
        (80, "attachment.payload.elements[0].subtitle", |t| generic(&json!({"title": "T", "subtitle": t}))),
        (20, "attachment.payload.buttons[0].title", |t| {
            buttons(&json!([{"type": "postback", "title": t, "payload": "P"}]))
        }),
        (20, "attachment.payload.buttons[0].title", |t| {
            buttons(&json!([{"type": "web_url", "title": t, "url": "https://example.com"}]))
        }),
        (20, "attachment.payload.buttons[0].title", |t| {
            buttons(&json!([{"type": "phone_number", "title": t, "payload": "+15105551234"}]))
        }),
        (64, "variants[0].name", |t| json!({"variants": [{"name": t, "message": {"text": "Hi"}}]})),
    ];
    for (most, path, file) in cases {
        let limit = format!("at most {most} characters (");
        accepted(&file(&"a".repeat(most)));
        refused(&file(&"a".repeat(most + 1)), path, &limit);
        accepted(&file(&with_emoji(most)));
        refused(&file(&with_emoji(most + 1)), path, "the stricter");
        refused(&file(&with_emoji(most + 1)), path, &limit);
        refused(&file(""), path, "is empty");
        refused(&file(" \n"), path, "is empty");
    }
}

#[test]
fn payloads_leave_room_for_the_token() {
    let room = 1000 - MARK.len() - TOKEN_LENGTH;
    let reply = |payload: String| quick(&json!({"content_type": "text", "title": "T", "payload": payload}));
    let button = |payload: String| buttons(&json!([{"type": "postback", "title": "T", "payload": payload}]));
    accepted(&reply("p".repeat(room)));
    accepted(&button(with_emoji(room)));
    let source = "has 971 characters, and our token adds 30; allowed: at most 1000 characters (Messenger Platform,";
    refused(&reply("p".repeat(room + 1)), "quick_replies[0].payload", source);
    refused(&button("p".repeat(room + 1)), "attachment.payload.buttons[0].payload", source);
    let unknown = |payload: String| {
        template(
            &json!({"template_type": "list", "elements": [{"buttons": [{"type": "postback", "payload": payload}]}]}),
        )
    };
    accepted(&unknown("p".repeat(room)));
    refused(&unknown("p".repeat(room + 1)), "attachment.payload.elements[0].buttons[0].payload", source);
}

#[test]
fn every_list_has_its_limit() {
    type Case = (usize, usize, &'static str, fn(&[Value]) -> Value, Value);
    let button = json!({"type": "postback", "title": "T", "payload": "P"});
    let cases: [Case; 5] = [
        (1, 13, "quick_replies", |l| json!({"text": "Hi", "quick_replies": l}), json!({"content_type": "user_email"})),
        (
            1,
            10,
            "attachment.payload.elements",
            |l| template(&json!({"template_type": "generic", "elements": l})),
            json!({"title": "T", "subtitle": "S"}),
        ),
        (
            1,
            1,
            "attachment.payload.elements",
            |l| template(&json!({"template_type": "media", "elements": l})),
            json!({"media_type": "image", "attachment_id": "1"}),
        ),
        (1, 3, "attachment.payload.buttons", |l| buttons(&json!(l)), button.clone()),
        (1, 3, "attachment.payload.elements[0].buttons", |l| generic(&json!({"title": "T", "buttons": l})), button),
    ];
    for (least, most, path, file, item) in cases {
        accepted(&file(&vec![item.clone(); least]));
        accepted(&file(&vec![item.clone(); most]));
        refused(&file(&vec![item.clone(); most + 1]), path, &format!("has {}; allowed: ", most + 1));
        refused(&file(&[]), path, "has 0; allowed: ");
    }
    refused(
        &json!({"text": "Hi", "quick_replies": []}),
        "quick_replies",
        "1 to 13 quick replies (Messenger Platform, quick replies)",
    );
    refused(
        &media(&json!({"media_type": "image", "attachment_id": "1", "buttons": []})),
        "attachment.payload.elements[0].buttons",
        "1 to 3 buttons",
    );
}
