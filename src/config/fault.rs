//! What is wrong with a configuration, so that it can be put right.

use std::fmt;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file it stands in, or `environment`.
    pub file: String,
    /// The key, such as `send.max_in_flight`, or the variable; empty where it is the whole file.
    pub key: String,
    /// What is wrong, such as `is 0`. Never a secret's value.
    pub what: String,
    /// What to do about it; empty where `what` says it.
    pub remedy: String,
}

impl Fault {
    pub(super) fn new(file: &str, key: &str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { file: file.to_owned(), key: key.to_owned(), what: what.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.what)?;
        if self.remedy.is_empty() { Ok(()) } else { write!(f, "; {}", self.remedy) }
    }
}

/// Everything that is wrong, one fault a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl std::error::Error for Faults {}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        for fault in &self.0 {
            write!(f, "{between}{fault}")?;
            between = "\n";
        }
        Ok(())
    }
}
