//! The people of one page. A million of them must fit into modest memory, so a person is a few numbers, and whatever
//! can be computed (the PSID, the next draw) is not kept.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::behaviour::{Behaviour, Kind};
use super::dice::psid;
use super::pace::SlidingSecond;
use super::report::PersonReport;
use crate::domain::time::Timestamp;

/// Somebody who can be written to.
pub(super) struct Person {
    pub(super) login_id: Arc<str>,
    /// The last opt-in, UTC milliseconds; 0 = unknown.
    opted_in_at: i64,
    /// The acknowledged stop, UTC milliseconds; 0 = none.
    opted_out_at: i64,
    /// The acknowledged stop, milliseconds since boot plus one; 0 = none. Spans are measured by this one.
    stopped: u64,
    after_ms: u32,
    pub(super) attempts: u32,
    pub(super) refused: u32,
    pub(super) delivered: u32,
    kind: Kind,
    /// Whether a message was delivered since the last opt-in.
    pub(super) greeted: bool,
    pub(super) replied: bool,
}

impl Person {
    fn new(login_id: Arc<str>) -> Self {
        Self {
            login_id,
            opted_in_at: 0,
            opted_out_at: 0,
            stopped: 0,
            after_ms: 0,
            attempts: 0,
            refused: 0,
            delivered: 0,
            kind: Kind::Silent,
            greeted: false,
            replied: false,
        }
    }

    /// A new consent: the window starts again, one more message is fine, and an earlier stop is over.
    fn opt_in(&mut self, behaviour: Behaviour, at: Timestamp) {
        self.opted_in_at = at.ms();
        self.kind = behaviour.kind();
        self.after_ms = u32::try_from(behaviour.after().as_millis()).unwrap_or(u32::MAX);
        self.greeted = false;
        self.stopped = 0;
        self.opted_out_at = 0;
    }

    /// Notes that the callback acknowledged the person's stop.
    pub(super) fn stop(&mut self, now: Timestamp, boot: Duration) {
        self.opted_out_at = now.ms();
        self.stopped = whole_ms(boot).saturating_add(1);
    }

    /// How the person behaves.
    pub(super) fn behaviour(&self) -> Behaviour {
        Behaviour::from_kind(self.kind, Duration::from_millis(u64::from(self.after_ms)))
    }

    /// The last opt-in, if one is known.
    pub(super) fn opted_in_at(&self) -> Option<Timestamp> {
        (self.opted_in_at != 0).then_some(Timestamp::from_ms(self.opted_in_at))
    }

    /// The time since the acknowledged stop, if there was one.
    pub(super) fn since_stop(&self, boot: Duration) -> Option<Duration> {
        let stopped = self.stopped.checked_sub(1)?;
        Some(Duration::from_millis(whole_ms(boot).saturating_sub(stopped)))
    }

    fn report(&self, page: &str) -> PersonReport {
        PersonReport {
            page_id: page.to_owned(),
            login_id: self.login_id.as_ref().to_owned(),
            psid: psid(page, &self.login_id),
            opted_in_at: self.opted_in_at().map(Timestamp::ms),
            behaviour: self.kind,
            delivered: self.delivered,
            refused: self.refused,
            replied: self.replied,
            opted_out_at: (self.opted_out_at != 0).then_some(self.opted_out_at),
            blocked: self.kind == Kind::Block,
        }
    }
}

fn whole_ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Everybody of one page, and the page's pace.
pub(super) struct Book {
    pub(super) page: String,
    index: HashMap<Arc<str>, u32>,
    list: Vec<Person>,
    /// Calls let through, which is what a rate limit counts.
    pub(super) calls: SlidingSecond,
    /// Messages accepted.
    pub(super) accepted: SlidingSecond,
}

impl Book {
    /// An empty page.
    pub(super) fn new(page: &str) -> Self {
        Self {
            page: page.to_owned(),
            index: HashMap::new(),
            list: Vec::new(),
            calls: SlidingSecond::default(),
            accepted: SlidingSecond::default(),
        }
    }

    /// People known.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Where somebody stands.
    pub(super) fn find(&self, login_id: &str) -> Option<u32> {
        self.index.get(login_id).copied()
    }

    /// Where somebody stands, who is silent and without an opt-in if new.
    pub(super) fn find_or_add(&mut self, login_id: &str) -> u32 {
        if let Some(place) = self.find(login_id) {
            return place;
        }
        let place = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        let login_id: Arc<str> = login_id.into();
        self.index.insert(Arc::clone(&login_id), place);
        self.list.push(Person::new(login_id));
        place
    }

    /// Notes an opt-in.
    pub(super) fn opt_in(&mut self, login_id: &str, behaviour: Behaviour, at: Timestamp) -> u32 {
        let place = self.find_or_add(login_id);
        if let Some(person) = self.person(place) {
            person.opt_in(behaviour, at);
        }
        place
    }

    /// Somebody, by place.
    pub(super) fn person(&mut self, place: u32) -> Option<&mut Person> {
        self.list.get_mut(usize::try_from(place).ok()?)
    }

    /// Reports of at most `count` people from a place on.
    pub(super) fn reports(&self, from: usize, count: usize) -> Vec<PersonReport> {
        self.list.iter().skip(from).take(count).map(|person| person.report(&self.page)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_small() {
        assert!(size_of::<Person>() <= 64, "{}", size_of::<Person>());
    }

    #[test]
    fn a_new_opt_in_ends_an_earlier_stop() {
        let mut book = Book::new("p");
        let place = book.opt_in("l", Behaviour::Silent, Timestamp::from_ms(5));
        let person = book.person(place).unwrap();
        person.stop(Timestamp::from_ms(9), Duration::ZERO);
        person.greeted = true;
        assert_eq!(person.since_stop(Duration::from_secs(3)), Some(Duration::from_secs(3)));
        assert_eq!(book.opt_in("l", Behaviour::Block, Timestamp::from_ms(20)), place);
        let person = book.person(place).unwrap();
        assert_eq!((person.since_stop(Duration::MAX), person.greeted), (None, false));
        let report = &book.reports(0, 10)[0];
        assert_eq!((report.opted_in_at, report.opted_out_at, report.blocked), (Some(20), None, true));
    }
}
