//! Writing back what changed.

use std::collections::HashSet;

use super::{Desk, Note};
use crate::domain::alert::{Alert, Kind};
use crate::domain::ids::{LoginId, OptInId, PageId};
use crate::domain::optin::State;
use crate::domain::site;
use crate::store::alerts::raise;
use crate::store::engine::{Conn, Value};
use crate::store::error::{Error, Result};
use crate::store::outbox::SITE;
use crate::store::row::{insert_values, ms, save_values, text};
use crate::store::sql;

impl Desk<'_> {
    pub(super) async fn flush(&mut self, conn: &mut Conn) -> Result<()> {
        self.insert(conn).await?;
        self.save(conn).await?;
        self.note(conn).await?;
        self.name_messages(conn).await?;
        self.write_pages(conn).await?;
        self.write_doubts(conn).await?;
        self.tell_misses();
        self.tell_site(conn).await?;
        self.write_rest(conn).await
    }

    /// Queues what the site is told. Whoever was missed, and in the same group was not, was not.
    async fn tell_site(&mut self, conn: &mut Conn) -> Result<()> {
        let mut notices = Vec::new();
        for (at, event, mut row) in std::mem::take(&mut self.told) {
            let Some(entry) = self.entries.get(at) else { continue };
            if event == site::Event::Missed && entry.after.state != State::Missed {
                continue;
            }
            row.id = entry.after.id;
            let name = format!("evt_{:032x}", fastrand::u128(..));
            let body = site::body(&name, event, self.now, &row)
                .map_err(|error| Error::Corrupt { what: format!("optins, id {}: {error}", row.id) })?;
            notices.push((row.id.0, format!("optin {}", row.id), name, body));
        }
        let now: Value<'_> = self.now.ms().into();
        let rows: Vec<Vec<Value<'_>>> = notices
            .iter()
            .map(|(id, subject, name, body)| {
                vec![
                    SITE.into(),
                    subject.as_str().into(),
                    name.as_str().into(),
                    (*id).into(),
                    body.as_str().into(),
                    now,
                    now,
                ]
            })
            .collect();
        sql::outbox::TELL_SITE.run(conn, &rows).await
    }

    /// Raises the alert for whoever was missed and stayed so to the end of this group.
    fn tell_misses(&mut self) {
        for (at, reason) in std::mem::take(&mut self.missed) {
            let row = self.entries.get(at).map(|entry| &entry.after).filter(|row| row.state == State::Missed);
            let Some((id, page)) = row.map(|row| (row.id, row.page.clone())) else { continue };
            self.raise(Kind::Missed, &page, format!("the latest for {reason}"));
            self.news.misses.push((id, page, reason));
        }
    }

    async fn insert(&mut self, conn: &mut Conn) -> Result<()> {
        let mut born: Vec<usize> = (0..self.entries.len()).filter(|at| self.is_born(*at)).collect();
        // In one order everywhere: two groups that store the same people must not wait for each other.
        born.sort_unstable_by_key(|at| self.entries.get(*at).map(|entry| (&entry.after.page, &entry.after.login)));
        let rows: Vec<Vec<Value<'_>>> =
            born.iter().filter_map(|at| self.entries.get(*at)).map(|entry| insert_values(&entry.after)).collect();
        let numbered = if conn.is_postgres() {
            let numbered = sql::optins::INSERT.rows::<(i64, String, String)>(conn, &rows).await?.into_iter();
            numbered.filter_map(|(id, page, login)| Some((self.at(&page, &login)?, id))).collect()
        } else {
            in_order(&born, sql::optins::INSERT.rows::<(i64, i64)>(conn, &rows).await?)
        };
        if numbered.len() < born.len() {
            // Another transaction stored one of them since we looked: look again.
            return Err(Error::Conflict);
        }
        for (at, id) in numbered {
            if let Some(entry) = self.entries.get_mut(at) {
                entry.after.id = OptInId(id);
            }
        }
        Ok(())
    }

    fn is_born(&self, at: usize) -> bool {
        self.entries.get(at).is_some_and(|entry| entry.before.is_none())
    }

    fn at(&self, page: &str, login: &str) -> Option<usize> {
        self.by_login.get(&(PageId::stored(page), LoginId::stored(login))).copied()
    }

    async fn save(&self, conn: &mut Conn) -> Result<()> {
        let changed = self.entries.iter().filter(|entry| entry.before.as_ref().is_some_and(|b| *b != entry.after));
        let rows: Vec<Vec<Value<'_>>> = changed.map(|entry| save_values(&entry.after)).collect();
        sql::optins::SAVE.run(conn, &rows).await
    }

    async fn note(&self, conn: &mut Conn) -> Result<()> {
        // The first evidence stays: what an echo and a receipt say together is said once.
        let mut evident = HashSet::new();
        let news = self.notes.iter().filter(|note| note.outcome.is_some() || evident.insert(note.attempt));
        // Of several notes on one attempt in one group the first goes alone: a statement must not meet a row twice.
        let mut rest: Vec<&Note> = news.collect();
        while !rest.is_empty() {
            let mut seen = HashSet::new();
            let (now, later): (Vec<_>, Vec<_>) = rest.into_iter().partition(|note| seen.insert(note.attempt));
            let rows: Vec<Vec<Value<'_>>> = now.into_iter().map(note_values).collect();
            sql::attempts::NOTE.run(conn, &rows).await?;
            rest = later;
        }
        Ok(())
    }

    /// Keeps what attempts are found by that their rows do not name: a message given up for another cycle's, and one
    /// that was not the first.
    async fn name_messages(&self, conn: &mut Conn) -> Result<()> {
        let given_up = self.entries.iter().filter_map(|entry| {
            let message = entry.before.as_ref()?.message_id.as_deref()?;
            (entry.after.message_id.as_deref() != Some(message)).then_some((message, entry.after.id))
        });
        let not_first = self.notes.iter().filter_map(|note| {
            let (message, optin) = (note.message()?, self.attempts.get(&note.attempt)?.optin);
            let row = &self.entries.get(*self.by_id.get(&optin)?)?.after;
            (row.message_id.as_deref() != Some(message)).then_some((message, optin))
        });
        let rows: Vec<Vec<Value<'_>>> =
            given_up.chain(not_first).map(|(message, optin)| vec![message.into(), optin.0.into()]).collect();
        sql::attempts::NAME_MESSAGES.run(conn, &rows).await
    }

    async fn write_rest(&mut self, conn: &mut Conn) -> Result<()> {
        for (name, stop) in &self.burials {
            let values = [name.as_str().into(), self.now.ms().into(), 0.into(), ms(*stop), 0.into()];
            conn.run(sql::people::BURY, &values).await?;
        }
        for (page, raw) in &self.unparsed {
            let values = [self.now.ms().into(), text(page.as_ref().map(PageId::as_str)), raw.as_str().into()];
            conn.run(sql::people::KEEP_UNPARSED, &values).await?;
        }
        for (kind, cause) in &self.resolved {
            let values = [kind.as_str().into(), cause.as_str().into(), self.now.ms().into()];
            conn.run(sql::alerts::RESOLVE, &values).await?;
        }
        for ((kind, cause), (detail, times)) in std::mem::take(&mut self.alerts) {
            let alert = Alert { kind, cause, detail, times };
            raise(conn, sql::alerts::RAISE, &alert, self.now).await?;
        }
        Ok(())
    }
}

/// Numbers entries in the order in which they were inserted, by the last number of each list and its length.
fn in_order(born: &[usize], lists: Vec<(i64, i64)>) -> Vec<(usize, i64)> {
    let numbers = lists.into_iter().flat_map(|(last, count)| last - count + 1..=last);
    born.iter().copied().zip(numbers).collect()
}

fn note_values(note: &Note) -> Vec<Value<'_>> {
    let ending = note.ending.as_ref();
    let at = Some(note.at.ms());
    vec![
        note.attempt.0.into(),
        Value::MaybeInt(at.filter(|_| note.outcome.is_some())),
        text(note.outcome),
        Value::MaybeInt(ending.and_then(|ending| ending.http_status).map(i64::from)),
        Value::MaybeInt(ending.and_then(|ending| ending.code)),
        Value::MaybeInt(ending.and_then(|ending| ending.subcode)),
        text(ending.and_then(|ending| ending.fbtrace_id.as_deref())),
        text(note.message()),
        text(ending.and_then(|ending| ending.detail.as_deref())),
        text(note.evidence),
        Value::MaybeInt(at.filter(|_| note.evidence.is_some())),
    ]
}
