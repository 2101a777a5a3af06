//! Exit codes, and how an error is told.

use std::io::{self, Write};
use std::process::{ExitCode, Termination};

use crate::{config, store};

/// How a command ended. The numbers are part of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It did what was asked.
    Done,
    /// It could not.
    Failed,
    /// The command line or the configuration is wrong.
    Usage,
    /// A second daemon, or a database this version cannot use: trying again will not help.
    Refused,
    /// It is done, but some of the input was refused.
    Partly,
    /// `check` found this; its numbers are those of Nagios plugins.
    Checked(u8),
}

impl Exit {
    /// The process's exit code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Partly => 4,
            Self::Checked(code) => code,
        }
    }

    /// What an error means for the exit code. A pipe closed by its reader is no failure.
    #[must_use]
    pub fn of(error: &anyhow::Error) -> Self {
        let means = |cause: &(dyn std::error::Error + 'static)| {
            if let Some(error) = cause.downcast_ref::<io::Error>() {
                return (error.kind() == io::ErrorKind::BrokenPipe).then_some(Self::Done);
            }
            if cause.is::<config::Faults>() || cause.is::<Misuse>() {
                return Some(Self::Usage);
            }
            matches!(cause.downcast_ref(), Some(store::Error::Unfit(_))).then_some(Self::Refused)
        };
        error.chain().find_map(means).unwrap_or(Self::Failed)
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self.code())
    }
}

/// The command cannot be meant as it was given; the text says what to write instead.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Misuse(pub String);

/// Says on standard error what went wrong. Returns how the command ends.
#[must_use = "it is the command's exit code"]
pub fn tell(error: &anyhow::Error) -> Exit {
    let exit = Exit::of(error);
    if exit != Exit::Done {
        // Nobody is left to be told if standard error is closed.
        _ = writeln!(io::stderr().lock(), "firstword: {}", chain(error));
    }
    exit
}

/// The error and its causes in one line; a cause that the error above it has quoted already is left out.
pub(super) fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{Context, anyhow};

    #[test]
    fn errors_become_codes() {
        let unfit = || Err::<(), _>(store::Error::Unfit("too new".into())).context("cannot open");
        assert_eq!(Exit::of(&unfit().unwrap_err()), Exit::Refused);
        assert_eq!(Exit::of(&Misuse("which?".into()).into()), Exit::Usage);
        assert_eq!(Exit::of(&config::Faults(Vec::new()).into()), Exit::Usage);
        assert_eq!(Exit::of(&io::Error::from(io::ErrorKind::BrokenPipe).into()), Exit::Done);
        assert_eq!(Exit::of(&io::Error::from(io::ErrorKind::NotFound).into()), Exit::Failed);
        assert_eq!(Exit::of(&store::Error::Closed.into()), Exit::Failed);
    }

    #[test]
    fn a_cause_is_told_once() {
        let error = anyhow!("refused").context("the server said: refused").context("cannot open");
        assert_eq!(chain(&error), "cannot open: the server said: refused");
    }
}
