//! The sandbox as the platform.

use std::sync::Arc;
use std::time::Duration;

use firstword::clock::{Clock, SystemClock};
use firstword::domain::time::Timestamp;
use firstword::sandbox::{Behaviour, Faults, Options, Page, PersonReport, Report, Sandbox};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::place::{APP_SECRET, PAGE, PAGE_TOKEN, Place};

pub(crate) struct Platform {
    pub(crate) sandbox: Sandbox,
    pub(crate) tasks: TaskTracker,
    _stop: DropGuard,
}

impl Platform {
    /// A platform that calls back to a place, which from now on sends to it.
    pub(crate) async fn of(place: &mut Place) -> Self {
        Self::with(place, |options| options).await
    }

    pub(crate) async fn with(place: &mut Place, change: impl FnOnce(Options) -> Options) -> Self {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let options = Options {
            pages: vec![Page { id: PAGE.into(), token: PAGE_TOKEN.into() }],
            app_secret: Some(APP_SECRET.into()),
            callback: Some(place.url("/webhook")),
            seed: 7,
            ..Options::new(Arc::new(SystemClock::new()))
        };
        let sandbox = Sandbox::start(change(options), &tasks, stop.clone()).await.unwrap();
        place.send_to(&sandbox.url());
        Self { sandbox, tasks, _stop: stop.drop_guard() }
    }

    pub(crate) async fn opt_in(&self, login: &str, behaviour: Behaviour) {
        assert!(self.sandbox.opt_in(PAGE, login, behaviour).await, "the opt-in of {login} was not acknowledged");
    }

    /// Somebody opts in, and no webhook tells of it.
    pub(crate) fn register(&self, login: &str) {
        assert!(self.sandbox.register(PAGE, login, Behaviour::Silent, now()));
    }

    pub(crate) fn person(&self, login: &str) -> PersonReport {
        self.sandbox.person(PAGE, login).unwrap()
    }

    pub(crate) fn answers_after(&self, latency: Duration) {
        self.sandbox.set_faults(Faults { latency, ..Faults::default() }).unwrap();
    }

    /// What was counted, after making sure that no promise was broken.
    pub(crate) fn clean(&self) -> Report {
        let report = self.sandbox.report();
        assert_eq!((report.violations.total(), report.token_in_url), (0, 0), "{report:#?}");
        report
    }
}

pub(crate) fn now() -> Timestamp {
    SystemClock::new().now()
}
