//! Where lines come from, and what they are.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use anyhow::Context;

use crate::cli::optin::Format;

const BUFFER: usize = 256 << 10;

/// An opened input.
pub(super) struct Input {
    pub(super) lines: Box<dyn BufRead + Send>,
    /// What it holds; told by its first character where neither the operator nor its name says so.
    pub(super) format: Option<Format>,
    /// How many bytes it has, if that can be known.
    pub(super) size: Option<u64>,
}

/// Opens a file, or standard input for `-`.
pub(super) fn open(path: &Path, format: Option<Format>) -> anyhow::Result<Input> {
    if path.as_os_str() == "-" {
        let lines = Box::new(BufReader::with_capacity(BUFFER, io::stdin()));
        return Ok(Input { lines, format, size: None });
    }
    let cannot = || format!("cannot read {}", path.display());
    let file = File::open(path).with_context(cannot)?;
    let about = file.metadata().with_context(cannot)?;
    if about.is_dir() {
        anyhow::bail!("{} is a directory; name a file", path.display());
    }
    let size = about.is_file().then_some(about.len());
    let format = format.or_else(|| by_name(path));
    Ok(Input { lines: Box::new(BufReader::with_capacity(BUFFER, file)), format, size })
}

fn by_name(path: &Path) -> Option<Format> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "csv" | "tsv" => Some(Format::Csv),
        "jsonl" | "ndjson" | "json" => Some(Format::Jsonl),
        _ => None,
    }
}

impl Input {
    /// What it holds, by its first character if nothing else tells.
    pub(super) fn format(&mut self) -> io::Result<Format> {
        if let Some(format) = self.format {
            return Ok(format);
        }
        let start = self.lines.fill_buf()?;
        let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
        let first = start.iter().find(|byte| !byte.is_ascii_whitespace());
        Ok(if first == Some(&b'{') { Format::Jsonl } else { Format::Csv })
    }
}
