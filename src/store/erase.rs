//! Erasure on request: every row that holds something of a person goes, in one transaction, and a keyed hash stays, so
//! that whatever names them later is known and not stored.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Store;
use super::desk::News;
use super::engine::{Conn, Value};
use super::error::{Error, Result};
use super::group::tell_nodes;
use super::row::{json_ids, ms};
use super::sql;
use crate::domain::ids::{PageId, Psid};
use crate::domain::keyed::StoreKey;
use crate::domain::optin::{OptIn, State};
use crate::domain::signal::{Subject, Whom};
use crate::domain::time::Timestamp;

/// How often an erasure that met other transactions is begun again.
const TRIES: u32 = 8;
/// The longest pause between two tries, in milliseconds.
const PAUSE_MS: u64 = 150;

/// What an erasure deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Erased {
    /// Opt-ins.
    pub optins: u64,
    /// Rows beside them: attempts and what waited to be told of them.
    pub others: u64,
    /// Events kept raw that named the person.
    pub raw_events: u64,
}

impl Store {
    /// Deletes everything about these people but their tombstones, and remembers under `code`, if there is one, that a
    /// request was carried out. People nobody knows are remembered as erased too. Attempts in flight are stopped.
    pub async fn erase(&self, people: Vec<Subject>, code: Option<String>, now: Timestamp) -> Result<Erased> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.erase_once(people.clone(), code.clone(), now).await {
                Err(error) if tries < TRIES && (error.is_timeout() || matches!(error, Error::Conflict)) => {
                    tokio::time::sleep(Duration::from_millis(fastrand::u64(5..PAUSE_MS))).await;
                }
                ended => return ended,
            }
        }
    }

    async fn erase_once(&self, people: Vec<Subject>, code: Option<String>, now: Timestamp) -> Result<Erased> {
        let key = self.rules().key.clone();
        let done = self.intake.errand(move |conn| {
            Box::pin(async move {
                let done = erase(conn, &key, &people, now).await?;
                if let Some(code) = &code {
                    conn.run(sql::erase::NOTE_DELETION, &[code.as_str().into(), now.ms().into()]).await?;
                }
                Ok(done)
            })
        });
        let (erased, news) = done.await?;
        self.work.announce(news);
        Ok(erased)
    }

    /// When the deletion request with this code was carried out.
    pub async fn deletion(&self, code: &str) -> Result<Option<Timestamp>> {
        let at = self.pool.reader().await?.row::<i64>(sql::erase::DELETION, &[code.into()]).await?;
        Ok(at.map(Timestamp::from_ms))
    }

    /// The code of a deletion request: the same for the same request, and nobody can guess it.
    #[must_use]
    pub fn deletion_code(&self, user: &str, issued_at: Timestamp) -> String {
        self.rules().key.deletion_code(user, issued_at)
    }

    /// Every page that was ever configured here or ever had an opt-in.
    pub async fn pages_ever(&self) -> Result<Vec<PageId>> {
        let ids: Vec<String> = self.pool.reader().await?.rows(sql::erase::PAGES, &[]).await?;
        Ok(ids.iter().map(|id| PageId::stored(id)).collect())
    }
}

async fn erase(conn: &mut Conn, key: &StoreKey, people: &[Subject], now: Timestamp) -> Result<(Erased, News)> {
    conn.row::<String>(sql::erase::PATIENCE, &["500ms".into()]).await?;
    conn.row::<i64>(sql::erase::ALONE, &[]).await?;
    // As it was: what follows may share the transaction.
    conn.row::<String>(sql::erase::PATIENCE, &["5s".into()]).await?;
    let rows = find(conn, people).await?;
    bury(conn, key, people, &rows, now).await?;
    let erased = delete(conn, people, &rows).await?;
    let flying = rows.iter().filter(|row| row.state == State::Sending);
    let news = News { stops: flying.filter_map(|row| row.fence).collect(), ..News::default() };
    tell_nodes(conn, &news).await?;
    Ok((erased, news))
}

/// The rows of these people, locked; those of a PSID that one of them has included.
async fn find(conn: &mut Conn, people: &[Subject]) -> Result<Vec<OptIn>> {
    let (mut logins, mut psids) = (Vec::new(), Vec::new());
    for Subject { page, whom } in people {
        match whom {
            Whom::Login(login) => logins.push(vec![page.as_str().into(), login.as_str().into()]),
            Whom::Psid(psid) => psids.push(vec![page.as_str().into(), psid.as_str().into()]),
        }
    }
    let mut ids: BTreeSet<i64> = sql::optins::IDS_BY_LOGIN.rows(conn, &logins).await?.into_iter().collect();
    ids.extend(sql::optins::IDS_BY_PSID.rows::<i64>(conn, &psids).await?);
    let rows = lock(conn, &ids).await?;
    let theirs: Vec<Vec<Value<'_>>> = rows
        .iter()
        .filter_map(|row| Some(vec![row.page.as_str().into(), row.psid.as_ref()?.as_str().into()]))
        .collect();
    let known = ids.len();
    ids.extend(sql::optins::IDS_BY_PSID.rows::<i64>(conn, &theirs).await?);
    if ids.len() > known { lock(conn, &ids).await } else { Ok(rows) }
}

