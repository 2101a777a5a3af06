//! Finding and locking the rows that signals may concern.

use std::collections::BTreeSet;

use super::{Desk, Grave, Known};
use crate::domain::ids::{AttemptId, LoginId, OptInId, PageId, Psid};
use crate::domain::optin::State;
use crate::domain::outcome::{Outcome, Then};
use crate::domain::signal::{Links, Signal};
use crate::domain::state::Tombstone;
use crate::domain::time::Timestamp;
use crate::store::engine::{Columns, Conn, FromColumns, Value};
use crate::store::error::Result;
use crate::store::row::json_ids;
use crate::store::sql;

/// Everything signals name, each once and in order.
#[derive(Default)]
struct Wanted<'s> {
    ids: BTreeSet<i64>,
    logins: BTreeSet<(&'s PageId, &'s LoginId)>,
    psids: BTreeSet<(&'s PageId, &'s Psid)>,
    attempts: BTreeSet<i64>,
    messages: BTreeSet<&'s str>,
    /// Attempts whose failure may be the person's: has the page had an acceptance meanwhile?
    doubtful: Vec<(OptInId, AttemptId)>,
}

impl<'s> Wanted<'s> {
    fn of(signals: &'s [Signal]) -> Self {
        let mut wanted = Self::default();
        for signal in signals {
            match signal {
                Signal::OptIn(optin) => _ = wanted.logins.insert((&optin.page, &optin.login)),
                Signal::Person { page, links, .. } => wanted.person(page, links),
                Signal::Command { optin, .. } | Signal::Time { optin, .. } => _ = wanted.ids.insert(optin.0),
                Signal::Attempt { optin, attempt, ending } => {
                    wanted.ids.insert(optin.0);
                    if ending.as_ref().is_some_and(|ending| matches!(ending.outcome, Outcome::Accepted { .. })) {
                        wanted.attempts.insert(attempt.0);
                    }
                    if ending.as_ref().is_some_and(|ending| ending.outcome == Outcome::Retry(Then::Person)) {
                        wanted.doubtful.push((*optin, *attempt));
                    }
                }
                Signal::Page { .. } | Signal::Unparsed { .. } => {}
            }
        }
        wanted
    }

    fn person(&mut self, page: &'s PageId, links: &'s Links) {
        self.psids.extend(links.psid.as_ref().map(|psid| (page, psid)));
        self.logins.extend(links.logins.iter().map(|login| (page, login)));
        self.attempts.extend(links.attempts.iter().map(|attempt| attempt.0));
        self.messages.extend(links.message_ids.iter().map(String::as_str));
    }
}

impl FromColumns for Known {
    fn read(columns: &mut Columns<'_>) -> Result<Self> {
        Ok(Self { attempt: AttemptId(columns.int()?), optin: OptInId(columns.int()?), cycle: columns.int()? })
    }
}

impl FromColumns for (String, Grave) {
    fn read(columns: &mut Columns<'_>) -> Result<Self> {
        let name = columns.text()?.to_owned();
        let (maybe_greeted, erased) = (columns.int()? != 0, columns.int()? != 0);
        let opted_out_at = columns.maybe_int()?.map(Timestamp::from_ms);
        Ok((name, Grave { tombstone: Tombstone { maybe_greeted, opted_out_at }, erased }))
    }
}

