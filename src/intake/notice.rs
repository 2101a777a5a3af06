//! What a webhook tells beside its events: kinds nobody knows, ways of linking nobody has seen, replies nobody can be
//! found for. Told after the commit, and never a reason to refuse what was committed.

use std::collections::BTreeSet;

use super::Intake;
use crate::domain::ids::PageId;
use crate::domain::signal::{Receipt, Sign, Signal};
use crate::domain::time::Timestamp;

/// Which of the signals are replies, by their place, and to which page.
pub(super) fn speakers(signals: &[Signal]) -> Vec<(usize, PageId)> {
    let page = |(place, signal): (usize, &Signal)| match signal {
        Signal::Person { page, sign: Sign::Reply { .. }, links, .. } if links.psid.is_some() => {
            Some((place, page.clone()))
        }
        _ => None,
    };
    signals.iter().enumerate().filter_map(page).collect()
}

/// Events of unknown kinds, by the names of their parts; each at most once a minute.
pub(super) fn shapes(intake: &Intake, shapes: BTreeSet<String>, now: Timestamp) {
    for shape in shapes {
        if intake.memory.may_tell(format!("shape {shape}"), now) {
            tracing::debug!(shape, "an event of an unknown kind");
        }
    }
}

/// Sources of replies that were never seen: noted, and alerted once. How a login's reply names what it answers is not
/// documented, so somebody should look at the first one.
pub(super) async fn sources(intake: &Intake, sources: BTreeSet<String>, now: Timestamp) {
    for source in &sources {
        intake.metrics.reply_source(source);
    }
    for source in intake.memory.new_sources(sources) {
        match intake.store.note_source(&source, now).await {
            Ok(()) => intake.memory.know_source(source),
            Err(error) => tracing::debug!(error = error.chain(), "the source of a reply could not be noted"),
        }
    }
}

/// Replies from people nobody knows. On a page where messages were sent and no reply was ever linked to one, the way
/// replies are linked may be wrong: that is alerted.
pub(super) async fn unlinked(intake: &Intake, spoke: &[(usize, PageId)], receipts: &[Receipt], now: Timestamp) {
    let unknown = spoke.iter().filter(|(place, _)| receipts.get(*place) == Some(&Receipt::Unknown));
    let pages: BTreeSet<&PageId> = unknown.map(|(_, page)| page).collect();
    for page in pages {
        intake.metrics.webhook_event("unlinked_reply");
        if !intake.memory.may_look(page, now) {
            continue;
        }
        if let Err(error) = intake.store.note_unlinked(page, now).await {
            tracing::debug!(error = error.chain(), "unlinked replies could not be looked at");
        }
    }
}
