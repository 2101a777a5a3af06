//! Signals as events on rows: opt-ins, attempts, commands, the passing of time.

use super::pages::{End, PageNews};
use super::{Desk, Handle, Note, Said};
use crate::domain::alert::Kind;
use crate::domain::budget;
use crate::domain::ids::{AttemptId, OptInId};
use crate::domain::optin::{OptIn, Reason, State};
use crate::domain::outcome::{Ending, Outcome};
use crate::domain::signal::{Command, NewOptIn, Signal, Tick};
use crate::domain::state::{Event, Tombstone, Verdict};
use crate::domain::time::Timestamp;

impl Desk<'_> {
    /// Applies one signal.
    pub(super) fn take(&mut self, signal: &Signal) -> Handle {
        match signal {
            Signal::OptIn(optin) => self.opt_in(optin),
            Signal::Person { page, sign, links, at } => self.person(page, *sign, links, *at),
            Signal::Attempt { optin, attempt, ending } => self.attempt(*optin, *attempt, ending.as_ref()),
            Signal::Command { optin, command } => self.command(*optin, *command),
            Signal::Time { optin, tick } => self.tick(*optin, *tick),
            Signal::Page { page, order } => {
                self.pages.push(PageNews::Ordered(page.clone(), order.clone()));
                Handle::Kept
            }
            Signal::Unparsed { page, raw } => {
                let cause = page.as_ref().map_or_else(|| "unknown page".to_owned(), ToString::to_string);
                self.raise(Kind::UnparsableEvents, &cause, "");
                self.unparsed.push((page.clone(), raw.clone()));
                Handle::Kept
            }
        }
    }

    fn opt_in(&mut self, new: &NewOptIn) -> Handle {
        let key = (new.page.clone(), new.login.clone());
        let Some(at) = self.by_login.get(&key).copied() else { return self.first_opt_in(new) };
        let consent = Event::Consent { at: new.at.unwrap_or(self.now), own_time: new.at.is_some() };
        let said = match self.step(at, &consent) {
            Verdict::Renewed => Said::Renewed,
            Verdict::Reopened => Said::Reopened,
            _ => Said::Duplicate,
        };
        if let Some(entry) = self.entries.get_mut(at) {
            entry.after.locale = entry.after.locale.take().or_else(|| new.locale.clone());
            entry.after.reference = entry.after.reference.take().or_else(|| new.reference.clone());
        }
        self.admit(at);
        Handle::Row(at, said)
    }

    fn first_opt_in(&mut self, new: &NewOptIn) -> Handle {
        if self.grave(&new.page, &new.login).is_some_and(|grave| grave.erased) {
            return Handle::Erased;
        }
        let mut row = OptIn::unborn(new.page.clone(), new.login.clone(), new.at.unwrap_or(self.now), self.now);
        row.locale.clone_from(&new.locale);
        row.reference.clone_from(&new.reference);
        let at = self.bear(row);
        self.admit(at);
        let refused = self.entries.get(at).is_some_and(|entry| entry.after.state == State::Refused);
        Handle::Row(at, if refused { Said::Refused } else { Said::Created })
    }

    /// Admits a row that is `new`; anything else is left alone.
    pub(super) fn admit(&mut self, at: usize) {
        let Some(entry) = self.entries.get(at) else { return };
        let (page, row) = (entry.after.page.clone(), &entry.after);
        let page_known = self.rules.pages.contains(&page);
        let grave = self.grave(&page, &row.login);
        // A row of somebody erased can only have come by a site's own INSERT: it is not sent to either.
        let tombstone = grave
            .map(|grave| Tombstone { maybe_greeted: grave.tombstone.maybe_greeted || grave.erased, ..grave.tombstone });
        let was_known = row.reason != Some(Reason::UnknownPage);
        self.step(at, &Event::Admit { page_known, tombstone });
        let reason = self.entries.get(at).and_then(|entry| entry.after.reason);
        if was_known && reason == Some(Reason::UnknownPage) {
            self.raise(Kind::UnknownPage, &page, "");
        }
    }

    fn attempt(&mut self, optin: OptInId, attempt: AttemptId, ending: Option<&Ending>) -> Handle {
        self.notes.push(Note {
            attempt,
            outcome: Some(ending.map_or("given_back", |ending| ending.outcome.as_str())),
            ending: ending.cloned(),
            evidence: None,
            at: self.now,
        });
        let Some(at) = self.by_id.get(&optin).copied() else { return Handle::Nobody };
        self.page_news(at, attempt, ending);
        let Some(ending) = ending else {
            self.step(at, &Event::GivenBack { attempt });
            return Handle::Row(at, Said::Applied);
        };
        if let Outcome::Accepted { message_id, psid } = &ending.outcome {
            self.may_be_second(at);
            if self.is_overtaken(at, attempt) {
                // A later attempt has the row. That this one arrived is evidence all the same, and stops the other.
                let (psid, message_id) = (psid.clone(), Some(message_id.clone()));
                self.step(at, &Event::Delivered { at: self.now, this_cycle: true, psid, message_id, elsewhere: false });
                return Handle::Row(at, Said::Applied);
            }
        }
        let others_succeed = self.others_succeed.contains(&attempt);
        self.step(at, &Event::Ended { attempt, outcome: ending.outcome.clone(), others_succeed });
        if let (Some(entry), Some(variant)) = (self.entries.get_mut(at), &ending.variant)
            && entry.after.maybe_greeted_at.is_some()
            && entry.after.fence == Some(attempt)
        {
            entry.after.variant = Some(variant.clone());
        }
        Handle::Row(at, Said::Applied)
    }

    /// Whether an attempt is of the row's present consent, and no longer its latest.
    fn is_overtaken(&self, at: usize, attempt: AttemptId) -> bool {
        let row = self.entries.get(at).map(|entry| &entry.after);
        let known = self.attempts.get(&attempt);
        row.zip(known).is_some_and(|(row, known)| row.fence != Some(attempt) && row.cycle == known.cycle)
    }

    fn page_news(&mut self, at: usize, attempt: AttemptId, ending: Option<&Ending>) {
        let Some(row) = self.entries.get(at).map(|entry| &entry.after) else { return };
        let (page, first) = (row.page.clone(), row.attempts == 1);
        if let Some(Ending { outcome: Outcome::Throttled { regain }, code, .. }) = ending {
            let regain = regain.unwrap_or_default();
            let others = self.rules.pages.iter().filter(|other| **other != page && budget::concerns_app(*code));
            self.pages.extend(others.map(|other| PageNews::Paused(other.clone(), regain)));
            self.pages.push(PageNews::Paused(page.clone(), regain));
        }
        self.pages.push(PageNews::Ended(page, attempt, End::of(ending, first)));
    }

    fn command(&mut self, optin: OptInId, command: Command) -> Handle {
        let Some(at) = self.by_id.get(&optin).copied() else { return Handle::Nobody };
        let event = match command {
            Command::Cancel => Event::Cancel,
            Command::Retry => Event::RetryNow,
            Command::OptOut => Event::OptedOut { at: self.now, reason: Reason::Operator },
            Command::Settle { delivered, before } => Event::Settle { delivered, before },
        };
        let verdict = self.step(at, &event);
        self.admit(at);
        Handle::Row(at, if verdict == Verdict::Refused { Said::Refused } else { Said::Applied })
    }

    fn tick(&mut self, optin: OptInId, tick: Tick) -> Handle {
        let Some(at) = self.by_id.get(&optin).copied() else { return Handle::Nobody };
        match tick {
            Tick::Due => _ = self.step(at, &Event::Due),
            Tick::HardStop => _ = self.step(at, &Event::HardStop),
            Tick::StoreRewound => _ = self.step(at, &Event::StoreRewound),
            Tick::AnswerOver => _ = self.step(at, &Event::AnswerOver),
            Tick::Lease(attempt) => self.lapse(at, attempt),
            Tick::SendAgain(attempt) => {
                if self.step(at, &Event::SendAgain { attempt }) == Verdict::Refused {
                    return Handle::Row(at, Said::Refused);
                }
            }
            Tick::Admit => {}
        }
        self.admit(at);
        Handle::Row(at, Said::Applied)
    }

    fn lapse(&mut self, at: usize, attempt: AttemptId) {
        let state = |desk: &Self| desk.entries.get(at).map(|entry| entry.after.state);
        let before = state(self);
        self.step(at, &Event::LeaseLapsed { attempt });
        if state(self) != before {
            let now = self.now;
            self.notes.push(Note { attempt, ending: None, outcome: Some("lease_expired"), evidence: None, at: now });
        }
    }

    /// An attempt of this opt-in is known to have arrived: with several, another one may be too.
    pub(super) fn may_be_second(&mut self, at: usize) {
        if self.entries.get(at).is_some_and(|entry| entry.after.attempts > 1) {
            self.proofs.insert(at);
        }
    }

    /// Files evidence on its attempt.
    pub(super) fn file(&mut self, attempt: AttemptId, evidence: &'static str, at: Timestamp) {
        self.notes.push(Note { attempt, ending: None, outcome: None, evidence: Some(evidence), at });
    }
}