async fn lock(conn: &mut Conn, ids: &BTreeSet<i64>) -> Result<Vec<OptIn>> {
    conn.rows(sql::optins::LOCK, &[json_ids(ids.iter().copied()).as_str().into()]).await
}

/// Leaves tombstones: for every identifier the request names, and for those that its rows add.
async fn bury(conn: &mut Conn, key: &StoreKey, people: &[Subject], rows: &[OptIn], now: Timestamp) -> Result<()> {
    for Subject { page, whom } in people {
        let name = match whom {
            Whom::Login(login) => key.tombstone(page, login),
            Whom::Psid(psid) => key.psid_tombstone(page, psid),
        };
        put(conn, &name, false, None, now).await?;
    }
    for row in rows {
        // A request under way may arrive.
        let greeted = row.maybe_greeted_at.is_some() || row.greeted_elsewhere || row.state == State::Sending;
        put(conn, &key.tombstone(&row.page, &row.login), greeted, row.opted_out_at, now).await?;
        if let Some(psid) = &row.psid {
            put(conn, &key.psid_tombstone(&row.page, psid), greeted, row.opted_out_at, now).await?;
        }
    }
    Ok(())
}

async fn put(conn: &mut Conn, name: &str, greeted: bool, stop: Option<Timestamp>, now: Timestamp) -> Result<()> {
    let values = [name.into(), now.ms().into(), i64::from(greeted).into(), ms(stop), 1.into()];
    conn.run(sql::people::BURY, &values).await.map(drop)
}

async fn delete(conn: &mut Conn, people: &[Subject], rows: &[OptIn]) -> Result<Erased> {
    let mut erased = Erased { optins: u64::try_from(rows.len()).unwrap_or(0), ..Erased::default() };
    let named = people.iter().map(|subject| match &subject.whom {
        Whom::Login(login) => login.as_str(),
        Whom::Psid(psid) => psid.as_str(),
    });
    let learnt = rows.iter().flat_map(|row| [Some(row.login.as_str()), row.psid.as_ref().map(Psid::as_str)]);
    let texts: BTreeSet<String> = named.chain(learnt.flatten()).flat_map(spellings).collect();
    // SQLite leaves deleted bytes in its file until something else is written there, unless told not to.
    let scrub = |on| if on { "PRAGMA secure_delete = ON" } else { "PRAGMA secure_delete = OFF" };
    if !conn.is_postgres() {
        conn.word(scrub(true)).await?;
    }
    let ids = json_ids(rows.iter().map(|row| row.id.0));
    for statement in sql::erase::BY_OPTIN {
        erased.others += conn.run(*statement, &[ids.as_str().into()]).await?;
    }
    erased.others = erased.others.saturating_sub(erased.optins);
    for statement in sql::erase::BY_TEXT {
        for text in &texts {
            erased.raw_events += conn.run(*statement, &[text.as_str().into()]).await?;
        }
    }
    if !conn.is_postgres() {
        conn.word(scrub(false)).await?;
    }
    Ok(erased)
}

/// How an identifier may stand in raw JSON: as a text, as we write it and as the platform does, with escapes; and as a
/// number, where it can be one.
fn spellings(id: &str) -> Vec<String> {
    let plain = serde_json::to_string(id).unwrap_or_default();
    let escaped: String = plain.chars().map(|c| if c.is_ascii() { c.to_string() } else { escape(c) }).collect();
    let mut spellings = vec![escaped.replace('/', "\\/"), plain, escaped];
    if id.bytes().all(|byte| byte.is_ascii_digit()) {
        spellings.push(id.to_owned());
    }
    spellings
}

fn escape(c: char) -> String {
    let units = c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect::<Vec<_>>();
    units.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_found_in_every_spelling() {
        assert_eq!(spellings("a/ä😀"), ["\"a\\/\\u00e4\\ud83d\\ude00\"", "\"a/ä😀\"", "\"a/\\u00e4\\ud83d\\ude00\""]);
        assert_eq!(spellings("12").last().unwrap(), "12");
    }
}
