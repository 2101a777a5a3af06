//! From text to a table. The library's error text quotes the offending line, and its message at times the value, which
//! may be a secret: only the place is passed on, and a message that quotes nothing.

use toml::Table;

use super::Fault;

/// Parses the file.
pub(super) fn parse(file: &str, text: &str) -> Result<Table, Fault> {
    text.parse::<Table>().map_err(|error| {
        let (line, column) = place(text, error.span().map_or(0, |span| span.start));
        let message = if quotes(error.message(), text) { "has a value that cannot be read" } else { error.message() };
        let remedy = "put this line right; texts and durations stand in quotes, long numbers too";
        Fault::new(file, "", format!("line {line}, column {column}: {message}"), remedy)
    })
}

/// Whether a message quotes a value, as it stands in the text or converted.
fn quotes(message: &str, text: &str) -> bool {
    if ["invalid type", "invalid value"].iter().any(|start| message.starts_with(start)) {
        return true;
    }
    let quoted = message.split(['`', '"', '\'']).skip(1).step_by(2);
    quoted.into_iter().any(|quoted| quoted.contains(char::is_alphanumeric) && text.contains(quoted))
}

/// Line and column of a byte, both from 1, the column in characters.
fn place(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte.min(text.len())).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before.get(line_start..).unwrap_or("").chars().count() + 1)
}
