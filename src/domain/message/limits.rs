//! The platform's limits for a message, each with its source.
//!
//! Characters are counted as UTF-16 units, so an emoji counts as 2. Which unit the platform counts is unconfirmed;
//! of those in question (code points, UTF-16 units) this is the stricter.

use std::fmt;

use crate::domain::token::{MARK, TOKEN_LENGTH};

/// How many of something are allowed, and who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) least: usize,
    pub(super) most: usize,
    unit: &'static str,
    source: &'static str,
}

impl Limit {
    const fn characters(most: usize, source: &'static str) -> Self {
        Self { least: 1, most, unit: "characters", source }
    }

    const fn count(least: usize, most: usize, unit: &'static str, source: &'static str) -> Self {
        Self { least, most, unit, source }
    }

    /// Whether this many are allowed.
    pub(super) const fn allows(&self, count: usize) -> bool {
        self.least <= count && count <= self.most
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { least, most, unit, source } = self;
        match (*unit, least == most) {
            ("characters", _) => write!(f, "at most {most} characters ({source})"),
            (_, true) => write!(f, "exactly {most} {unit} ({source})"),
            _ => write!(f, "{least} to {most} {unit} ({source})"),
        }
    }
}

/// The length of a text in UTF-16 units.
pub(super) fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

/// What [`TOKEN_LENGTH`] and [`MARK`] add to a payload, in characters.
pub(super) const TOKEN_ENDING: usize = MARK.len() + TOKEN_LENGTH;

const QUICK: &str = "Messenger Platform, quick replies";
const GENERIC: &str = "Messenger Platform, generic template";
const BUTTON: &str = "Messenger Platform, button template";
const MEDIA: &str = "Messenger Platform, media template";
const OURS: &str = "firstword";

/// `text`. Reported by several vendors; no page of the platform's own could be read.
pub(super) const TEXT: Limit = Limit::characters(2000, "Messenger Platform, send messages");
/// `quick_replies`.
pub(super) const QUICK_REPLIES: Limit = Limit::count(1, 13, "quick replies", QUICK);
/// A quick reply's `title`; what is longer is cut off on the screen.
pub(super) const QUICK_TITLE: Limit = Limit::characters(20, QUICK);
/// A quick reply's `payload`, with our token.
pub(super) const QUICK_PAYLOAD: Limit = Limit::characters(1000, QUICK);
/// `buttons` of an element of the generic template.
pub(super) const ELEMENT_BUTTONS: Limit = Limit::count(1, 3, "buttons", GENERIC);
/// `elements` of the generic template.
pub(super) const ELEMENTS: Limit = Limit::count(1, 10, "elements", GENERIC);
/// An element's `title`.
pub(super) const ELEMENT_TITLE: Limit = Limit::characters(80, GENERIC);
/// An element's `subtitle`.
pub(super) const ELEMENT_SUBTITLE: Limit = Limit::characters(80, GENERIC);
/// `text` of the button template.
pub(super) const BUTTON_TEXT: Limit = Limit::characters(640, BUTTON);
/// `buttons` of the button template.
pub(super) const BUTTONS: Limit = Limit::count(1, 3, "buttons", BUTTON);
/// `elements` of the media template.
pub(super) const MEDIA_ELEMENTS: Limit = Limit::count(1, 1, "element", MEDIA);
/// `buttons` of the media template.
pub(super) const MEDIA_BUTTONS: Limit = Limit::count(1, 3, "buttons", MEDIA);
/// A button's `title`.
pub(super) const BUTTON_TITLE: Limit = Limit::characters(20, "Messenger Platform, buttons");
/// A postback button's `payload`, with our token.
pub(super) const BUTTON_PAYLOAD: Limit = Limit::characters(1000, "Messenger Platform, postback button");
/// A variant's `name`: it is stored with each opt-in and shown in tables.
pub(super) const VARIANT_NAME: Limit = Limit::characters(64, OURS);
/// `variants`.
pub(super) const VARIANTS: Limit = Limit::count(1, 1000, "variants", OURS);
/// A variant's `weight`.
pub(super) const WEIGHT: Limit = Limit::count(1, 1_000_000, "as a whole number", OURS);