impl Desk<'_> {
    /// Lays every row the signals may concern on the desk, locked.
    pub(super) async fn gather(&mut self, conn: &mut Conn, signals: &[Signal]) -> Result<()> {
        let mut wanted = Wanted::of(signals);
        self.find_attempts(conn, &mut wanted).await?;
        self.lock_psids(conn, &wanted).await?;
        find_people(conn, &mut wanted).await?;
        if !wanted.ids.is_empty() {
            let ids = json_ids(wanted.ids.iter().copied());
            for row in conn.rows(sql::optins::LOCK, &[ids.as_str().into()]).await? {
                self.lay(row);
            }
        }
        self.dig(conn, &wanted, signals).await?;
        self.compare(conn, &wanted).await
    }

    async fn find_attempts(&mut self, conn: &mut Conn, wanted: &mut Wanted<'_>) -> Result<()> {
        if !wanted.attempts.is_empty() {
            let ids = json_ids(wanted.attempts.iter().copied());
            for known in conn.rows::<Known>(sql::attempts::BY_ID, &[ids.as_str().into()]).await? {
                wanted.ids.insert(known.optin.0);
                self.attempts.insert(known.attempt, known);
            }
        }
        let keys: Vec<Vec<Value<'_>>> = wanted.messages.iter().map(|id| vec![Value::Text(id)]).collect();
        for (message, known) in sql::attempts::BY_MESSAGE.rows::<(String, Known)>(conn, &keys).await? {
            wanted.ids.insert(known.optin.0);
            self.messages.insert(message, known);
        }
        Ok(())
    }

    /// Lets nobody else link these PSIDs meanwhile: a stop said under a PSID, and the event that tells whose it is,
    /// would else pass each other unseen. There are few locks, because the database has room for few.
    async fn lock_psids(&self, conn: &mut Conn, wanted: &Wanted<'_>) -> Result<()> {
        let bucket = |name: String| u8::from_str_radix(name.get(..2).unwrap_or_default(), 16).unwrap_or(0);
        let names = wanted.psids.iter().map(|(page, psid)| self.rules.key.psid_tombstone(page, psid));
        let buckets: BTreeSet<i64> = names.map(bucket).map(i64::from).collect();
        if !buckets.is_empty() && conn.is_postgres() {
            conn.row::<i64>(sql::people::LOCK_PSIDS, &[json_ids(buckets).as_str().into()]).await?;
        }
        Ok(())
    }

    /// Reads the tombstones of people who have no row, wait for admission or may be opened again, and of PSIDs.
    async fn dig(&mut self, conn: &mut Conn, wanted: &Wanted<'_>, signals: &[Signal]) -> Result<()> {
        let strangers = wanted
            .logins
            .iter()
            .filter(|(page, login)| !self.by_login.contains_key(&((*page).clone(), (*login).clone())));
        let mut names: Vec<String> = strangers.map(|(page, login)| self.rules.key.tombstone(page, login)).collect();
        names.extend(wanted.psids.iter().map(|(page, psid)| self.rules.key.psid_tombstone(page, psid)));
        // A site's own INSERT comes without asking whether we knew the person once; and a row that a stop brought into
        // being, of somebody whose first row is purged, is opened by fresh consent like any other.
        let admitted = self.entries.iter().map(|entry| &entry.after).filter(|row| may_be_admitted(row.state));
        names.extend(admitted.map(|row| self.rules.key.tombstone(&row.page, &row.login)));
        names.extend(signals.iter().filter_map(|signal| self.named_by_answer(signal)));
        if !names.is_empty() {
            // Names are hex digits: nothing to escape.
            let list = format!("[\"{}\"]", names.join("\",\""));
            self.graves.extend(conn.rows::<(String, Grave)>(sql::people::TOMBSTONES, &[list.as_str().into()]).await?);
        }
        Ok(())
    }

    /// The tombstone of a PSID that the platform's answer to an attempt names.
    fn named_by_answer(&self, signal: &Signal) -> Option<String> {
        let Signal::Attempt { optin, ending: Some(ending), .. } = signal else { return None };
        let Outcome::Accepted { psid: Some(psid), .. } = &ending.outcome else { return None };
        let row = self.by_id.get(optin).and_then(|at| self.entries.get(*at))?;
        Some(self.rules.key.psid_tombstone(&row.after.page, psid))
    }

    async fn compare(&mut self, conn: &mut Conn, wanted: &Wanted<'_>) -> Result<()> {
        for (optin, attempt) in &wanted.doubtful {
            let Some(entry) = self.by_id.get(optin).and_then(|at| self.entries.get(*at)) else { continue };
            let values = [entry.after.page.as_str().into(), attempt.0.into()];
            if conn.row::<i64>(sql::pages::ACCEPTED_SINCE, &values).await?.unwrap_or(0) > 0 {
                self.others_succeed.insert(*attempt);
            }
        }
        Ok(())
    }
}

/// Whether rows in this state are admitted, or can be opened again and then are.
fn may_be_admitted(state: State) -> bool {
    matches!(state, State::New | State::OptedOut | State::Missed | State::Unavailable | State::Cancelled)
}

async fn find_people(conn: &mut Conn, wanted: &mut Wanted<'_>) -> Result<()> {
    let logins: Vec<Vec<Value<'_>>> =
        wanted.logins.iter().map(|(page, login)| vec![page.as_str().into(), login.as_str().into()]).collect();
    wanted.ids.extend(sql::optins::IDS_BY_LOGIN.rows::<i64>(conn, &logins).await?);
    let psids: Vec<Vec<Value<'_>>> =
        wanted.psids.iter().map(|(page, psid)| vec![page.as_str().into(), psid.as_str().into()]).collect();
    wanted.ids.extend(sql::optins::IDS_BY_PSID.rows::<i64>(conn, &psids).await?);
    Ok(())
}
