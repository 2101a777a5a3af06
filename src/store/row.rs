//! Opt-ins as rows: read from columns, written as values.

use super::engine::{Columns, FromColumns, Value};
use super::error::{Error, Result};
use crate::domain::ids::{AttemptId, LoginId, OptInId, PageId, Psid};
use crate::domain::optin::OptIn;
use crate::domain::time::Timestamp;

impl FromColumns for OptIn {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        let id = OptInId(c.int()?);
        let broken = |what: String| Error::Corrupt { what: format!("optins, id {id}: {what}") };
        Ok(Self {
            id,
            page: PageId::stored(c.text()?),
            login: LoginId::stored(c.text()?),
            state: c.text()?.parse().map_err(broken)?,
            state_since: time(c)?.unwrap_or_default(),
            cycle: c.int()?,
            opted_in_at: time(c)?.unwrap_or_default(),
            renewed_at: time(c)?,
            maybe_greeted_at: time(c)?,
            opted_out_at: time(c)?,
            greeted_elsewhere: c.int()? != 0,
            psid: c.maybe_text()?.map(Psid::stored),
            message_id: owned(c)?,
            reason: c.maybe_text()?.map(str::parse).transpose().map_err(broken)?,
            attempts: c.int()?,
            doubtful: c.int()?,
            next_attempt_at: time(c)?,
            lease_until: time(c)?,
            fence: c.maybe_int()?.map(AttemptId),
            sent_at: time(c)?,
            replied_at: time(c)?,
            locale: owned(c)?,
            reference: owned(c)?,
            variant: owned(c)?,
            resent_at: time(c)?,
        })
    }
}

fn time(c: &mut Columns<'_>) -> Result<Option<Timestamp>> {
    Ok(c.maybe_int()?.map(Timestamp::from_ms))
}

fn owned(c: &mut Columns<'_>) -> Result<Option<String>> {
    Ok(c.maybe_text()?.map(str::to_owned))
}

/// A time to bind.
pub(super) fn ms(at: Option<Timestamp>) -> Value<'static> {
    Value::MaybeInt(at.map(Timestamp::ms))
}

/// A text to bind.
pub(super) fn text(text: Option<&str>) -> Value<'_> {
    Value::MaybeText(text)
}

/// The values of [`INSERT`](super::sql::optins::INSERT), in its order.
pub(super) fn insert_values(o: &OptIn) -> Vec<Value<'_>> {
    vec![
        o.page.as_str().into(),
        o.login.as_str().into(),
        o.state.as_str().into(),
        o.state_since.ms().into(),
        o.cycle.into(),
        o.opted_in_at.ms().into(),
        ms(o.renewed_at),
        ms(o.maybe_greeted_at),
        ms(o.opted_out_at),
        i64::from(o.greeted_elsewhere).into(),
        text(o.psid.as_ref().map(Psid::as_str)),
        text(o.message_id.as_deref()),
        text(o.reason.map(crate::domain::optin::Reason::as_str)),
        ms(o.sent_at),
        ms(o.replied_at),
        text(o.locale.as_deref()),
        text(o.reference.as_deref()),
    ]
}

/// The values of [`SAVE`](super::sql::optins::SAVE), in its order.
pub(super) fn save_values(o: &OptIn) -> Vec<Value<'_>> {
    vec![
        o.id.0.into(),
        o.state.as_str().into(),
        o.state_since.ms().into(),
        o.cycle.into(),
        o.opted_in_at.ms().into(),
        ms(o.renewed_at),
        ms(o.maybe_greeted_at),
        ms(o.opted_out_at),
        i64::from(o.greeted_elsewhere).into(),
        text(o.psid.as_ref().map(Psid::as_str)),
        text(o.message_id.as_deref()),
        text(o.reason.map(crate::domain::optin::Reason::as_str)),
        o.attempts.into(),
        o.doubtful.into(),
        ms(o.next_attempt_at),
        ms(o.lease_until),
        Value::MaybeInt(o.fence.map(|fence| fence.0)),
        ms(o.sent_at),
        ms(o.replied_at),
        text(o.locale.as_deref()),
        text(o.reference.as_deref()),
        text(o.variant.as_deref()),
        ms(o.resent_at),
    ]
}

/// A JSON array of numbers, for the statements that take many.
pub(super) fn json_ids(ids: impl IntoIterator<Item = i64>) -> String {
    let list = ids.into_iter().map(|id| id.to_string()).collect::<Vec<_>>().join(",");
    format!("[{list}]")
}
