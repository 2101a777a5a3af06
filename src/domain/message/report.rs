//! What is wrong with a template file, and what is merely unwise.

use std::fmt;

use super::limits::Limit;
use super::node::Node;

/// Why a template file is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where, as in `variants[1].message.quick_replies[3].title`; empty for the file itself.
    pub path: String,
    /// What is wrong there.
    pub problem: String,
    /// The limit that is broken and its source, in words, where it is one.
    pub rule: Option<String>,
}

/// What a person should look at, though the message can be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Where, as in [`Fault::path`].
    pub path: String,
    /// What to think about.
    pub advice: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", place(&self.path), self.problem)?;
        self.rule.iter().try_for_each(|rule| write!(f, "; allowed: {rule}"))
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", place(&self.path), self.advice)
    }
}

fn place(path: &str) -> &str {
    if path.is_empty() { "the message" } else { path }
}

/// Everything found so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) faults: Vec<Fault>,
    pub(super) warnings: Vec<Warning>,
}

impl Report {
    /// Something is wrong at a place.
    pub(super) fn fault(&mut self, node: &Node<'_>, problem: impl Into<String>) {
        self.faults.push(Fault { path: node.path.clone(), problem: problem.into(), rule: None });
    }

    /// A limit is broken at a place.
    pub(super) fn exceeds(&mut self, node: &Node<'_>, problem: impl Into<String>, limit: &Limit) {
        self.faults.push(Fault { path: node.path.clone(), problem: problem.into(), rule: Some(limit.to_string()) });
    }

    /// Something is missing below a place.
    pub(super) fn missing(&mut self, node: &Node<'_>, key: &str, problem: impl Into<String>) {
        self.faults.push(Fault { path: node.path_to(key), problem: problem.into(), rule: None });
    }

    /// Something is unwise at a place.
    pub(super) fn warn(&mut self, node: &Node<'_>, advice: impl Into<String>) {
        self.warnings.push(Warning { path: node.path.clone(), advice: advice.into() });
    }
}
