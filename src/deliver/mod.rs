//! Floor 3, THE MAIN PATH: claim -> gate -> send -> record.
//!
//! | step | where | what it promises |
//! |---|---|---|
//! | claim | [`Delivery::claim`] | no more than can start now; attempt, fence and lease are committed before anything leaves |
//! | gate | [`Gate`](crate::messenger::gate) | the last look: in time, inside the window, not cancelled |
//! | send | `attempt` | one request, one answer |
//! | record | `record` | the outcome is written down, however long the database refuses |
//!
//! `run` is the loop around it: woken by intake, by a free place in flight, by the budget's next moment, or by the
//! poll. `flight` is one person's way through it, in one of the `places`, of which `abreast` says how many are useful at
//! once. `inflight` knows which attempts may still be stopped, `pace` how many of a page may be under way, `probe` when a
//! held page may try again, `allowance` what the platform's usage headers ask for. `batch` says who may be claimed where
//! people are sent to in batches.

mod abreast;
mod allowance;
mod attempt;
mod batch;
mod flight;
mod inflight;
mod pace;
mod places;
mod probe;
mod record;
mod run;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::domain::budget::Budget;
use crate::domain::ids::{LoginId, PageId};
use crate::domain::message::Template;
use crate::domain::reach::Reach;
use crate::domain::window::Window;
use crate::messenger::Sent;
use crate::messenger::gate::Gate;
use crate::metrics::Metrics;
use crate::pulse::Pulse;
use crate::store::Store;
pub use attempt::{Taken, report};
pub use batch::{Keeper, Reaches, Ticks};
pub use inflight::InFlight;
pub use pace::Pace;
pub use run::run;

/// A send under way.
pub type Sending = Pin<Box<dyn Future<Output = Sent> + Send>>;

/// One request, ready to go.
#[derive(Debug)]
pub struct Letter {
    /// The page it is from.
    pub page: PageId,
    /// The person.
    pub login: LoginId,
    /// The JSON text of the message.
    pub message: String,
    /// Its gate.
    pub gate: Arc<Gate>,
}

/// How a letter is sent. A value, so that a test or a simulation can stand in for the platform.
pub type Post = Arc<dyn Fn(Letter) -> Sending + Send + Sync>;

/// What the platform says to a question about a page that changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It answers for the page.
    Fine,
    /// It refuses the page's token; why.
    Refused(String),
    /// It does not answer; what broke.
    Silent(String),
}

/// A question under way.
pub type Asking = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// How the platform is asked about a page before somebody is sent to as its probe.
pub type Ask = Arc<dyn Fn(PageId) -> Asking + Send + Sync>;

/// How far ahead the platform's clock is.
pub type Ahead = Arc<dyn Fn() -> Duration + Send + Sync>;

/// How far down a page's queue claims may reach now.
pub type Reaching = Arc<dyn Fn(&PageId) -> Reach + Send + Sync>;

/// Claims reach the whole queue: people are sent to as they come.
#[must_use]
pub fn everybody() -> Reaching {
    Arc::new(|_| Reach::EVERYBODY)
}

/// A page to send for.
#[derive(Debug, Clone)]
pub struct Page {
    /// Which.
    pub id: PageId,
    /// How fast.
    pub budget: Budget,
    /// What.
    pub template: Template,
    /// The fingerprints of its token, with the proof that goes with it, and of its message.
    pub credential: String,
}

/// The pages, as they are now: a reload changes them.
pub type Pages = watch::Receiver<Arc<Vec<Page>>>;

/// How hard to work.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most requests in flight.
    pub max_in_flight: usize,
    /// How often to look without being woken.
    pub poll_interval: Duration,
}

/// Everything delivery works with.
pub struct Delivery {
    /// The store.
    pub store: Store,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The pages.
    pub pages: Pages,
    /// This node's name.
    pub node: String,
    /// The window and its margins.
    pub window: Window,
    /// How hard to work.
    pub limits: Limits,
    /// How a letter is sent.
    pub post: Post,
    /// How the platform is asked about a page.
    pub ask: Ask,
    /// How far ahead the platform's clock is.
    pub ahead: Ahead,
    /// Who may be claimed now.
    pub reach: Reaching,
    /// What is in flight.
    pub inflight: Arc<InFlight>,
    /// How fast each page may go.
    pub pace: Pace,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// The pulse.
    pub pulse: Arc<Pulse>,
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery").field("node", &self.node).field("limits", &self.limits).finish_non_exhaustive()
    }
}
