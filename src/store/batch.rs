//! Statements over many rows at once.
//!
//! A batch is one statement around a list of rows. PostgreSQL takes the list as an array for each column: one text and
//! one trip for any number of rows, where the parameters of a `VALUES` list cost more than the work. SQLite has no arrays:
//! its `VALUES` list comes in sizes that are powers of two, and a batch that does not fill its list repeats its last row,
//! which changes nothing; so nine prepared statements serve any number of rows.

use std::sync::OnceLock;

use super::engine::{Columns, Conn, FromColumns, List, Text, Value, bind_lists};
use super::error::Result;

/// SQLite's largest list: 256 rows of 24 columns stay well under the limit on parameters.
const LARGEST: usize = 256;
const SIZES: usize = 9;
/// PostgreSQL's largest list, so that a statement stays well under its time-out.
const LONGEST: usize = 4096;

/// Where the rows go in a template, and where their first columns.
const VALUES: &str = "{values}";
const KEYS: &str = "{keys}";

/// A column's type, as PostgreSQL wants it named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Int,
    Text,
}

/// A statement with `{values}` where its list of rows goes. On SQLite there may be several, and `{keys}` where the first
/// column alone is wanted: every parameter costs.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
    columns: &'static [(&'static str, Kind)],
    /// SQLite's texts, by size.
    texts: [OnceLock<String>; SIZES],
    /// PostgreSQL's.
    text: OnceLock<String>,
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
        Self { name, sqlite, postgres, columns, texts: [const { OnceLock::new() }; SIZES], text: OnceLock::new() }
    }

    /// How many values a row has.
    #[cfg(test)]
    pub(super) fn width(&self) -> usize {
        self.columns.len()
    }

    /// The statement in every size it has on either engine.
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
        if let Conn::Postgres(session) = conn {
            for chunk in rows.chunks(LONGEST) {
                for row in session.rows(bind_lists(self.postgres(), self.lists_of(chunk))).await? {
                    read.push(T::read(&mut Columns::new(&row))?);
                }
            }
            return Ok(read);
        }
        for chunk in rows.chunks(LARGEST) {
            let (statement, values) = self.fill(chunk);
            read.append(&mut conn.rows(statement, &values).await?);
        }
        Ok(read)
    }

    /// Runs the statement over `rows`.
    pub(super) async fn run(&'static self, conn: &mut Conn, rows: &[Vec<Value<'_>>]) -> Result<()> {
        if let Conn::Postgres(session) = conn {
            for chunk in rows.chunks(LONGEST) {
                session.run(bind_lists(self.postgres(), self.lists_of(chunk))).await?;
            }
            return Ok(());
        }
        for chunk in rows.chunks(LARGEST) {
            let (statement, values) = self.fill(chunk);
            conn.run(statement, &values).await?;
        }
        Ok(())
    }

    /// The rows column by column.
    fn lists_of<'v>(&self, rows: &[Vec<Value<'v>>]) -> Vec<List<'v>> {
        let column = |(at, (_, kind)): (usize, &(&str, Kind))| {
            let cells = rows.iter().map(move |row| row.get(at));
            match kind {
                Kind::Int => List::Ints(cells.map(|cell| cell.and_then(Value::int)).collect()),
                Kind::Text => List::Texts(cells.map(|cell| cell.and_then(Value::text)).collect()),
            }
        };
        self.columns.iter().enumerate().map(column).collect()
    }

    fn fill<'v>(&'static self, chunk: &[Vec<Value<'v>>]) -> (Sized, Vec<Value<'v>>) {
        let size = chunk.len().next_power_of_two();
        let rows = || chunk.iter().chain(chunk.last().into_iter().cycle().take(size - chunk.len()));
        let mut values = Vec::with_capacity(2 * size * self.columns.len());
        // Parameters are taken in order: one list of values for each list.
        for (_, list) in self.sqlite.match_indices('{').filter_map(|(at, _)| self.sqlite.split_at_checked(at)) {
            match list {
                list if list.starts_with(VALUES) => values.extend(rows().flatten()),
                list if list.starts_with(KEYS) => values.extend(rows().filter_map(|row| row.first())),
                _ => {}
            }
        }
        (self.sized(size.trailing_zeros() as usize), values)
    }

    /// SQLite's text of one size, as part of a longer one.
    pub(super) fn text_of(&'static self, power: usize) -> &'static str {
        self.texts.get(power).map_or("", |text| text.get_or_init(|| self.write_sqlite(power)))
    }

    /// The values that fill SQLite's text for `rows`.
    pub(super) fn lists<'v>(&'static self, rows: &[Vec<Value<'v>>]) -> Vec<Value<'v>> {
        if rows.is_empty() { Vec::new() } else { self.fill(rows).1 }
    }

    fn postgres(&'static self) -> &'static str {
        self.text.get_or_init(|| {
            let array = |(at, (_, kind)): (usize, &(&str, Kind))| match kind {
                Kind::Int => format!("${}::bigint[]", at + 1),
                Kind::Text => format!("${}::text[]", at + 1),
            };
            let arrays: Vec<String> = self.columns.iter().enumerate().map(array).collect();
            let text = self.postgres.replace("VALUES {values}", "SELECT * FROM unnest({values})");
            format!("-- {}\n{}", self.name, self.named(&text).replace(VALUES, &arrays.join(", ")))
        })
    }

    fn write_sqlite(&self, power: usize) -> String {
        // Without names: looking up the name of each of thousands of parameters took a third of all time.
        let row = format!("({})", vec!["?"; self.columns.len()].join(","));
        let list = |row: &str| vec![row; 1 << power].join(",");
        let text = self.named(self.sqlite).replace(VALUES, &list(&row)).replace(KEYS, &list("(?)"));
        format!("-- {} x{}\n{text}", self.name, 1_usize << power)
    }

    fn named(&self, template: &str) -> String {
        let names = self.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        template.replace("{columns}", &names)
    }
}

impl Text for Sized {
    fn sqlite(&self) -> &'static str {
        self.batch.text_of(self.power)
    }
    fn postgres(&self) -> &'static str {
        self.batch.postgres()
    }
}
