//! Statements over many rows at once.
//!
//! A batch is one statement around a `VALUES` list. The list comes in sizes that are powers of two, and a batch that
//! does not fill its list repeats its last row, which changes nothing: so nine prepared statements serve any number
//! of rows, and a thousand rows cost four round trips.

use std::sync::OnceLock;

use super::engine::{Conn, FromColumns, Text, Value};
use super::error::Result;

/// The largest list: 256 rows of 24 columns stay well under both engines' limits on parameters.
const LARGEST: usize = 256;
const SIZES: usize = 9;

/// A column's type, as PostgreSQL wants it named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Int,
    Text,
}

/// A statement with `{values}` where its list of rows goes.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
    columns: &'static [(&'static str, Kind)],
    texts: [OnceLock<(String, String)>; SIZES],
}

/// One size of a batch.
#[derive(Clone, Copy)]
pub(super) struct Sized {
    batch: &'static Batch,
    power: usize,
}

impl Batch {
    pub(super) const fn new(
        name: &'static str,
        template: &'static str,
        columns: &'static [(&'static str, Kind)],
    ) -> Self {
        Self::each(name, template, template, columns)
    }

    /// A batch with a template for each engine. SQLite's may be several statements, each with its list.
    pub(super) const fn each(
        name: &'static str,
        sqlite: &'static str,
        postgres: &'static str,
        columns: &'static [(&'static str, Kind)],
    ) -> Self {
        Self { name, sqlite, postgres, columns, texts: [const { OnceLock::new() }; SIZES] }
    }

    /// How many values a row has.
    #[cfg(test)]
    pub(super) fn width(&self) -> usize {
        self.columns.len()
    }

    /// The statement in every size.
    pub(super) fn sizes(&'static self) -> impl Iterator<Item = Sized> {
        (0..SIZES).map(|power| self.sized(power))
    }

    /// The statement for lists of `2^power` rows.
    fn sized(&'static self, power: usize) -> Sized {
        Sized { batch: self, power: power.min(SIZES - 1) }
    }

    /// Runs the statement over `rows`, each of which holds a value for every column, and reads what it returns.
    pub(super) async fn rows<T: FromColumns>(
        &'static self,
        conn: &mut Conn,
        rows: &[Vec<Value<'_>>],
    ) -> Result<Vec<T>> {
        let mut read = Vec::new();
        for chunk in rows.chunks(LARGEST) {
            let (statement, values) = self.fill(chunk, conn.is_postgres());
            read.append(&mut conn.rows(statement, &values).await?);
        }
        Ok(read)
    }

    /// Runs the statement over `rows`.
    pub(super) async fn run(&'static self, conn: &mut Conn, rows: &[Vec<Value<'_>>]) -> Result<()> {
        for chunk in rows.chunks(LARGEST) {
            let (statement, values) = self.fill(chunk, conn.is_postgres());
            conn.run(statement, &values).await?;
        }
        Ok(())
    }

    fn fill<'v>(&'static self, chunk: &[Vec<Value<'v>>], postgres: bool) -> (Sized, Vec<Value<'v>>) {
        let size = chunk.len().next_power_of_two();
        let padding = chunk.last().into_iter().cycle().take(size - chunk.len());
        let list = chunk.iter().chain(padding).flatten().copied();
        // PostgreSQL's parameters have numbers, SQLite's are taken in order: one list of values for each list.
        let lists = if postgres { 1 } else { self.sqlite.matches("{values}").count() };
        let values = (0..lists).flat_map(|_| list.clone()).collect();
        (self.sized(size.trailing_zeros() as usize), values)
    }

    /// SQLite's text of one size, as part of a longer one.
    pub(super) fn text_of(&'static self, power: usize) -> &'static str {
        self.texts(power).0
    }

    /// The values that fill SQLite's text for `rows`.
    pub(super) fn lists<'v>(&'static self, rows: &[Vec<Value<'v>>]) -> Vec<Value<'v>> {
        if rows.is_empty() { Vec::new() } else { self.fill(rows, false).1 }
    }

    fn write(&self, power: usize, postgres: bool) -> String {
        let mut number = 0;
        let mut cell = |kind| {
            number += 1;
            match (postgres, kind) {
                // Without names: looking up the name of each of thousands of parameters took a third of all time.
                (false, _) => "?".to_owned(),
                (true, Kind::Int) => format!("${number}::bigint"),
                (true, Kind::Text) => format!("${number}::text"),
            }
        };
        let mut row = || {
            let cells: Vec<String> = self.columns.iter().map(|(_, kind)| cell(*kind)).collect();
            format!("({})", cells.join(","))
        };
        let list = (0..1_usize << power).map(|_| row()).collect::<Vec<_>>().join(",");
        let names = self.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let template = if postgres { self.postgres } else { self.sqlite };
        let text = template.replace("{values}", &list).replace("{columns}", &names);
        format!("-- {} x{}\n{text}", self.name, 1_usize << power)
    }

    fn texts(&'static self, power: usize) -> (&'static str, &'static str) {
        let Some(slot) = self.texts.get(power) else { return ("", "") };
        let (sqlite, postgres) = slot.get_or_init(|| (self.write(power, false), self.write(power, true)));
        (sqlite, postgres)
    }
}

impl Text for Sized {
    fn sqlite(&self) -> &'static str {
        self.batch.texts(self.power).0
    }
    fn postgres(&self) -> &'static str {
        self.batch.texts(self.power).1
    }
}
