//! What people, or the platform about people, say: finding whom it is about, and what it means for them.

use std::collections::BTreeMap;

use super::{Desk, Grave, Handle, Said};
use crate::domain::ids::PageId;
use crate::domain::optin::{OptIn, Reason, State};
use crate::domain::signal::{Links, Sign};
use crate::domain::state::{Event, Tombstone};
use crate::domain::time::Timestamp;

/// Whom an event is about: rows, each with whether it concerns the present consent.
type Targets = BTreeMap<usize, bool>;

impl Desk<'_> {
    pub(super) fn person(&mut self, page: &PageId, sign: Sign, links: &Links, at: Timestamp) -> Handle {
        let mut targets = self.targets(page, links, at, sign);
        let erased = self.names_erased(page, links);
        if targets.is_empty() && !erased && matches!(sign, Sign::Reply { .. } | Sign::OptOut(_)) {
            // Somebody who speaks is known from now on, and is never written to.
            for login in links.logins.iter().take(1) {
                let row = OptIn::unborn(page.clone(), login.clone(), at.min(self.now), self.now);
                let index = self.bear(row);
                targets.insert(index, true);
            }
        }
        // A message that one of our attempts sent is ours, whatever app the echo names, or names none.
        let sign = match sign {
            Sign::Echo { elsewhere } => Sign::Echo { elsewhere: elsewhere && !self.is_ours(links) },
            other => other,
        };
        for (index, this_cycle) in &targets {
            let event = event(sign, links, at, *this_cycle);
            self.step(*index, &event);
        }
        self.stop_by_psid(page, sign, links, at, targets.is_empty() && !erased);
        match targets.keys().next() {
            Some(index) => Handle::Row(*index, Said::Applied),
            None if erased => Handle::Erased,
            None => Handle::Nobody,
        }
    }

    fn targets(&mut self, page: &PageId, links: &Links, at: Timestamp, sign: Sign) -> Targets {
        let mut targets = self.by_attempt(links, sign, at);
        for login in &links.logins {
            if let Some(index) = self.by_login.get(&(page.clone(), login.clone())) {
                let row = self.entries.get(*index).map(|entry| &entry.after);
                let this_cycle = row.is_some_and(|row| row.cycle == 1 || at >= row.opted_in_at);
                targets.entry(*index).or_insert(this_cycle);
            }
        }
        // A PSID alone says who, not which message: it must not settle what nobody knows.
        if targets.is_empty()
            && let Some(psid) = &links.psid
        {
            let rows = self.by_psid.get(&(page.clone(), psid.clone())).into_iter().flatten();
            targets.extend(rows.map(|index| (*index, self.already_written(*index) || is_foreign_echo(sign))));
        }
        targets
    }

    fn by_attempt(&mut self, links: &Links, sign: Sign, at: Timestamp) -> Targets {
        if matches!(sign, Sign::Echo { .. }) {
            self.echoed(links);
        }
        let by_token = links.attempts.iter().filter_map(|attempt| self.attempts.get(attempt));
        let by_message = links.message_ids.iter().filter_map(|id| self.messages.get(id));
        let known: Vec<_> = by_token.chain(by_message).copied().collect();
        let mut targets = Targets::new();
        for known in known {
            if let Some(index) = self.by_id.get(&known.optin).copied() {
                let cycle = self.entries.get(index).map(|entry| entry.after.cycle);
                *targets.entry(index).or_default() |= cycle == Some(known.cycle);
                self.file(known.attempt, sign.as_str(), at);
                self.may_be_second(index);
            }
        }
        targets
    }

    fn is_ours(&self, links: &Links) -> bool {
        links.message_ids.iter().any(|id| self.messages.contains_key(id))
    }

    /// Keeps which attempts an echo named by our token: what silence is worth is measured by them.
    fn echoed(&mut self, links: &Links) {
        for attempt in &links.attempts {
            let row = self.attempts.get(attempt).and_then(|known| self.by_id.get(&known.optin));
            if let Some(entry) = row.and_then(|at| self.entries.get(*at)) {
                self.echoes.insert(*attempt, entry.after.page.clone());
            }
        }
    }

    fn already_written(&self, index: usize) -> bool {
        self.entries
            .get(index)
            .is_some_and(|entry| matches!(entry.after.state, State::Sent | State::Answered | State::Expired))
    }

    /// Whether one of the identifiers is of somebody whose data was erased.
    fn names_erased(&self, page: &PageId, links: &Links) -> bool {
        let by_login = links.logins.iter().filter_map(|login| self.grave(page, login));
        let by_psid = links.psid.iter().filter_map(|psid| self.psid_grave(page, psid));
        by_login.chain(by_psid).any(|grave| grave.erased)
    }

    /// A stop from somebody whose opt-in we cannot name is kept under the PSID, for when we can.
    fn stop_by_psid(&mut self, page: &PageId, sign: Sign, links: &Links, at: Timestamp, nobody: bool) {
        let stops = matches!(sign, Sign::OptOut(_) | Sign::Reply { stop: true });
        if stops
            && nobody
            && let Some(psid) = &links.psid
        {
            let name = self.rules.key.psid_tombstone(page, psid);
            let tombstone = Tombstone { maybe_greeted: false, opted_out_at: None };
            // At once, for whoever is linked later in the same group.
            let grave = self.graves.entry(name.clone()).or_insert(Grave { tombstone, erased: false });
            grave.tombstone.opted_out_at = grave.tombstone.opted_out_at.max(Some(at));
            self.burials.push((name, Some(at)));
        }
    }
}

fn is_foreign_echo(sign: Sign) -> bool {
    matches!(sign, Sign::Echo { elsewhere: true })
}

fn event(sign: Sign, links: &Links, at: Timestamp, this_cycle: bool) -> Event {
    let psid = links.psid.clone();
    let delivered = |elsewhere, psid| Event::Delivered {
        at,
        this_cycle,
        psid,
        message_id: links.message_ids.first().cloned(),
        elsewhere,
    };
    match sign {
        Sign::Reply { stop } => Event::Replied { at, this_cycle, psid, stop },
        Sign::Echo { elsewhere } => delivered(elsewhere && links.attempts.is_empty(), psid),
        Sign::Receipt => delivered(false, psid),
        Sign::OptOut(reason @ (Reason::OptOutEvent | Reason::Deauthorized | Reason::StopWord | Reason::Operator)) => {
            Event::OptedOut { at, reason }
        }
        Sign::OptOut(_) => Event::OptedOut { at, reason: Reason::OptOutEvent },
    }
}
