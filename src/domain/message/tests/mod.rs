//! The template as its callers see it.

mod choosing;
mod limits;
mod refusals;
mod rendering;

use serde_json::{Value, json};

use super::*;

fn faults(file: &Value) -> Vec<String> {
    Template::parse(&file.to_string()).err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

fn warnings(file: &Value) -> Vec<String> {
    Template::parse(&file.to_string()).unwrap().1.iter().map(ToString::to_string).collect()
}

/// Exactly one fault, at this path, with these words.
fn refused(file: &Value, path: &str, words: &str) {
    let found = Template::parse(&file.to_string()).err().unwrap_or_default();
    let fits = matches!(found.as_slice(), [fault] if fault.path == path && fault.to_string().contains(words));
    assert!(fits, "{path}: {words}\nfound {found:#?}\nin {file}");
}

fn accepted(file: &Value) {
    assert_eq!(faults(file), Vec::<String>::new(), "{file}");
}

fn template(payload: &Value) -> Value {
    json!({"attachment": {"type": "template", "payload": payload}})
}

fn buttons(buttons: &Value) -> Value {
    template(&json!({"template_type": "button", "text": "Hi, a bot", "buttons": buttons}))
}

fn generic(element: &Value) -> Value {
    template(&json!({"template_type": "generic", "elements": [element]}))
}

fn media(element: &Value) -> Value {
    template(&json!({"template_type": "media", "elements": [element]}))
}

fn quick(reply: &Value) -> Value {
    json!({"text": "Hi, a bot", "quick_replies": [reply]})
}

#[test]
fn the_examples_are_clean() {
    let welcome = include_str!("../../../../messages/welcome.json");
    let (template, warnings) = Template::parse(welcome).unwrap();
    assert_eq!(warnings, []);
    assert_eq!(template.fingerprint(), keyed::fingerprint(welcome.as_bytes()));
    let variant = template.choose(Some("de_DE"), 7);
    assert_eq!((variant.name(), variant.locale(), variant.weight(), variant.taps()), ("default", None, 1, 3));
    assert!(variant.preview().ends_with("(Where is my order?) (Find a product) (Talk to a person)"));
    let (template, warnings) = Template::parse(include_str!("../../../../messages/welcome-variants.json")).unwrap();
    assert_eq!(warnings, []);
    assert_eq!(template.variants().map(Variant::name).collect::<Vec<_>>(), ["question", "buttons", "frage"]);
    assert_eq!(template.choose(Some("de_AT"), 1).name(), "frage");
}

#[test]
fn unwise_messages_are_warned_of() {
    let plain = warnings(&json!({"text": "Hello"}));
    assert!(
        matches!(plain.as_slice(), [a, b] if a.contains("California and Germany") && b.contains("surest way")),
        "{plain:?}"
    );
    assert_eq!(warnings(&quick(&json!({"content_type": "text", "title": "T", "payload": "P"}))), Vec::<String>::new());
    let image = warnings(&json!({"attachment": {"type": "image", "payload": {"url": "https://example.com/a"}}}));
    assert!(image.iter().any(|w| w.starts_with("attachment.payload.url is fetched")), "{image:?}");
    let odd = warnings(&quick(&json!({"content_type": "text", "title": "T", "payload": "P", "image_ulr": "x"})));
    assert!(matches!(odd.as_slice(), [w] if w.starts_with("quick_replies[0].image_ulr is not a key")), "{odd:?}");
    let link = warnings(&buttons(&json!([{"type": "account_link", "url": "https://example.com"}])));
    assert!(link.iter().any(|w| w.contains("a button we do not check")), "{link:?}");
}
