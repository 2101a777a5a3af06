//! What will happen by itself, in its order.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use firstword::domain::ids::AttemptId;
use firstword::domain::time::Timestamp;

use crate::world::Fact;

/// A delivery of the platform, or a call of the site.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) path: &'static str,
    pub(crate) body: String,
    pub(crate) fact: Fact,
}

/// Something that happens to everybody, and not by an actor's own doing.
#[derive(Debug, Clone)]
pub(crate) enum Happening {
    /// A webhook, or a call of the site, comes in.
    Comes(Delivery),
    /// A site inserts a row by SQL.
    Inserts { person: usize, at: Timestamp },
    /// The platform decides about a request.
    Decides { person: usize, attempt: AttemptId, accepted: bool },
    /// A node hears that an attempt must not leave. Only that life of the node does.
    Hears { node: usize, life: u64, attempt: AttemptId },
    /// A node comes back.
    Starts { node: usize },
    /// An operator looks at somebody.
    Operates,
    /// Every keeper looks, whether something is due or not.
    Wakes,
    /// Everything is restarted: the store is closed and opened again.
    Restarts,
}

/// Everything that will happen, in order; at one time, in the order it was entered.
#[derive(Clone, Default)]
pub(crate) struct Calendar(Arc<Mutex<Entries>>);

#[derive(Default)]
struct Entries {
    entered: u64,
    ahead: BTreeMap<(Timestamp, u64), Happening>,
}

impl Calendar {
    pub(crate) fn at(&self, time: Timestamp, happening: Happening) {
        let mut entries = self.0.lock().unwrap();
        entries.entered += 1;
        let number = entries.entered;
        entries.ahead.insert((time, number), happening);
    }

    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.0.lock().unwrap().ahead.keys().next().map(|(time, _)| *time)
    }

    pub(crate) fn take(&self) -> Option<Happening> {
        self.0.lock().unwrap().ahead.pop_first().map(|(_, happening)| happening)
    }
}
