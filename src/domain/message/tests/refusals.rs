//! What is refused, where, and in which words.

use super::*;

#[test]
fn what_the_platform_allows_is_accepted() {
    for file in [
        json!({"attachment": {"type": "image", "payload": {"url": "https://example.com/a.png", "is_reusable": true}}}),
        json!({"attachment": {"type": "file", "payload": {"attachment_id": 1_745_504_518_999_123_u64}}}),
        quick(&json!({"content_type": "user_phone_number"})),
        quick(&json!({"content_type": "user_email", "payload": "x".repeat(1000)})),
        quick(&json!({"content_type": "text", "title": "", "payload": "", "image_url": "https://example.com/a.png"})),
        media(&json!({"media_type": "video", "url": "https://business.facebook.com/page/videos/1"})),
        generic(&json!({"title": "T", "default_action": {"type": "web_url", "url": "https://example.com"}})),
        buttons(&json!([{"type": "account_link", "url": "https://example.com"}])),
        template(&json!({"template_type": "receipt", "recipient_name": "A", "payment_method": "Visa"})),
        json!({"variants": [
            {"name": "a", "message": {"text": "Hi"}},
            {"name": "b", "weight": 1_000_000, "locale": "de", "message": {"text": "Hallo"}},
        ]}),
    ] {
        accepted(&file);
    }
}

#[test]
fn a_message_the_platform_would_refuse_is_refused() {
    let image = |payload: Value| json!({"attachment": {"type": "image", "payload": payload}});
    let url = "https://example.com/a";
    for (file, path, words) in [
        (json!([]), "", "must be an object"),
        (json!({}), "", "says nothing"),
        (json!({"text": "a", "attachment": {"type": "image", "payload": {"url": url}}}), "", "has both `text` and"),
        (json!({"text": null}), "text", "must be a text"),
        (json!({"text": "a", "quick_replies": {}}), "quick_replies", "must be an array"),
        (json!({"text": "a", "quick_replies": ["x"]}), "quick_replies[0]", "must be an object"),
        (quick(&json!({"title": "T"})), "quick_replies[0].content_type", "is missing"),
        (quick(&json!({"content_type": "location"})), "quick_replies[0].content_type", "\"location\"; known are"),
        (quick(&json!({"content_type": "text", "payload": "P"})), "quick_replies[0].title", "is missing"),
        (quick(&json!({"content_type": "text", "title": "T"})), "quick_replies[0].payload", "is missing"),
        (quick(&json!({"content_type": "text", "title": "T", "payload": ""})), "quick_replies[0].payload", "is empty"),
        (
            quick(&json!({"content_type": "text", "title": "T", "payload": 7})),
            "quick_replies[0].payload",
            "must be a text",
        ),
        (
            quick(&json!({"content_type": "user_email", "image_url": "http://a.example"})),
            "quick_replies[0].image_url",
            "not an https",
        ),
        (json!({"attachment": "x"}), "attachment", "must be an object"),
        (json!({"attachment": {"type": "sticker", "payload": {}}}), "attachment.type", "known are image, video"),
        (json!({"attachment": {"type": "image"}}), "attachment.payload", "is missing"),
        (image(json!({})), "attachment.payload", "needs `url` or `attachment_id`"),
        (image(json!({"url": url, "attachment_id": "1"})), "attachment.payload", "has both"),
        (image(json!({"url": "ftp://example.com"})), "attachment.payload.url", "not an https"),
        (image(json!({"attachment_id": 1.5})), "attachment.payload.attachment_id", "must be the id"),
    ] {
        refused(&file, path, words);
    }
}

#[test]
fn a_template_the_platform_would_refuse_is_refused() {
    let url = "https://example.com/a";
    for (file, path, words) in [
        (template(&json!({})), "attachment.payload.template_type", "is missing"),
        (generic(&json!({"title": "T"})), "attachment.payload.elements[0]", "something besides its title"),
        (generic(&json!({"subtitle": "T"})), "attachment.payload.elements[0].title", "is missing"),
        (
            generic(&json!({"title": "T", "default_action": {"type": "postback", "url": url}})),
            "attachment.payload.elements[0].default_action.type",
            "web_url",
        ),
        (
            media(&json!({"media_type": "audio", "attachment_id": "1"})),
            "attachment.payload.elements[0].media_type",
            "known are \"image\"",
        ),
        (media(&json!({"media_type": "image", "url": url})), "attachment.payload.elements[0].url", "facebook.com"),
        (
            media(&json!({"media_type": "image", "url": "https://notfacebook.com/a"})),
            "attachment.payload.elements[0].url",
            "facebook.com",
        ),
        (buttons(&json!([{"title": "T"}])), "attachment.payload.buttons[0].type", "is missing"),
        (
            buttons(&json!([{"type": "web_url", "title": "T", "url": "http://a.example"}])),
            "attachment.payload.buttons[0].url",
            "not an https",
        ),
        (buttons(&json!([{"type": "postback", "title": "T"}])), "attachment.payload.buttons[0].payload", "is missing"),
        (
            buttons(&json!([{"type": "phone_number", "title": "T", "payload": "0123"}])),
            "attachment.payload.buttons[0].payload",
            "phone number",
        ),
    ] {
        refused(&file, path, words);
    }
}

