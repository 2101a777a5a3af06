//! Lines of bytes, none longer than memory can bear.

use std::io::{self, BufRead, Read};

/// The longest line taken, without its end.
const LONGEST: usize = 64 << 10;

/// Reads lines one by one, and counts.
pub(super) struct Lines<R> {
    input: R,
    line: Vec<u8>,
    /// How far it has read.
    pub(super) place: Place,
}

/// A place in the input.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Place {
    /// The number of the latest line, from 1.
    pub(super) line: u64,
    /// How many bytes lie before.
    pub(super) bytes: u64,
}

/// Why a line is not text.
pub(super) type Flaw = &'static str;

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, line: Vec::new(), place: Place::default() }
    }

    /// The next line without its end, or why it cannot be taken; `None` at the end. Memory use has a bound: the rest
    /// of an over-long line is skipped without being kept.
    pub(super) fn next(&mut self) -> io::Result<Option<Result<&str, Flaw>>> {
        self.line.clear();
        // Two bytes for the line's end.
        let bound = u64::try_from(LONGEST + 2).unwrap_or(u64::MAX);
        let read = (&mut self.input).take(bound).read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(None);
        }
        self.place.line += 1;
        self.place.bytes += u64::try_from(read).unwrap_or(0);
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        } else if read == LONGEST + 2 {
            self.place.bytes += u64::try_from(self.input.skip_until(b'\n')?).unwrap_or(0);
        }
        Ok(Some(self.text()))
    }

    fn text(&self) -> Result<&str, Flaw> {
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        let mark: &[u8] = if self.place.line == 1 { b"\xef\xbb\xbf" } else { b"" };
        let line = line.strip_prefix(mark).unwrap_or(line);
        if line.len() > LONGEST {
            return Err("is longer than 64 KiB");
        }
        let text = str::from_utf8(line).map_err(|_| "is not UTF-8")?;
        if text.contains('\0') { Err("has a NUL character in it") } else { Ok(text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_every_kind() {
        let long = "x".repeat(LONGEST + 1);
        let fits = "y".repeat(LONGEST);
        let text = format!("\u{feff}a\r\nb\n\n{long}\n{fits}\r\n\u{feff}c\n");
        let mut bytes = text.clone().into_bytes();
        bytes.extend(b"\xff\n\0\n");
        bytes.extend("z".repeat(10 * LONGEST).bytes());
        bytes.extend(b"\nlast");
        let total = bytes.len();
        let mut lines = Lines::new(io::BufReader::with_capacity(100, &bytes[..]));
        let mut seen = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            seen.push(line.map(str::to_owned));
        }
        let good = |text: &str| Ok(text.to_owned());
        let expected = [
            good("a"),
            good("b"),
            good(""),
            Err("is longer than 64 KiB"),
            good(&fits),
            good("\u{feff}c"),
            Err("is not UTF-8"),
            Err("has a NUL character in it"),
            Err("is longer than 64 KiB"),
            good("last"),
        ];
        assert_eq!(seen, expected);
        assert_eq!((lines.place.line, lines.place.bytes), (10, u64::try_from(total).unwrap()));
        assert!(lines.line.capacity() < 4 * LONGEST);
    }
}
