//! What commands print: tables for people, JSON for programs. A reader that went away ends a command quietly.

use std::fmt::Display;
use std::io::{self, Write};
use std::time::Duration;

use comfy_table::{Table, presets};
use serde::Serialize;

use crate::domain::time::Timestamp;

/// Prints a line.
pub fn line(text: impl Display) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

/// Prints a value as one line of JSON.
pub fn json(value: &impl Serialize) -> anyhow::Result<()> {
    Ok(line(serde_json::to_string(value)?)?)
}

/// Says something on standard error, beside what is printed.
pub fn note(text: impl Display) {
    // A note is no result: nothing is lost where nobody can read it.
    _ = writeln!(io::stderr().lock(), "{text}");
}

/// A table in plain columns.
#[must_use]
pub fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    table.add_rows(rows.into_iter().map(|row| row.map(|cell| clean(&cell))));
    table.trim_fmt()
}

/// Without what could move a terminal's cursor: what people write is not ours.
#[must_use]
pub fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A moment for people: to the second.
#[must_use]
pub fn time(at: Timestamp) -> String {
    let text = at.to_string();
    match text.split_once('.') {
        Some((seconds, _)) => format!("{}Z", seconds.replace('T', " ")),
        None => text,
    }
}

/// How far away a moment is: `in 3h 12m`, `5s ago`.
#[must_use]
pub fn away(at: Timestamp, now: Timestamp) -> String {
    if at > now { format!("in {}", rough(at.since(now))) } else { format!("{} ago", rough(now.since(at))) }
}

/// A duration in at most two units.
#[must_use]
pub fn rough(span: Duration) -> String {
    let seconds = span.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m {}s", seconds % 60),
        3600..86_400 => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_cannot_move_the_cursor() {
        let shown = table(["A", "B"], [["x\u{1b}[2J".to_owned(), "y\nz".to_owned()]]);
        assert!(!shown.contains('\u{1b}') && shown.lines().count() == 2, "{shown:?}");
    }

    #[test]
    fn times_are_readable() {
        let noon = Timestamp::parse("2026-06-01T12:00:00Z").unwrap();
        assert_eq!(time(noon), "2026-06-01 12:00:00Z");
        assert_eq!(away(noon.plus(Duration::from_mins(192)), noon), "in 3h 12m");
        assert_eq!(away(noon, noon.plus(Duration::from_secs(5))), "5s ago");
        assert_eq!(rough(Duration::from_hours(49)), "2d 1h");
        assert_eq!(rough(Duration::from_secs(61)), "1m 1s");
    }
}