#[test]
fn keys_that_are_no_part_of_a_message_are_refused_with_the_reason() {
    for (key, words) in [
        ("tag", "retired on 2026-04-27, and the first message may carry none (Login Connect FAQ)"),
        ("messaging_type", "UPDATE"),
        ("recipient", "for each person"),
        ("persona_id", "unconfirmed"),
        ("notification_type", "beside it"),
        ("metadata", "its own token"),
        ("colour", "not known in a message, which has text or attachment, and quick_replies (\"colour\")"),
    ] {
        refused(&json!({"text": "Hi", key: "x"}), key, words);
        let path = format!("variants[0].message.{key}");
        refused(&json!({"variants": [{"name": "a", "message": {"text": "Hi", key: "x"}}]}), &path, words);
    }
    refused(&quick(&json!({"content_type": "user_email", "tag": "x"})), "quick_replies[0].tag", "retired");
    refused(&json!({"variants": [{"name": "a", "message": {"text": "Hi"}}], "tag": "x"}), "tag", "retired");
    let request = json!({"recipient": {"login_id": "x"}, "messaging_type": "UPDATE", "message": {"text": "Hi"}});
    assert_eq!(faults(&request).len(), 3);
}

#[test]
fn variants_are_named_weighted_and_complete() {
    let hi = json!({"text": "Hi"});
    for (variants, path, words) in [
        (json!([]), "variants", "has 0; allowed: 1 to 1000 variants"),
        (json!({}), "variants", "must be an array"),
        (json!(["x"]), "variants[0]", "must be an object"),
        (json!([{"message": hi}]), "variants[0].name", "is missing"),
        (json!([{"name": "a"}]), "variants[0].message", "is missing"),
        (json!([{"name": " a", "message": hi}]), "variants[0].name", "white space"),
        (json!([{"name": "a", "message": hi}, {"name": "a", "message": hi}]), "variants[1].name", "earlier variant"),
        (json!([{"name": "a", "message": hi, "weight": 0}]), "variants[0].weight", "nobody would get"),
        (json!([{"name": "a", "message": hi, "weight": -1}]), "variants[0].weight", "is -1; allowed: 1 to 1000000"),
        (json!([{"name": "a", "message": hi, "weight": 1_000_001}]), "variants[0].weight", "allowed: 1 to 1000000"),
        (json!([{"name": "a", "message": hi, "weight": 0.5}]), "variants[0].weight", "is 0.5"),
        (
            json!([{"name": "a", "message": hi, "locale": "de_DE"}]),
            "variants",
            "one variant must have no locale, for people whose locale is unknown",
        ),
        (
            json!([{"name": "a", "message": hi}, {"name": "b", "message": hi, "locale": "de-DE"}]),
            "variants[1].locale",
            "as in \"de\"",
        ),
        (json!([{"name": "a", "message": hi, "wieght": 2}]), "variants[0].wieght", "not known in a variant"),
    ] {
        refused(&json!({"variants": variants}), path, words);
    }
    refused(&json!({"variants": [{"name": "a", "message": hi}], "text": "Hi"}), "text", "beside `variants`");
}

#[test]
fn all_faults_are_told_at_once() {
    let file = json!({"variants": [
        {"name": "a", "weight": 0, "message": {"text": "", "tag": "X"}},
        {"name": "a", "message": {"text": "Hi", "quick_replies": [
            {"content_type": "user_email"},
            {"content_type": "text", "title": "far too long for a quick reply", "payload": ""},
        ]}},
    ]});
    let mut found: Vec<_> =
        Template::parse(&file.to_string()).unwrap_err().into_iter().map(|fault| fault.path).collect();
    found.sort();
    let expected = [
        "variants[0].message.tag",
        "variants[0].message.text",
        "variants[0].weight",
        "variants[1].message.quick_replies[1].payload",
        "variants[1].message.quick_replies[1].title",
        "variants[1].name",
    ];
    assert_eq!(found, expected);
    let shown = faults(&quick(&json!({"content_type": "text", "title": "twenty-one characters", "payload": "P"})));
    assert_eq!(
        shown,
        [
            "quick_replies[0].title has 21 characters; allowed: at most 20 characters (Messenger Platform, quick replies)"
        ]
    );
}

#[test]
fn what_is_not_json_is_a_fault() {
    for text in ["", "{", "{\"text\": \"a\"} x", "{\"text\": \"a\", \"text\": \"b\"}", "\u{0}"] {
        let found = Template::parse(text).unwrap_err();
        assert!(matches!(found.as_slice(), [fault] if fault.problem.contains("not proper JSON")), "{found:?}");
    }
}
