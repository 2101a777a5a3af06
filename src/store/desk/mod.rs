//! The desk: where signals meet rows, inside one transaction.
//!
//! Whatever happens to an opt-in happens here: signals are gathered, the rows they may concern are locked in the order
//! of their ids, the domain's [`step`] is applied in memory, and what changed is written
//! back. Intake, attempts, operators and the passing of time all take this one road; only the claim has its own.

pub(super) mod accept;
mod apply;
mod doubt;
mod flush;
mod gather;
pub(super) mod holds;
mod pages;
mod person;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::engine::Conn;
use super::error::Result;
use crate::domain::alert::Kind;
use crate::domain::ids::{AttemptId, LoginId, OptInId, PageId, Psid};
use crate::domain::keyed::StoreKey;
use crate::domain::optin::{OptIn, Reason, State};
use crate::domain::outcome::{Ending, Outcome};
use crate::domain::policy::Policy;
use crate::domain::signal::{Receipt, Signal};
use crate::domain::site;
use crate::domain::state::{Context, Event, Tombstone, Verdict, step};
use crate::domain::time::Timestamp;
use pages::PageNews;

/// What the desk has to know beside the database.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) policy: Policy,
    pub(super) pages: HashSet<PageId>,
    pub(super) key: StoreKey,
    /// What the site wants to hear.
    pub(super) site: Vec<site::Event>,
}

/// What a committed group means to the rest of the process.
#[derive(Debug, Clone, Default)]
pub(super) struct News {
    /// There may be something to claim or admit.
    pub(super) work: bool,
    /// Attempts that must not leave any more.
    pub(super) stops: Vec<AttemptId>,
    /// Who was missed, and why.
    pub(super) misses: Vec<(OptInId, PageId, Reason)>,
}

/// A row on the desk; `before` is `None` for one that is not stored yet.
struct Entry {
    before: Option<OptIn>,
    after: OptIn,
}

/// An attempt as events name it.
#[derive(Clone, Copy)]
struct Known {
    attempt: AttemptId,
    optin: OptInId,
    cycle: i64,
}

/// A tombstone as stored.
#[derive(Clone, Copy)]
struct Grave {
    tombstone: Tombstone,
    erased: bool,
}

/// What became known of an attempt.
struct Note {
    attempt: AttemptId,
    ending: Option<Ending>,
    outcome: Option<&'static str>,
    evidence: Option<&'static str>,
    at: Timestamp,
}

impl Note {
    /// The message that was accepted.
    fn message(&self) -> Option<&str> {
        match &self.ending.as_ref()?.outcome {
            Outcome::Accepted { message_id, .. } => Some(message_id),
            _ => None,
        }
    }
}

pub(super) struct Desk<'a> {
    rules: &'a Rules,
    now: Timestamp,
    entries: Vec<Entry>,
    by_id: HashMap<OptInId, usize>,
    by_login: HashMap<(PageId, LoginId), usize>,
    by_psid: HashMap<(PageId, Psid), BTreeSet<usize>>,
    attempts: HashMap<AttemptId, Known>,
    messages: HashMap<String, Known>,
    graves: HashMap<String, Grave>,
    others_succeed: HashSet<AttemptId>,
    notes: Vec<Note>,
    burials: Vec<(String, Option<Timestamp>)>,
    unparsed: Vec<(Option<PageId>, String)>,
    /// Attempts named by an echo that bears our token.
    echoes: BTreeMap<AttemptId, PageId>,
    /// Opt-ins of whose attempts a second one may be known to have arrived.
    proofs: BTreeSet<usize>,
    /// What the site is told: which row, what, and the row as it was then.
    told: Vec<(usize, site::Event, OptIn)>,
    /// Pages on which somebody is no longer in doubt.
    settled: BTreeSet<PageId>,
    /// To be raised: the detail, and how often.
    alerts: BTreeMap<(Kind, String), (String, i64)>,
    /// Who was missed, and why.
    missed: BTreeMap<usize, Reason>,
    /// To be ended.
    resolved: BTreeSet<(Kind, String)>,
    pages: Vec<PageNews>,
    news: News,
}

/// Applies signals in order; one receipt each. The caller owns the transaction.
pub(super) async fn apply(
    conn: &mut Conn,
    rules: &Rules,
    now: Timestamp,
    signals: &[Signal],
) -> Result<(Vec<Receipt>, News)> {
    let mut desk = Desk::new(rules, now);
    desk.gather(conn, signals).await?;
    let handles: Vec<Handle> = signals.iter().map(|signal| desk.take(signal)).collect();
    desk.flush(conn).await?;
    let receipts = handles.into_iter().map(|handle| desk.receipt(handle)).collect();
    Ok((receipts, desk.news))
}

/// What will be the receipt once new rows have their numbers.
#[derive(Clone, Copy)]
enum Handle {
    Row(usize, Said),
    Nobody,
    Erased,
    Kept,
}

#[derive(Clone, Copy)]
enum Said {
    Created,
    Duplicate,
    Renewed,
    Reopened,
    Refused,
    Applied,
}

impl<'a> Desk<'a> {
    fn new(rules: &'a Rules, now: Timestamp) -> Self {
        Self {
            rules,
            now,
            entries: Vec::new(),
            by_id: HashMap::new(),
            by_login: HashMap::new(),
            by_psid: HashMap::new(),
            attempts: HashMap::new(),
            messages: HashMap::new(),
            graves: HashMap::new(),
            others_succeed: HashSet::new(),
            notes: Vec::new(),
            burials: Vec::new(),
            unparsed: Vec::new(),
            echoes: BTreeMap::new(),
            proofs: BTreeSet::new(),
            told: Vec::new(),
            settled: BTreeSet::new(),
            alerts: BTreeMap::new(),
            missed: BTreeMap::new(),
            resolved: BTreeSet::new(),
            pages: Vec::new(),
            news: News::default(),
        }
    }

