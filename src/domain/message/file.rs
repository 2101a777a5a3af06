//! The shape of a template file: one message, or variants of it.

use std::collections::HashSet;

use serde_json::Value;

use super::choice::is_locale;
use super::node::Node;
use super::report::{Fault, Report};
use super::{limits, lint, message_object};

/// For [`only`], about the keys of a message.
pub(super) const IN_A_MESSAGE: &str = "in a message, which has text or attachment, and quick_replies";

/// A variant as the file has it; what is faulty in it stands in the report.
pub(super) struct Draft<'a> {
    pub(super) name: &'a str,
    pub(super) locale: Option<&'a str>,
    pub(super) weight: u32,
    pub(super) message: &'a Value,
}

impl<'a> Draft<'a> {
    fn alone(message: &'a Value) -> Self {
        Self { name: "default", locale: None, weight: 1, message }
    }
}

/// Checks a whole file.
pub(super) fn check<'a>(root: &Node<'a>, report: &mut Report) -> Vec<Draft<'a>> {
    if !root.is_object(report) {
        return Vec::new();
    }
    refuse_keys(root, report);
    if let Some(list) = root.get("variants") {
        only(root, &["variants"], "beside `variants`; what is said belongs into a variant's `message`", report);
        return variants(&list, report);
    }
    let Some(message) = root.get("message") else {
        check_message(root, report);
        return vec![Draft::alone(root.value)];
    };
    report.fault(&message, "is not wanted: the file is what would stand here, or {\"variants\": [..]}");
    only(root, &["message"], "beside the message", report);
    check_message(&message, report);
    Vec::new()
}

/// The fault of a file in which every variant has a locale.
pub(super) fn no_fallback() -> Fault {
    let problem = "one variant must have no locale, for people whose locale is unknown";
    Fault { path: "variants".into(), problem: format!("is incomplete: {problem}"), rule: None }
}

fn check_message(message: &Node<'_>, report: &mut Report) {
    message_object::check(message, report);
    if message.value.is_object() {
        lint::check(message, report);
    }
}

fn variants<'a>(list: &Node<'a>, report: &mut Report) -> Vec<Draft<'a>> {
    list.check_list(&limits::VARIANTS, report);
    let drafts: Vec<_> = list.items().map(|node| variant(&node, report)).collect();
    let mut names = HashSet::new();
    for (draft, node) in drafts.iter().zip(list.items()) {
        if !draft.name.is_empty() && !names.insert(draft.name) {
            report.missing(&node, "name", format!("{:?} is the name of an earlier variant", draft.name));
        }
    }
    if !drafts.is_empty() && drafts.iter().all(|draft| draft.locale.is_some()) {
        report.faults.push(no_fallback());
    }
    drafts
}

/// Checks one variant. There is a draft even of what is no object, so that drafts and items stay in step.
fn variant<'a>(node: &Node<'a>, report: &mut Report) -> Draft<'a> {
    if !node.is_object(report) {
        return Draft { name: "", ..Draft::alone(node.value) };
    }
    only(
        node,
        &["name", "locale", "weight", "message"],
        "in a variant, which has name, locale, weight and message",
        report,
    );
    let (name, locale, weight) = (name(node, report), locale(node, report), weight(node, report));
    let message = node.required("message", report);
    if let Some(message) = &message {
        check_message(message, report);
    }
    Draft { name, locale, weight, message: message.map_or(node.value, |message| message.value) }
}

fn name<'a>(variant: &Node<'a>, report: &mut Report) -> &'a str {
    let Some(node) = variant.required("name", report) else { return "" };
    node.check_text(&limits::VARIANT_NAME, report);
    let name = node.value.as_str().unwrap_or_default();
    if !name.trim().is_empty() && (name.trim() != name || name.chars().any(char::is_control)) {
        report.fault(&node, "has white space around it or a control character in it");
    }
    name
}

fn locale<'a>(variant: &Node<'a>, report: &mut Report) -> Option<&'a str> {
    let node = variant.get("locale")?;
    let locale = node.as_text(report).unwrap_or_default();
    if node.value.is_string() && !is_locale(locale) {
        report
            .fault(&node, format!("is {locale:?}; write a language and perhaps a country, as in \"de\" or \"de_DE\""));
    }
    Some(locale)
}

fn weight(variant: &Node<'_>, report: &mut Report) -> u32 {
    let Some(node) = variant.get("weight") else { return 1 };
    let weight = node.value.as_u64().and_then(|weight| u32::try_from(weight).ok());
    match weight {
        Some(0) => {
            report.exceeds(&node, "is 0, so nobody would get this variant: leave it out instead", &limits::WEIGHT);
        }
        Some(weight) if usize::try_from(weight).is_ok_and(|weight| limits::WEIGHT.allows(weight)) => return weight,
        _ => report.exceeds(&node, format!("is {}", node.value), &limits::WEIGHT),
    }
    1
}

/// Refuses every key but those named. Keys that [`refuse_keys`] explains are left to it.
pub(super) fn only(node: &Node<'_>, known: &[&str], place: &str, report: &mut Report) {
    for (key, field) in node.fields().filter(|(key, _)| !known.contains(key) && refusal(key).is_none()) {
        report.fault(&field, format!("is a key that is not known {place} ({key:?})"));
    }
}

/// Refuses, at any depth, what belongs to the request and not to the message.
fn refuse_keys(node: &Node<'_>, report: &mut Report) {
    for (key, field) in node.fields() {
        if let Some(why) = refusal(key) {
            report.fault(&field, format!("is refused: {why}"));
        }
        refuse_keys(&field, report);
    }
    node.items().for_each(|item| refuse_keys(&item, report));
}

fn refusal(key: &str) -> Option<&'static str> {
    Some(match key {
        "tag" => "message tags were retired on 2026-04-27, and the first message may carry none (Login Connect FAQ)",
        "messaging_type" => "firstword sets it; the first message is an UPDATE",
        "recipient" => "firstword sets it for each person",
        "persona_id" => {
            "it is no part of a message but stands beside it, and whether it works for a login_id is unconfirmed, \
             so firstword sends none"
        }
        "notification_type" | "sender_action" => {
            "it is no part of a message but stands beside it, and firstword sends none"
        }
        "access_token" | "appsecret_proof" => "a secret has no place in a template; it stands in the configuration",
        _ => return None,
    })
}
