//! The short road: plain acceptances need no row on the desk.

use crate::domain::ids::{AttemptId, OptInId};
use crate::domain::outcome::Outcome;
use crate::domain::signal::{Receipt, Signal};
use crate::domain::time::Timestamp;
use crate::store::engine::{Conn, Value};
use crate::store::error::Result;
use crate::store::sql::accept::ACCEPT;

/// An acceptance that says nothing but its message's id.
struct Plain<'s> {
    optin: OptInId,
    attempt: AttemptId,
    message_id: &'s str,
    http_status: Option<u16>,
}

impl<'s> Plain<'s> {
    fn of(signal: &'s Signal) -> Option<Self> {
        let Signal::Attempt { optin, attempt, ending: Some(ending) } = signal else { return None };
        let Outcome::Accepted { message_id, psid: None } = &ending.outcome else { return None };
        Some(Self { optin: *optin, attempt: *attempt, message_id, http_status: ending.http_status })
    }

    fn values(&self, now: Timestamp) -> Vec<Value<'s>> {
        vec![
            self.optin.0.into(),
            self.attempt.0.into(),
            self.message_id.into(),
            Value::MaybeInt(self.http_status.map(i64::from)),
            now.ms().into(),
        ]
    }
}

/// Records the plain acceptances among the signals. Returns whether it did; if not, the desk has to look at them too:
/// what was recorded already does no harm, it finds that done.
pub(super) async fn plain(conn: &mut Conn, now: Timestamp, signals: &[Signal]) -> Result<bool> {
    let mut plain: Vec<Plain<'_>> = signals.iter().filter_map(Plain::of).collect();
    // In the order of their ids, so that two groups never wait for each other.
    plain.sort_unstable_by_key(|one| one.optin);
    let rows: Vec<Vec<Value<'_>>> = plain.iter().map(|one| one.values(now)).collect();
    let found = ACCEPT.rows::<i64>(conn, &rows).await?.into_iter().sum::<i64>();
    Ok(usize::try_from(found) == Ok(plain.len()))
}

/// Whose receipt the short road gives.
pub(super) fn receipt(signal: &Signal) -> Option<Receipt> {
    Plain::of(signal).map(|one| Receipt::Applied(one.optin))
}