    /// Lays a stored row on the desk.
    fn lay(&mut self, row: OptIn) {
        let at = self.entries.len();
        self.by_id.insert(row.id, at);
        self.index(at, &row);
        self.entries.push(Entry { before: Some(row.clone()), after: row });
    }

    /// Lays a row that is not stored yet.
    fn bear(&mut self, row: OptIn) -> usize {
        let at = self.entries.len();
        self.index(at, &row);
        self.entries.push(Entry { before: None, after: row });
        at
    }

    fn index(&mut self, at: usize, row: &OptIn) {
        self.by_login.insert((row.page.clone(), row.login.clone()), at);
        if let Some(psid) = &row.psid {
            self.by_psid.entry((row.page.clone(), psid.clone())).or_default().insert(at);
        }
    }

    /// Applies one event to one row, and draws the consequences outside the row.
    fn step(&mut self, at: usize, event: &Event) -> Verdict {
        let Some(entry) = self.entries.get_mut(at) else { return Verdict::Refused };
        let was = (entry.after.state, entry.after.opted_out_at, entry.after.psid.is_some());
        let random = fastrand::u64(..);
        let verdict = step(&mut entry.after, event, &Context { now: self.now, policy: &self.rules.policy, random });
        let row = &entry.after;
        self.news.work |= row.state != was.0 && matches!(row.state, State::Pending | State::New);
        let stopped = row.state != State::Sending || row.opted_out_at != was.1;
        if was.0 == State::Sending && stopped && !matches!(event, Event::Ended { .. } | Event::GivenBack { .. }) {
            self.news.stops.extend(row.fence);
        }
        if was.0 == State::Uncertain && row.state != State::Uncertain {
            self.settled.insert(row.page.clone());
        }
        let wanted = |event: &site::Event| self.rules.site.contains(event);
        self.told.extend(site::Event::between(was.0, was.1, row).filter(wanted).map(|event| (at, event, row.clone())));
        if was.0 != State::Missed && row.state == State::Missed {
            self.missed.insert(at, row.reason.unwrap_or(Reason::HardStop));
        }
        let (page, learnt) = (row.page.clone(), row.psid.clone().filter(|_| !was.2));
        match verdict {
            Verdict::SecondPsid => {
                let detail = format!("opt-in {} is claimed by a second PSID; the first stays", row.id);
                self.raise(Kind::SecondPsid, &page, detail);
            }
            Verdict::HoldPage => self.held(&page, event, "page"),
            Verdict::HoldContent => self.held(&page, event, "content"),
            _ => {}
        }
        if let Some(psid) = learnt {
            self.by_psid.entry((page.clone(), psid.clone())).or_default().insert(at);
            self.remember_stop(at, &page, &psid);
        }
        verdict
    }

    /// What is remembered of somebody once purged. Mostly of nobody, and then no name need be computed.
    fn grave(&self, page: &PageId, login: &LoginId) -> Option<&Grave> {
        if self.graves.is_empty() { None } else { self.graves.get(&self.rules.key.tombstone(page, login)) }
    }

    /// The same of somebody known by PSID.
    fn psid_grave(&self, page: &PageId, psid: &Psid) -> Option<&Grave> {
        if self.graves.is_empty() { None } else { self.graves.get(&self.rules.key.psid_tombstone(page, psid)) }
    }

    /// Raises an alert in this group's transaction, or counts it again. The cause is mostly a page.
    fn raise(&mut self, kind: Kind, cause: &impl ToString, detail: impl Into<String>) {
        let (last, times) = self.alerts.entry((kind, cause.to_string())).or_default();
        *last = detail.into();
        *times += 1;
    }

    /// Ends an alert in this group's transaction.
    fn resolve(&mut self, kind: Kind, cause: &impl ToString) {
        self.resolved.insert((kind, cause.to_string()));
    }

    fn held(&mut self, page: &PageId, event: &Event, what: &'static str) {
        if let Event::Ended { attempt, .. } = event {
            self.pages.push(PageNews::Held(page.clone(), *attempt, what));
        }
    }

    /// A stop said under a PSID before we knew whose it is applies as soon as we do.
    fn remember_stop(&mut self, at: usize, page: &PageId, psid: &Psid) {
        if let Some(stop) = self.psid_grave(page, psid).and_then(|grave| grave.tombstone.opted_out_at) {
            self.step(at, &Event::OptedOut { at: stop, reason: Reason::StopWord });
        }
    }

    fn receipt(&self, handle: Handle) -> Receipt {
        match handle {
            Handle::Nobody => Receipt::Unknown,
            Handle::Erased => Receipt::Erased,
            Handle::Kept => Receipt::Kept,
            Handle::Row(at, said) => {
                let Some(entry) = self.entries.get(at) else { return Receipt::Unknown };
                let id = entry.after.id;
                match said {
                    Said::Created => Receipt::Created(id),
                    Said::Duplicate => Receipt::Duplicate(id),
                    Said::Renewed => Receipt::Renewed(id),
                    Said::Reopened => Receipt::Reopened(id),
                    Said::Refused => Receipt::Refused(id),
                    Said::Applied => Receipt::Applied(id),
                }
            }
        }
    }
}
