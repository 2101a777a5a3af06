//! The reading side: a thread that turns lines into batches, ahead of the database.

use std::io::BufRead;

use anyhow::Context;
use tokio::sync::mpsc::Sender;

use super::input::Input;
use super::lines::Lines;
use super::record::{self, Defaults, Header, Reason};
use super::sort;
use crate::cli::optin::Format;
use crate::commands::exit::Misuse;
use crate::domain::signal::NewOptIn;
use crate::domain::time::Timestamp;

/// What the reader hands on.
pub(super) enum Step {
    /// Lines, some good, some bad.
    Batch(Batch),
    /// Something to say.
    Note(String),
    /// The input cannot be read any further.
    Failed(anyhow::Error),
}

/// Lines that share a commit.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) good: Vec<NewOptIn>,
    pub(super) bad: Vec<Bad>,
    /// How many lines these are; blank ones and the header do not count.
    pub(super) lines: u64,
    pub(super) last_line: u64,
    /// How many bytes of the input were read so far.
    pub(super) bytes: u64,
}

/// A refused line.
pub(super) struct Bad {
    pub(super) line: u64,
    pub(super) reason: Reason,
}

/// Starts the thread. Nobody joins it: it may sit in a read from a terminal when the command ends.
pub(super) fn start(
    input: Input,
    defaults: Defaults,
    batch: usize,
    latest: Timestamp,
    steps: Sender<Step>,
) -> anyhow::Result<()> {
    let run = move || {
        if let Err(error) = read(input, &defaults, batch, latest, &steps) {
            // Whoever is gone needs no error.
            _ = steps.blocking_send(Step::Failed(error));
        }
    };
    std::thread::Builder::new().name("import".to_owned()).spawn(run).context("cannot start a thread")?;
    Ok(())
}

/// Reads some bytes as `import` would, and stores nothing: how many lines are good, and how many are not.
///
/// # Errors
/// Where the whole cannot be read: no header, or one that lacks a column.
pub(super) fn judge(bytes: Vec<u8>, format: Option<Format>, latest: Timestamp) -> anyhow::Result<(u64, u64)> {
    // A line has at least two bytes, and each batch at least one line.
    let (steps, mut parsed) = tokio::sync::mpsc::channel(bytes.len() / 2 + 2);
    let input = Input { lines: Box::new(std::io::Cursor::new(bytes)), format, size: None };
    read(input, &Defaults::default(), 64, latest, &steps)?;
    drop(steps);
    let (mut good, mut bad) = (0, 0);
    while let Ok(step) = parsed.try_recv() {
        if let Step::Batch(batch) = step {
            good += u64::try_from(batch.good.len())?;
            bad += u64::try_from(batch.bad.len())?;
        }
    }
    Ok((good, bad))
}

fn read(
    mut input: Input,
    defaults: &Defaults,
    batch: usize,
    latest: Timestamp,
    steps: &Sender<Step>,
) -> anyhow::Result<()> {
    let format = input.format().context("cannot read the input")?;
    let mut lines = Lines::new(input.lines);
    let header = match format {
        Format::Jsonl => None,
        Format::Csv => Some(header(&mut lines, defaults, steps)?),
    };
    let parse = |line: &str| match &header {
        Some(header) => header.optin(line, defaults, latest),
        None => record::json(line, defaults, latest),
    };
    let mut next = Batch::default();
    while let Some(line) = lines.next().context("cannot read the input any further")? {
        let parsed = match line {
            Ok(line) if line.trim().is_empty() => continue,
            Ok(line) => parse(line),
            Err(flaw) => Err(flaw.into()),
        };
        match parsed {
            Ok(optin) => next.good.push(optin),
            Err(reason) => next.bad.push(Bad { line: lines.number, reason }),
        }
        next.lines += 1;
        (next.last_line, next.bytes) = (lines.number, lines.bytes);
        if next.good.len() + next.bad.len() >= batch && !hand_on(&mut next, steps) {
            return Ok(());
        }
    }
    if next.lines > 0 {
        hand_on(&mut next, steps);
    }
    Ok(())
}

/// Hands a batch on, waiting until there is room. Says whether anybody still takes it.
fn hand_on(next: &mut Batch, steps: &Sender<Step>) -> bool {
    let mut batch = std::mem::take(next);
    sort(&mut batch.good);
    steps.blocking_send(Step::Batch(batch)).is_ok()
}

fn header(lines: &mut Lines<impl BufRead>, defaults: &Defaults, steps: &Sender<Step>) -> anyhow::Result<Header> {
    let line = loop {
        match lines.next().context("cannot read the input")? {
            None => return Err(Misuse("the input is empty; its first line must be a header".to_owned()).into()),
            Some(Ok(line)) if line.trim().is_empty() => {}
            Some(line) => break line.map_err(|flaw| Misuse(format!("the first line {flaw}; is this a CSV file?")))?,
        }
    };
    let header = Header::read(line, defaults).map_err(Misuse)?;
    if !header.unknown.is_empty() {
        let names = header.unknown.join(", ");
        let names: String = names.chars().filter(|c| !c.is_control()).take(200).collect();
        _ = steps.blocking_send(Step::Note(format!("columns that are not read: {names}")));
    }
    Ok(header)
}
