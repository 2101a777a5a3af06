//! The express: what a daemon under load does all day, in one trip to the database.
//!
//! Acceptances that need no desk are recorded, and on SQLite the next people are claimed with them: begin, record,
//! claim and commit are one text for its thread, because each trip there costs more than the work. On PostgreSQL the
//! record is one statement that commits by itself. Whoever is not found as expected takes the long road.

use std::sync::OnceLock;

use super::claim::{self, Claimed, Wish};
use super::desk::accept;
use super::engine::{Conn, Text, Value};
use super::error::{Error, Result};
use super::group::{Apply, Claims, Desks, latest};
use super::sql;
use crate::domain::site;

/// The parameters of the claim come first; this takes them out of the way of those without a number.
const SKIP: &str = "SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? WHERE false;\n";
/// The largest list of acceptances, as a power of two.
const LARGEST: usize = 8;

/// One text: lists of `2^power` acceptances, if any, and perhaps a claim.
#[derive(Clone, Copy)]
struct Script {
    power: Option<usize>,
    claims: bool,
}

impl Script {
    fn write(self) -> String {
        let record = self.power.map_or("", |power| sql::accept::ACCEPT.text_of(power));
        let (skip, claim) = if self.claims { (SKIP, sql::claim::WHOLE.sqlite) } else { ("", "SELECT 1 WHERE false") };
        format!("BEGIN IMMEDIATE;\n{skip}{record};\n{claim};\nCOMMIT")
    }
}

impl Text for Script {
    fn sqlite(&self) -> &'static str {
        static TEXTS: [[OnceLock<String>; 2]; LARGEST + 2] = [const { [const { OnceLock::new() }; 2] }; LARGEST + 2];
        let slot = TEXTS.get(self.power.map_or(0, |power| power + 1)).and_then(|row| row.get(usize::from(self.claims)));
        slot.map_or("", |slot| slot.get_or_init(|| self.write()))
    }

    fn postgres(&self) -> &'static str {
        ""
    }
}

impl Desks {
    /// Takes out of the applies, and out of the claims, what can go by express; returns the rest.
    pub(super) async fn express(&self, applies: Vec<Apply>, claims: &mut Claims) -> Vec<Apply> {
        // Where the site is told of it, an acceptance is more than its row.
        let told = self.rules().site.contains(&site::Event::Sent);
        let (mut plain, rest): (Vec<_>, Vec<_>) =
            applies.into_iter().partition(|one| !told && accept::is_plain(&one.signals));
        // What does not fit goes the long road, with the rest.
        let rest = plain.split_off(fitting(&plain)).into_iter().chain(rest).collect();
        let claim = if self.pool.is_sqlite() { claims.pop() } else { None };
        if plain.is_empty() && claim.is_none() {
            return rest;
        }
        let (wish, claimant) = claim.unzip();
        match self.trip(&plain, wish.as_ref()).await {
            Ok((found, claimed)) => {
                if let Some(claimant) = claimant {
                    _ = claimant.send(Ok(claimed));
                }
                if found == plain.iter().map(|one| one.signals.len()).sum::<usize>() {
                    plain.drain(..).for_each(|one| _ = one.done.send(Ok(accept::receipts(&one.signals))));
                }
            }
            Err(error) => {
                if let Some(claimant) = claimant {
                    _ = claimant.send(Err(error));
                }
            }
        }
        plain.into_iter().chain(rest).collect()
    }

    /// A claim by itself.
    pub(super) async fn claim(&self, wish: &Wish) -> Result<Claimed> {
        self.trip(&[], Some(wish)).await.map(|(_, claimed)| claimed)
    }

    /// One trip: records plain acceptances, and claims. Returns how many were found as expected.
    async fn trip(&self, plain: &[Apply], wish: Option<&Wish>) -> Result<(usize, Claimed)> {
        let rows = accept::rows(plain.iter().flat_map(|one| &one.signals), latest(plain));
        let mut conn = self.pool.writer().await?;
        if conn.is_postgres() {
            let found = sql::accept::ACCEPT.rows::<i64>(&mut conn, &rows).await;
            self.pool.keep(conn);
            let found = found?;
            return Ok((usize::try_from(found.into_iter().sum::<i64>()).unwrap_or(0), Claimed::NOTHING));
        }
        let mut values: Vec<Value<'_>> = wish.map(Wish::values).into_iter().flatten().collect();
        values.extend(sql::accept::ACCEPT.lists(&rows));
        let power = (!rows.is_empty()).then(|| rows.len().next_power_of_two().trailing_zeros() as usize);
        let script = Script { power, claims: wish.is_some() };
        match conn.rows::<claim::Row>(script, &values).await {
            Ok(answers) => {
                self.pool.keep(conn);
                let mut answers = answers.into_iter();
                let count = if rows.is_empty() { None } else { answers.next() };
                let found = count.map_or(0, |row| row.count());
                Ok((found, wish.map_or(Claimed::NOTHING, |wish| wish.read(answers.next()))))
            }
            Err(error) => Err(give_up(conn, error).await),
        }
    }
}

/// How many of the callers fit into one list.
fn fitting(plain: &[Apply]) -> usize {
    let ends = plain.iter().scan(0, |end, one| {
        *end += one.signals.len();
        Some(*end)
    });
    ends.take_while(|end| *end <= 1 << LARGEST).count()
}

/// Ends a transaction that was cut in the middle.
async fn give_up(mut conn: Conn, error: Error) -> Error {
    if conn.word("ROLLBACK").await.is_err() {
        conn.discard().await;
    }
    error
}
