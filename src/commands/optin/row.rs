//! An opt-in as the export writes it: the contract others build on.

use clap::ValueEnum;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::cli::optin::Field;
use crate::domain::ids::Psid;
use crate::domain::optin::{OptIn, Reason};
use crate::domain::time::Timestamp;
use crate::domain::window::{PROMOTIONAL, Window};

/// An opt-in and the fields to show of it. Serializes as an object with the keys in this order.
pub(super) struct Row<'a> {
    pub(super) optin: &'a OptIn,
    pub(super) window: Window,
    pub(super) fields: &'a [Field],
}

impl<'a> Row<'a> {
    /// With every field.
    pub(super) fn whole(optin: &'a OptIn, window: Window) -> Self {
        Self { optin, window, fields: Field::value_variants() }
    }

    /// A field's value; null where there is none.
    pub(super) fn value(&self, field: Field) -> Value {
        let o = self.optin;
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string()).into();
        match field {
            Field::PageId => o.page.as_str().into(),
            Field::LoginId => o.login.as_str().into(),
            Field::State => o.state.as_str().into(),
            Field::OptedInAt => time(Some(o.opted_in_at)),
            Field::Deadline => time(Some(self.window.deadline(o.opted_in_at))),
            Field::Attempts => o.attempts.into(),
            Field::MessageId => o.message_id.as_deref().into(),
            Field::Psid => o.psid.as_ref().map(Psid::as_str).into(),
            Field::OptedOutAt => time(o.opted_out_at),
            Field::Reason => o.reason.map(Reason::as_str).into(),
            Field::Id => o.id.0.into(),
            Field::SentAt => time(o.sent_at),
            Field::RepliedAt => time(o.replied_at),
            Field::WindowOpenUntil => time(o.replied_at.map(|at| at.plus(PROMOTIONAL))),
            Field::Locale => o.locale.as_deref().into(),
            Field::Reference => o.reference.as_deref().into(),
            Field::Variant => o.variant.as_deref().into(),
            Field::Cycle => o.cycle.into(),
        }
    }

    /// A field as a CSV cell; empty where there is none.
    pub(super) fn cell(&self, field: Field) -> String {
        match self.value(field) {
            Value::Null => String::new(),
            Value::String(text) => text,
            other => other.to_string(),
        }
    }
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.fields.iter().map(|field| (field.name(), self.value(*field))))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::ids::{LoginId, OptInId, PageId};
    use crate::domain::optin::State;

    fn optin() -> OptIn {
        let at = Timestamp::parse("2026-06-01T12:00:00Z").unwrap();
        let mut optin = OptIn::unborn(PageId::new("1").unwrap(), LoginId::new("a,b").unwrap(), at, at);
        optin.id = OptInId(7);
        optin
    }

    #[test]
    fn absent_is_null() {
        let text = serde_json::to_string(&Row::whole(&optin(), Window::default())).unwrap();
        insta::assert_snapshot!(text, @r#"{"page_id":"1","login_id":"a,b","state":"new","opted_in_at":"2026-06-01T12:00:00.000Z","deadline":"2026-06-02T12:00:00.000Z","attempts":0,"message_id":null,"psid":null,"opted_out_at":null,"reason":null,"id":7,"sent_at":null,"replied_at":null,"window_open_until":null,"locale":null,"reference":null,"variant":null,"cycle":1}"#);
    }

    #[test]
    fn the_contract() {
        let mut optin = optin();
        let at = |hours| Some(optin.opted_in_at.plus(Duration::from_hours(hours)));
        (optin.sent_at, optin.replied_at, optin.opted_out_at) = (at(1), at(2), at(3));
        (optin.state, optin.reason) = (State::OptedOut, Some(Reason::StopWord));
        (optin.psid, optin.message_id) = (Psid::new("p").ok(), Some("m_1".to_owned()));
        (optin.attempts, optin.cycle) = (2, 3);
        (optin.locale, optin.reference) = (Some("de_DE".to_owned()), Some("order \"17\"".to_owned()));
        optin.variant = Some("short".to_owned());
        let text = serde_json::to_string(&Row::whole(&optin, Window::default())).unwrap();
        insta::assert_snapshot!(text, @r#"{"page_id":"1","login_id":"a,b","state":"opted_out","opted_in_at":"2026-06-01T12:00:00.000Z","deadline":"2026-06-02T12:00:00.000Z","attempts":2,"message_id":"m_1","psid":"p","opted_out_at":"2026-06-01T15:00:00.000Z","reason":"stop_word","id":7,"sent_at":"2026-06-01T13:00:00.000Z","replied_at":"2026-06-01T14:00:00.000Z","window_open_until":"2026-06-02T14:00:00.000Z","locale":"de_DE","reference":"order \"17\"","variant":"short","cycle":3}"#);
        let some = Row { optin: &optin, window: Window::default(), fields: &[Field::Psid, Field::Id] };
        assert_eq!(serde_json::to_string(&some).unwrap(), r#"{"psid":"p","id":7}"#);
        assert_eq!(some.cell(Field::Id), "7");
    }
}
