//! Takes a body apart: every entry, every list of events in it, every event. The platform's own samples read only the
//! first event of the first entry; a batch may hold a thousand.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::fields::{Object, Odd, id, time};
use super::links;
use super::single::{ACCOUNT_LINKING, Entry, Event, Read, UNKNOWN, read};
use super::{NotUnderstood, Parsed, Reading};
use crate::domain::ids::PageId;
use crate::domain::signal::Signal;

/// How many shapes of unknown events are told of one body.
const MOST_SHAPES: usize = 8;

/// An object whose values are not read yet.
type Fields<'a> = BTreeMap<String, &'a RawValue>;

/// Reads a signed body.
///
/// # Errors
/// Where the body as a whole is no JSON object. Anything wrong further in is kept raw as [`Signal::Unparsed`].
pub fn parse(body: &[u8], cx: &Reading<'_>) -> Result<Parsed, NotUnderstood> {
    let whole: &RawValue = serde_json::from_slice(body).map_err(|_| NotUnderstood::NotJson)?;
    let body = fields(whole).ok_or(NotUnderstood::NotAnObject)?;
    let mut batch = Batch { cx, parsed: Parsed::default() };
    if body.get("object").and_then(|object| word(object)).as_deref() != Some("page") {
        batch.count("other_object");
    } else if let Some(entries) = body.get("entry").and_then(|entries| items(entries)) {
        for entry in entries {
            batch.entry(entry);
        }
    } else {
        batch.keep(None, whole);
    }
    Ok(batch.parsed)
}

/// Where an event stood.
#[derive(Clone, Copy)]
enum Place<'a> {
    /// In `messaging` or `standby`.
    List,
    /// In `changes`, under this field. The dashboard's test button sends such, with made-up pages.
    Change(&'a str),
}

struct Batch<'a> {
    cx: &'a Reading<'a>,
    parsed: Parsed,
}

impl Batch<'_> {
    fn entry(&mut self, raw: &RawValue) {
        let Some(fields) = fields(raw) else { return self.keep(None, raw) };
        let entry = self.entry_of(&fields);
        let mut lists = 0;
        // An app that does not own the thread gets the same events under `standby`.
        for key in ["messaging", "standby", "changes"] {
            let Some(list) = fields.get(key).filter(|list| list.get() != "null") else { continue };
            lists += 1;
            match items(list) {
                None => self.keep(entry.page.clone(), list),
                Some(changes) if key == "changes" => changes.into_iter().for_each(|change| self.change(change, &entry)),
                Some(events) => events.into_iter().for_each(|event| self.event(event, &entry, Place::List)),
            }
        }
        if lists == 0 {
            self.count("entry_without_events");
        }
    }

    fn entry_of(&self, fields: &Fields<'_>) -> Entry {
        let head: Object = ["id", "time"]
            .into_iter()
            .filter_map(|key| Some((key.to_owned(), serde_json::from_str(fields.get(key)?.get()).ok()?)))
            .collect();
        Entry { page: id::<PageId>(&head, "id").ok().flatten(), time: time(head.get("time"), self.cx.now) }
    }

    /// `{"field": "messages", "value": EVENT}`. Fields of other products, such as `feed`, look alike and are not ours.
    fn change(&mut self, raw: &RawValue, entry: &Entry) {
        let Some(change) = fields(raw) else { return self.keep(entry.page.clone(), raw) };
        match change.get("field").and_then(|field| word(field)) {
            Some(field) if field.starts_with("messag") || field == "standby" => match change.get("value") {
                Some(value) => self.event(value, entry, Place::Change(&field)),
                None => self.keep(entry.page.clone(), raw),
            },
            Some(_) => self.count("other_change"),
            None => self.keep(entry.page.clone(), raw),
        }
    }

    fn event(&mut self, raw: &RawValue, entry: &Entry, place: Place<'_>) {
        let field = match place {
            Place::List => None,
            Place::Change(field) => Some(field),
        };
        let read = match serde_json::from_str::<Object>(raw.get()) {
            Ok(fields) => {
                self.parsed.sources.extend(links::sources(&fields));
                let read = read(&Event { fields: &fields, entry, field, cx: self.cx });
                // Of account linking nobody documented what it looks like.
                let strange = matches!(read, Ok(Read { kind: UNKNOWN | ACCOUNT_LINKING, .. }));
                if strange && self.parsed.shapes.len() < MOST_SHAPES {
                    self.parsed.shapes.insert(shape(&fields, field));
                }
                read
            }
            Err(_) => Err(Odd::Shape("event")),
        };
        match (read, place) {
            (Ok(Read { kind, signal }), _) => {
                self.count(kind);
                self.parsed.signals.extend(signal);
            }
            (Err(Odd::OtherPage), Place::Change(_)) => self.count("test"),
            (Err(odd), _) => {
                tracing::warn!(page = entry.page.as_ref().map(tracing::field::display), ?odd, "event kept raw");
                self.keep(entry.page.clone(), raw);
            }
        }
    }

    fn count(&mut self, kind: &'static str) {
        *self.parsed.kinds.entry(kind).or_default() += 1;
    }

    fn keep(&mut self, page: Option<PageId>, raw: &RawValue) {
        self.count("unparsed");
        self.parsed.signals.push(Signal::Unparsed { page, raw: raw.get().to_owned() });
    }
}

fn fields(raw: &RawValue) -> Option<Fields<'_>> {
    serde_json::from_str(raw.get()).ok()
}

fn items(raw: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(raw.get()).ok()
}

fn word(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

/// The names of an event's parts. What does not look like a name of the platform's is not repeated.
fn shape(fields: &Object, field: Option<&str>) -> String {
    let name = |name: &str| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'-');
        if name.len() <= 40 && name.bytes().all(plain) { name.to_owned() } else { "?".to_owned() }
    };
    let names: Vec<String> = fields.keys().take(12).map(|key| name(key)).collect();
    let field = field.map(|field| format!(" under {}", name(field))).unwrap_or_default();
    format!("{}{field}", names.join(","))
}
