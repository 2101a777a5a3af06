//! Plain acceptances: what the express carries, without a row on the desk.

use crate::domain::ids::{AttemptId, OptInId};
use crate::domain::outcome::Outcome;
use crate::domain::signal::{Receipt, Signal};
use crate::domain::time::Timestamp;
use crate::store::engine::Value;

/// An acceptance that says nothing but its message's id.
struct Plain<'s> {
    optin: OptInId,
    attempt: AttemptId,
    message_id: &'s str,
    http_status: Option<u16>,
    variant: Option<&'s str>,
}

impl<'s> Plain<'s> {
    fn of(signal: &'s Signal) -> Option<Self> {
        let Signal::Attempt { optin, attempt, ending: Some(ending) } = signal else { return None };
        let Outcome::Accepted { message_id, psid: None } = &ending.outcome else { return None };
        Some(Self {
            optin: *optin,
            attempt: *attempt,
            message_id,
            http_status: ending.http_status,
            variant: ending.variant.as_deref(),
        })
    }

    fn values(&self, now: Timestamp) -> Vec<Value<'s>> {
        vec![
            self.optin.0.into(),
            self.attempt.0.into(),
            self.message_id.into(),
            Value::MaybeInt(self.http_status.map(i64::from)),
            now.ms().into(),
            Value::MaybeText(self.variant),
        ]
    }
}

/// Whether these are plain acceptances and nothing else.
pub(in crate::store) fn is_plain(signals: &[Signal]) -> bool {
    !signals.is_empty() && signals.iter().all(|one| Plain::of(one).is_some())
}

/// The rows of [`ACCEPT`](crate::store::sql::accept::ACCEPT) for the plain acceptances among the signals, in the order
/// of their ids, so that two groups never wait for each other.
pub(in crate::store) fn rows<'s>(signals: impl Iterator<Item = &'s Signal>, now: Timestamp) -> Vec<Vec<Value<'s>>> {
    let mut plain: Vec<Plain<'_>> = signals.filter_map(Plain::of).collect();
    plain.sort_unstable_by_key(|one| one.optin);
    plain.iter().map(|one| one.values(now)).collect()
}

/// The receipts of plain acceptances that were recorded.
pub(in crate::store) fn receipts(signals: &[Signal]) -> Vec<Receipt> {
    signals.iter().filter_map(Plain::of).map(|one| Receipt::Applied(one.optin)).collect()
}
