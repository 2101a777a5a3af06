//! The page's first message: read from a template file, checked once, rendered ten thousand times a second.
//!
//! The file is JSON: either the platform's own `message` object by itself, or several variants of it:
//!
//! ```json
//! {"variants": [
//!   {"name": "short", "weight": 3, "message": {"text": "Hello, I am the automated assistant."}},
//!   {"name": "german", "locale": "de_DE", "message": {"text": "Hallo, ich bin der automatische Assistent."}}
//! ]}
//! ```
//!
//! A message the platform would refuse is refused for everybody, so whatever can be known beforehand is checked
//! here, and all faults are told at once. What is only unwise is a [`Warning`].
//!
//! Every request carries a token (see [`token`](super::token)) in the message's `metadata`, and at the end of the
//! payload of every quick reply of type `text` and every postback button: an echo or a tap names its attempt.

mod attachment;
mod button;
mod choice;
mod file;
mod json;
mod limits;
mod lint;
mod message_object;
mod node;
mod preview;
mod report;
mod variant;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::keyed;
use node::Node;
use report::Report;

pub use report::{Fault, Warning};
pub use variant::Variant;

/// A checked template file. Cheap to clone; it never changes.
#[derive(Debug, Clone)]
pub struct Template(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    fingerprint: String,
    variants: Vec<Arc<Variant>>,
    /// The first variant without a locale: for people whose locale is unknown.
    fallback: Arc<Variant>,
}

impl Template {
    /// Reads and checks the text of a template file.
    ///
    /// # Errors
    /// Every fault in the file.
    pub fn parse(json: &str) -> Result<(Self, Vec<Warning>), Vec<Fault>> {
        let root = json::read(json).map_err(|fault| vec![fault])?;
        let mut report = Report::default();
        let drafts = file::check(&Node::root(&root), &mut report);
        if !report.faults.is_empty() {
            return Err(report.faults);
        }
        let variants: Vec<_> = drafts.iter().map(|draft| Arc::new(Variant::new(draft))).collect();
        let Some(fallback) = variants.iter().find(|variant| variant.locale().is_none()).cloned() else {
            return Err(vec![file::no_fallback()]);
        };
        let inner = Inner { fingerprint: keyed::fingerprint(json.as_bytes()), variants, fallback };
        Ok((Self(Arc::new(inner)), report.warnings))
    }

    /// The fingerprint of the file's text: which wording an attempt was sent with.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.0.fingerprint
    }

    /// Every variant, in the file's order; at least one.
    pub fn variants(&self) -> impl Iterator<Item = &Variant> {
        self.0.variants.iter().map(AsRef::as_ref)
    }

    /// The variant for a person: of their locale, else of their language, else without a locale.
    ///
    /// Where several remain, `draw` chooses by weight, always the same one for the same number; numbers in sequence
    /// are spread evenly. `locale` is taken as `de_AT`, `de-at` or `de`.
    #[must_use]
    pub fn choose(&self, locale: Option<&str>, draw: u64) -> &Variant {
        choice::choose(&self.0.variants, locale, draw).unwrap_or(&self.0.fallback)
    }
}
