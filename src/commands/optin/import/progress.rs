//! How far an import is: a bar on a terminal, otherwise a line now and then.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::tally::Tally;
use crate::commands::out;

/// How often a line is said where no bar can be drawn.
const PAUSE: Duration = Duration::from_secs(5);

/// Shows progress on standard error.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    size: Option<u64>,
    said: Instant,
}

impl Progress {
    /// For an input of so many bytes, if that is known.
    pub(super) fn new(size: Option<u64>) -> Self {
        let bar = io::stderr().is_terminal().then(|| bar(size));
        Self { bar, size, said: Instant::now() }
    }

    /// Shows how far it is.
    pub(super) fn show(&mut self, bytes: u64, tally: &Tally) {
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
            bar.set_message(tally.brief());
        } else if self.said.elapsed() >= PAUSE {
            self.said = Instant::now();
            let percent =
                self.size.filter(|size| *size > 0).map(|size| format!("{}%: ", bytes.saturating_mul(100) / size));
            out::note(format_args!("{}{}", percent.unwrap_or_default(), tally.brief()));
        }
    }

    /// Says something that must not tear the bar.
    pub(super) fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| out::note(text)),
            None => out::note(text),
        }
    }

    /// Takes the bar away.
    pub(super) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(size: Option<u64>) -> ProgressBar {
    let (bar, template) = match size {
        Some(size) => (ProgressBar::new(size), "{bar:30} {percent:>3}% {msg}, {eta} to go"),
        None => (ProgressBar::new_spinner(), "{spinner} {bytes} {msg}"),
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style)
}
