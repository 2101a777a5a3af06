//! `attachment`: a file, or one of the platform's templates.

use super::button;
use super::limits;
use super::node::Node;
use super::report::Report;

const NOT_BARE: &str = "needs something besides its title: a subtitle, image, default_action or buttons \
                        (Messenger Platform, generic template)";
const ON_FACEBOOK: &str = "must be an address on facebook.com; upload other files and give their `attachment_id` \
                           (Messenger Platform, media template)";

/// Checks an attachment.
pub(super) fn check(attachment: &Node<'_>, report: &mut Report) {
    if !attachment.is_object(report) {
        return;
    }
    attachment.check_keys(&["type", "payload"], report);
    let kind = attachment.required("type", report);
    let payload = attachment.required("payload", report).filter(|payload| payload.is_object(report));
    let (Some(kind), Some(payload)) = (kind, payload) else { return };
    match kind.value.as_str() {
        Some("image" | "video" | "audio" | "file") => file(&payload, report),
        Some("template") => template(&payload, report),
        _ => report.fault(&kind, format!("is {}; known are image, video, audio, file and template", kind.value)),
    }
}

fn file(payload: &Node<'_>, report: &mut Report) {
    payload.check_keys(&["url", "attachment_id", "is_reusable"], report);
    url_or_id(payload, report);
}

/// Exactly one of `url` and `attachment_id`; gives the host of the address.
fn url_or_id<'a>(owner: &Node<'a>, report: &mut Report) -> Option<&'a str> {
    let (url, id) = (owner.get("url"), owner.get("attachment_id"));
    match (&url, &id) {
        (None, None) => report.fault(owner, "needs `url` or `attachment_id`"),
        (Some(_), Some(_)) => report.fault(owner, "has both `url` and `attachment_id`; the platform takes one of them"),
        _ => {}
    }
    if let Some(id) = id {
        let named = id.value.as_str().is_some_and(|id| !id.trim().is_empty());
        if !named && !id.value.is_u64() {
            report.fault(&id, "must be the id the platform gave for the upload");
        }
    }
    url?.check_https(report)
}

fn template(payload: &Node<'_>, report: &mut Report) {
    let Some(kind) = payload.required("template_type", report) else { return };
    match kind.value.as_str() {
        Some("generic") => generic(payload, report),
        Some("button") => button_template(payload, report),
        Some("media") => media(payload, report),
        Some(other) => {
            report.warn(
                &kind,
                format!("is {other:?}: a template we do not check, so a fault in it shows when it is sent"),
            );
            button::check_payloads_within(payload, report);
        }
        None => report.fault(&kind, "must be a text: \"generic\", \"button\", \"media\" or another the platform knows"),
    }
}

fn generic(payload: &Node<'_>, report: &mut Report) {
    payload.check_keys(&["template_type", "elements", "sharable", "image_aspect_ratio"], report);
    let Some(elements) = payload.required("elements", report) else { return };
    elements.check_list(&limits::ELEMENTS, report);
    elements.items().for_each(|element| generic_element(&element, report));
}

fn generic_element(element: &Node<'_>, report: &mut Report) {
    if !element.is_object(report) {
        return;
    }
    element.check_keys(&["title", "subtitle", "image_url", "default_action", "buttons"], report);
    if let Some(title) = element.required("title", report) {
        title.check_text(&limits::ELEMENT_TITLE, report);
    }
    if element.fields().all(|(key, _)| key == "title") {
        report.fault(element, NOT_BARE);
    }
    if let Some(subtitle) = element.get("subtitle") {
        subtitle.check_text(&limits::ELEMENT_SUBTITLE, report);
    }
    if let Some(image) = element.get("image_url") {
        image.check_https(report);
    }
    if let Some(action) = element.get("default_action") {
        default_action(&action, report);
    }
    if let Some(buttons) = element.get("buttons") {
        button::check_all(&buttons, &limits::ELEMENT_BUTTONS, report);
    }
}

/// What a tap on the element itself opens: a `web_url` button without a title.
fn default_action(action: &Node<'_>, report: &mut Report) {
    if !action.is_object(report) {
        return;
    }
    if action.word("type") != Some("web_url") {
        report.missing(action, "type", "must be \"web_url\" (Messenger Platform, generic template)");
    }
    if action.get("title").is_some() {
        report.missing(action, "title", "is not allowed here (Messenger Platform, generic template)");
    }
    if let Some(url) = action.required("url", report) {
        url.check_https(report);
    }
}

fn button_template(payload: &Node<'_>, report: &mut Report) {
    payload.check_keys(&["template_type", "text", "buttons", "sharable"], report);
    if let Some(text) = payload.required("text", report) {
        text.check_text(&limits::BUTTON_TEXT, report);
    }
    if let Some(buttons) = payload.required("buttons", report) {
        button::check_all(&buttons, &limits::BUTTONS, report);
    }
}

fn media(payload: &Node<'_>, report: &mut Report) {
    payload.check_keys(&["template_type", "elements", "sharable"], report);
    let Some(elements) = payload.required("elements", report) else { return };
    elements.check_list(&limits::MEDIA_ELEMENTS, report);
    elements.items().for_each(|element| media_element(&element, report));
}

fn media_element(element: &Node<'_>, report: &mut Report) {
    if !element.is_object(report) {
        return;
    }
    element.check_keys(&["media_type", "attachment_id", "url", "buttons"], report);
    if let Some(kind) = element.required("media_type", report)
        && kind.value != "image"
        && kind.value != "video"
    {
        report.fault(
            &kind,
            format!("is {}; known are \"image\" and \"video\" (Messenger Platform, media template)", kind.value),
        );
    }
    if url_or_id(element, report).is_some_and(|host| !is_facebook(host)) {
        report.missing(element, "url", ON_FACEBOOK);
    }
    if let Some(buttons) = element.get("buttons") {
        button::check_all(&buttons, &limits::MEDIA_BUTTONS, report);
    }
}

fn is_facebook(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host == "facebook.com" || host.ends_with(".facebook.com")
}
