//! The reading side: a thread that turns lines into batches, ahead of the database.

use std::io::BufRead;

use anyhow::Context;
use tokio::sync::mpsc::Sender;

use super::input::Input;
use super::lines::Lines;
use super::record::{self, Defaults, Header, Reason};
use super::run::Run;
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
pub(super) struct Batch {
    pub(super) good: Vec<NewOptIn>,
    pub(super) bad: Vec<Bad>,
    /// How many lines these are; blank ones and the header do not count.
    pub(super) lines: u64,
    /// Once this batch is stored, every line up to here is.
    pub(super) last_line: u64,
    /// How many bytes of the input that is, about.
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
    let mut run = Run::default();
    let end = loop {
        let parsed = match lines.next() {
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
            Ok(Some(Ok(line))) if line.trim().is_empty() => continue,
            Ok(Some(Ok(line))) => parse(line),
            Ok(Some(Err(flaw))) => Err(flaw.into()),
        };
        run.take(parsed.map_err(|reason| Bad { line: lines.place.line, reason }));
        if run.is_full(lines.place) {
            let full = std::mem::replace(&mut run, Run::starting(lines.place));
            if !hand_on(full.batches(batch, lines.place), steps) {
                return Ok(());
            }
        }
    };
    // What was read before it broke off is kept all the same.
    hand_on(run.batches(batch, lines.place), steps);
    end.context("cannot read the input any further")
}

/// Hands batches on, waiting until there is room. Says whether anybody still takes them.
fn hand_on(mut batches: impl Iterator<Item = Batch>, steps: &Sender<Step>) -> bool {
    batches.all(|batch| steps.blocking_send(Step::Batch(batch)).is_ok())
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

#[cfg(test)]
mod tests {
    use std::io::{self, BufReader, Cursor, Read};

    use super::*;

    /// A disk that fails where the file goes on.
    struct Broken;

    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("bad sector"))
        }
    }

    #[test]
    fn what_was_read_before_the_input_broke_off_is_kept() {
        let text = "page_id,login_id,opted_in_at\n1,b,1780315200\n1,a,1780315200\n1,,1780315200\n1,c";
        let lines = Box::new(BufReader::new(Cursor::new(text).chain(Broken)));
        let (steps, mut parsed) = tokio::sync::mpsc::channel(2);
        let latest = Timestamp::parse("2026-06-02T00:00:00Z").unwrap();
        let input = Input { lines, format: Some(Format::Csv), size: None };
        let error = read(input, &Defaults::default(), 64, latest, &steps).unwrap_err();
        assert_eq!(format!("{error:#}"), "cannot read the input any further: bad sector");
        let Ok(Step::Batch(batch)) = parsed.try_recv() else { panic!("nothing was handed on") };
        assert_eq!(batch.good.iter().map(|new| new.login.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((batch.bad.len(), batch.lines, batch.last_line), (1, 3, 4));
    }
}
