//! Rows read by position, the same on both engines.

use sqlx::Row;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

use super::error::{Error, Result};

/// A row of either engine, read from left to right.
pub(super) struct Columns<'r> {
    row: &'r dyn Cells,
    next: usize,
}

/// What both engines' rows can do.
pub(super) trait Cells {
    fn int(&self, at: usize) -> sqlx::Result<Option<i64>>;
    fn text(&self, at: usize) -> sqlx::Result<Option<&str>>;
}

impl Cells for SqliteRow {
    fn int(&self, at: usize) -> sqlx::Result<Option<i64>> {
        self.try_get_unchecked(at)
    }
    fn text(&self, at: usize) -> sqlx::Result<Option<&str>> {
        self.try_get_unchecked(at)
    }
}

impl Cells for PgRow {
    fn int(&self, at: usize) -> sqlx::Result<Option<i64>> {
        self.try_get(at)
    }
    fn text(&self, at: usize) -> sqlx::Result<Option<&str>> {
        self.try_get(at)
    }
}

impl<'r> Columns<'r> {
    pub(super) fn new(row: &'r dyn Cells) -> Self {
        Self { row, next: 0 }
    }

    fn step(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }

    pub(super) fn maybe_int(&mut self) -> Result<Option<i64>> {
        let at = self.step();
        Ok(self.row.int(at)?)
    }

    pub(super) fn int(&mut self) -> Result<i64> {
        let at = self.next;
        self.maybe_int()?.ok_or(Error::Corrupt { what: format!("column {at} is NULL and must not be") })
    }

    pub(super) fn maybe_text(&mut self) -> Result<Option<&'r str>> {
        let at = self.step();
        Ok(self.row.text(at)?)
    }

    pub(super) fn text(&mut self) -> Result<&'r str> {
        let at = self.next;
        self.maybe_text()?.ok_or(Error::Corrupt { what: format!("column {at} is NULL and must not be") })
    }
}

/// Something that can be read from a row.
pub(super) trait FromColumns: Sized {
    fn read(columns: &mut Columns<'_>) -> Result<Self>;
}

impl FromColumns for i64 {
    fn read(columns: &mut Columns<'_>) -> Result<Self> {
        columns.int()
    }
}

impl FromColumns for String {
    fn read(columns: &mut Columns<'_>) -> Result<Self> {
        columns.text().map(str::to_owned)
    }
}

impl<A: FromColumns, B: FromColumns> FromColumns for (A, B) {
    fn read(columns: &mut Columns<'_>) -> Result<Self> {
        Ok((A::read(columns)?, B::read(columns)?))
    }
}

impl<A: FromColumns, B: FromColumns, C: FromColumns> FromColumns for (A, B, C) {
    fn read(columns: &mut Columns<'_>) -> Result<Self> {
        Ok((A::read(columns)?, B::read(columns)?, C::read(columns)?))
    }
}
