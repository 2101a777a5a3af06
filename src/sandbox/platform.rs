//! The state that the parts of a sandbox share, and the counters.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::desk::Desk;
use super::dice::Dice;
use super::options::{Faults, Options};
use super::report::Report;
use crate::clock::Clock;

/// Webhook requests open at a time.
const POSTS: usize = 64;

/// What the parts of a sandbox share.
pub(super) struct Platform {
    pub(super) desks: Vec<Desk>,
    report: Mutex<Report>,
    faults: Mutex<Arc<Faults>>,
    in_flight: AtomicU64,
    /// Whose message was judged and not answered yet, and how many of theirs.
    unanswered: Mutex<HashMap<String, u32>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) seed: u64,
    pub(super) window: Duration,
    pub(super) strict: bool,
    pub(super) open: bool,
    pub(super) echoes: bool,
    pub(super) app_secret: Option<String>,
    pub(super) callback: Option<String>,
    pub(super) client: reqwest::Client,
    pub(super) posts: Semaphore,
    pub(super) crowds: AtomicU64,
    pub(super) tracker: TaskTracker,
    pub(super) stop: CancellationToken,
}

/// A send being handled. Counted as in flight for as long as it lives, and as aborted if its body was not read to the
/// end by then, whatever way its handling ends.
pub(super) struct InFlight<'a> {
    platform: &'a Platform,
    whole: bool,
    login_id: Option<String>,
}

impl InFlight<'_> {
    /// Notes that the body was read to its end.
    pub(super) fn whole(&mut self) {
        self.whole = true;
    }

    /// Notes whom it was for: from now until its end it is unanswered.
    pub(super) fn of(&mut self, login_id: Option<String>) {
        if let Some(login_id) = &login_id {
            *lock(&self.platform.unanswered).entry(login_id.clone()).or_default() += 1;
        }
        self.login_id = login_id;
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.platform.in_flight.fetch_sub(1, Ordering::Relaxed);
        if let Some(login_id) = self.login_id.take() {
            let mut unanswered = lock(&self.platform.unanswered);
            if let Some(count) = unanswered.get_mut(&login_id) {
                *count -= 1;
                if *count == 0 {
                    unanswered.remove(&login_id);
                }
            }
        }
        if !self.whole {
            self.platform.count(|report| report.aborted += 1);
        }
    }
}

/// Locks; a panic elsewhere leaves numbers that are still numbers.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Platform {
    /// # Errors
    /// When an option makes no sense or the webhook client cannot be made.
    pub(super) fn new(options: Options, tracker: TaskTracker, stop: CancellationToken) -> io::Result<Self> {
        let wrong = |reason: String| io::Error::new(io::ErrorKind::InvalidInput, reason);
        options.faults.check().map_err(wrong)?;
        let secret = options.app_secret;
        let desks: Vec<Desk> = options.pages.into_iter().map(|page| Desk::new(page, secret.as_deref())).collect();
        if desks.is_empty() {
            return Err(wrong("a sandbox needs at least one page".to_owned()));
        }
        Ok(Self {
            desks,
            report: Mutex::default(),
            faults: Mutex::new(Arc::new(options.faults)),
            in_flight: AtomicU64::new(0),
            unanswered: Mutex::default(),
            clock: options.clock,
            seed: options.seed,
            window: options.window,
            strict: options.strict,
            open: options.open,
            echoes: options.echoes,
            app_secret: secret,
            callback: options.callback,
            client: super::postman::client()?,
            posts: Semaphore::new(POSTS),
            crowds: AtomicU64::new(0),
            tracker,
            stop,
        })
    }

    /// Changes the counters.
    pub(super) fn count<T>(&self, change: impl FnOnce(&mut Report) -> T) -> T {
        change(&mut lock(&self.report))
    }

    /// The counters, and what is known without counting.
    pub(super) fn snapshot(&self) -> Report {
        let mut report = self.count(|report| report.clone());
        for desk in &self.desks {
            let book = desk.book();
            report.people += u64::try_from(book.len()).unwrap_or(u64::MAX);
            report.peak_second = report.peak_second.max(book.accepted.peak());
        }
        report.in_flight = self.in_flight.load(Ordering::Relaxed);
        report
    }

    /// The faults in force.
    pub(super) fn faults(&self) -> Arc<Faults> {
        Arc::clone(&lock(&self.faults))
    }

    /// Puts other faults in force.
    pub(super) fn set_faults(&self, faults: Faults) {
        *lock(&self.faults) = Arc::new(faults);
    }

    /// Counts a send as being handled.
    pub(super) fn enter(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight { platform: self, whole: false, login_id: None }
    }

    /// Whose message was judged and is not answered yet.
    pub(super) fn unanswered(&self) -> Vec<String> {
        lock(&self.unanswered).keys().cloned().collect()
    }

    /// Trace ids need to differ, not to repeat.
    pub(super) fn trace() -> String {
        Dice::any(fastrand::u64(..)).letters(11)
    }
}
