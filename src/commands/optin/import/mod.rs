//! `firstword optin import`: files of any size, in constant memory.
//!
//! ```text
//! thread:  lines -> record -> run (sorted) -> batches --+        each batch is one commit;
//! command:                                some waiting --+-> store.apply -> tally     reading goes on meanwhile
//! ```
//!
//! A line is kept or refused by itself: nothing in it can harm its neighbours, and nothing aborts the rest. Whoever is
//! known already counts as a duplicate, so that an import can be run again, also after it was cut off.

mod input;
mod lines;
mod progress;
mod reader;
mod record;
mod run;
mod split;
mod tally;

use std::fs::File;
use std::pin::pin;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Exit, open, out};
use crate::again::{Failure, Patience, again};
use crate::cli::Global;
use crate::cli::optin::ImportArgs;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::domain::signal::{NewOptIn, Receipt, Signal};
use crate::domain::time::Timestamp;
use crate::store::{Error, Store};
use progress::Progress;
use reader::{Bad, Batch, Step};
use tally::Tally;

/// How long a database that is busy or away is waited for.
const PATIENCE: Patience = Patience {
    first: Duration::from_millis(200),
    longest: Duration::from_secs(5),
    at_most: Some(Duration::from_mins(1)),
};
/// How many batches may wait for the database while the next run is read.
const AHEAD: usize = 8;

/// How many lines of some bytes `import` would take, and how many it would refuse.
///
/// # Errors
/// Where the whole cannot be read: no header, or one that lacks a column.
pub fn judge(bytes: &[u8], format: Option<crate::cli::optin::Format>, latest: Timestamp) -> anyhow::Result<(u64, u64)> {
    reader::judge(bytes.to_vec(), format, latest)
}

pub(super) async fn run(args: &ImportArgs, global: &Global) -> anyhow::Result<Exit> {
    let config = open::load(global)?;
    let input = input::open(&args.file, args.format)?;
    let progress = Progress::new(input.size);
    let store = open::open_store(&config).await?;
    store.expect_bulk().await?;
    let clock = open::store_clock(&store).await?;
    let (steps, parsed) = mpsc::channel(AHEAD);
    let defaults = record::Defaults { page: args.page.clone(), time: args.opted_in_at };
    let latest = clock.now().plus(super::add::AHEAD);
    reader::start(input, defaults, usize::try_from(args.batch)?, latest, steps)?;
    let mut work = Work::new(args, &config, store, clock, progress)?;
    work.all(parsed).await?;
    work.end(args.report.json)
}

struct Work<'a> {
    config: &'a Config,
    store: Store,
    clock: SystemClock,
    began: Duration,
    tally: Tally,
    progress: Progress,
    bad: Option<csv::Writer<File>>,
}

impl<'a> Work<'a> {
    fn new(
        args: &ImportArgs,
        config: &'a Config,
        store: Store,
        clock: SystemClock,
        progress: Progress,
    ) -> anyhow::Result<Self> {
        let bad = args.bad.as_ref().map(|path| {
            let mut writer = csv::Writer::from_path(path).context(path.display().to_string())?;
            writer.write_record(["line", "reason"])?;
            anyhow::Ok(writer)
        });
        let bad = bad.transpose().context("cannot write the file of bad lines")?;
        Ok(Self { config, store, began: clock.boot(), clock, tally: Tally::default(), progress, bad })
    }

    /// Takes what was parsed until it ends or somebody interrupts; the batch under way is finished first.
    async fn all(&mut self, mut parsed: mpsc::Receiver<Step>) -> anyhow::Result<()> {
        let mut interrupt = pin!(tokio::signal::ctrl_c());
        loop {
            let step = tokio::select! {
                biased;
                interrupted = &mut interrupt => {
                    interrupted?;
                    self.tally.interrupted = true;
                    return Ok(());
                }
                step = parsed.recv() => step,
            };
            match step {
                None => return Ok(()),
                Some(Step::Note(text)) => self.progress.say(&text),
                Some(Step::Failed(error)) => return Err(error),
                Some(Step::Batch(batch)) => self.take(batch).await.with_context(|| self.how_far())?,
            }
        }
    }

    async fn take(&mut self, batch: Batch) -> anyhow::Result<()> {
        self.note_bad(&batch.bad)?;
        let receipts = self.apply(&batch.good).await?;
        let now = self.clock.now();
        for (new, receipt) in batch.good.iter().zip(receipts) {
            let at = new.at.unwrap_or(now);
            let late = self.config.policy.window.hard_stop(at) <= now;
            self.tally.count(receipt, late);
            if !self.config.pages.iter().any(|page| page.id == new.page) {
                self.tally.elsewhere(&new.page);
            }
        }
        self.tally.lines += batch.lines;
        self.tally.last_line = batch.last_line;
        self.progress.show(batch.bytes, &self.tally);
        Ok(())
    }

    /// Commits a batch. It may be committed twice, where the first commit's answer was lost: the second changes nothing.
    async fn apply(&self, good: &[NewOptIn]) -> anyhow::Result<Vec<Receipt>> {
        if good.is_empty() {
            return Ok(Vec::new());
        }
        let attempt = || {
            let signals = good.iter().cloned().map(Signal::OptIn).collect();
            let applied = self.store.apply(signals, self.clock.now());
            async {
                applied.await.map_err(|error| match error {
                    Error::Unavailable(_) | Error::Conflict => Failure::Passing(error),
                    Error::Corrupt { .. } | Error::Unfit(_) | Error::Closed => Failure::Final(error),
                })
            }
        };
        let waiting = |error: &Error, pause: Duration| {
            self.progress.say(&format!("{}; trying again in {} ms", error.chain(), pause.as_millis()));
        };
        let applied = again(PATIENCE, &CancellationToken::new(), attempt, waiting).await;
        Ok(applied.unwrap_or(Err(Error::Closed))?)
    }

    fn note_bad(&mut self, bad: &[Bad]) -> anyhow::Result<()> {
        for one in bad {
            self.tally.refuse(one);
            if let Some(writer) = &mut self.bad {
                writer.write_record([one.line.to_string().as_str(), &one.reason])?;
            }
        }
        Ok(())
    }

    fn how_far(&self) -> String {
        format!("stopped after line {}; it is safe to run again", self.tally.last_line)
    }

    /// Says what was done.
    fn end(&mut self, as_json: bool) -> anyhow::Result<Exit> {
        if let Some(writer) = &mut self.bad {
            writer.flush()?;
        }
        self.progress.clear();
        self.tally.took(self.clock.boot().saturating_sub(self.began));
        if as_json {
            out::json(&self.tally)?;
        } else {
            self.tally.tell_bad();
            out::line(self.tally.summary())?;
        }
        if self.tally.interrupted {
            out::note(self.how_far());
            return Ok(Exit::Failed);
        }
        Ok(if self.tally.bad + self.tally.erased > 0 { Exit::Partly } else { Exit::Done })
    }
}

/// A time that nobody can have noted yet.
fn in_future(at: Timestamp, latest: Timestamp) -> bool {
    at > latest
}
