//! Writing back what changed.

use std::collections::{BTreeMap, HashSet};

use super::{Desk, Note};
use crate::domain::ids::{LoginId, OptInId, PageId};
use crate::domain::outcome::Outcome;
use crate::store::doubt;
use crate::store::engine::{Conn, Value};
use crate::store::error::{Error, Result};
use crate::store::row::{insert_values, ms, save_values, text};
use crate::store::sql;

impl Desk<'_> {
    pub(super) async fn flush(&mut self, conn: &mut Conn) -> Result<()> {
        self.insert(conn).await?;
        self.save(conn).await?;
        self.note(conn).await?;
        self.write_pages(conn).await?;
        self.write_rest(conn).await
    }

    async fn insert(&mut self, conn: &mut Conn) -> Result<()> {
        let mut born: Vec<_> =
            self.entries.iter().filter(|entry| entry.before.is_none()).map(|entry| &entry.after).collect();
        // In one order everywhere: two groups that store the same people must not wait for each other.
        born.sort_unstable_by_key(|row| (&row.page, &row.login));
        let born: Vec<Vec<Value<'_>>> = born.into_iter().map(insert_values).collect();
        let numbered = sql::optins::INSERT.rows::<(i64, String, String)>(conn, &born).await?;
        if numbered.len() < born.len() {
            // Another transaction stored one of them since we looked: look again.
            return Err(Error::Conflict);
        }
        for (id, page, login) in numbered {
            let key = (PageId::stored(&page), LoginId::stored(&login));
            if let Some(entry) = self.by_login.get(&key).and_then(|at| self.entries.get_mut(*at)) {
                entry.after.id = OptInId(id);
            }
        }
        Ok(())
    }

    async fn save(&self, conn: &mut Conn) -> Result<()> {
        let changed = self.entries.iter().filter(|entry| entry.before.as_ref().is_some_and(|b| *b != entry.after));
        let rows: Vec<Vec<Value<'_>>> = changed.map(|entry| save_values(&entry.after)).collect();
        sql::optins::SAVE.run(conn, &rows).await
    }

    async fn note(&self, conn: &mut Conn) -> Result<()> {
        // Of several notes on one attempt in one group the first goes alone: a statement must not meet a row twice.
        let mut rest: Vec<&Note> = self.notes.iter().collect();
        while !rest.is_empty() {
            let mut seen = HashSet::new();
            let (now, later): (Vec<_>, Vec<_>) = rest.into_iter().partition(|note| seen.insert(note.attempt));
            let rows: Vec<Vec<Value<'_>>> = now.into_iter().map(note_values).collect();
            sql::attempts::NOTE.run(conn, &rows).await?;
            rest = later;
        }
        Ok(())
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
        for page in &self.settled {
            if conn.row::<i64>(sql::doubt::ANY, &[page.as_str().into()]).await?.is_none() {
                let values = [doubt::HELD.into(), page.as_str().into(), self.now.ms().into()];
                conn.run(sql::people::RESOLVE, &values).await?;
            }
        }
        let mut raised = BTreeMap::new();
        for (kind, cause) in &self.alerts {
            *raised.entry((*kind, cause.as_str())).or_insert(0_i64) += 1;
        }
        for ((kind, cause), times) in raised {
            tracing::warn!(kind, cause, times, "alert");
            conn.run(sql::people::RAISE, &[kind.into(), cause.into(), self.now.ms().into(), times.into()]).await?;
        }
        Ok(())
    }
}

fn note_values(note: &Note) -> Vec<Value<'_>> {
    let ending = note.ending.as_ref();
    let message = ending.and_then(|ending| match &ending.outcome {
        Outcome::Accepted { message_id, .. } => Some(message_id.as_str()),
        _ => None,
    });
    let at = Some(note.at.ms());
    vec![
        note.attempt.0.into(),
        Value::MaybeInt(at.filter(|_| note.outcome.is_some())),
        text(note.outcome),
        Value::MaybeInt(ending.and_then(|ending| ending.http_status).map(i64::from)),
        Value::MaybeInt(ending.and_then(|ending| ending.code)),
        Value::MaybeInt(ending.and_then(|ending| ending.subcode)),
        text(ending.and_then(|ending| ending.fbtrace_id.as_deref())),
        text(message),
        text(ending.and_then(|ending| ending.detail.as_deref())),
        text(note.evidence),
        Value::MaybeInt(at.filter(|_| note.evidence.is_some())),
    ]
}
