//! What this node knows of itself: whether it may claim, whether the database is the one it was, that its intake is up.
//! Changes are said once.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::ground::Ground;
use crate::clock::Clock;
use crate::config::Failover;
use crate::store::lineage::Memory;
use crate::store::standing::{CLAIMER, Standing};
use crate::store::{Result, Store};

/// How often to look. A database that comes back is claimed from after the next look.
const LOOK: Duration = Duration::from_secs(2);
/// How often the intake's being up is noted, in looks.
const NOTE: u32 = 4;

/// Looks after a node's standing.
pub(super) struct Sentry {
    store: Store,
    node: String,
    clock: Arc<dyn Clock>,
    memory: Memory,
    synchronous: bool,
    standing: Standing,
    rewound: bool,
}

impl Sentry {
    /// Looks for the first time: to be done before anything is claimed.
    ///
    /// # Errors
    /// Where the database cannot be asked, or what is remembered of it cannot be read.
    pub(super) async fn begin(ground: &Ground, store: &Store) -> Result<Self> {
        let database = &ground.config.database;
        let mut this = Self {
            store: store.clone(),
            node: ground.node.clone(),
            clock: ground.shared_clock(),
            memory: Memory::open(database.memory.clone())?,
            synchronous: database.failover == Failover::Synchronous,
            standing: Standing::GOOD,
            rewound: false,
        };
        this.recognise().await?;
        Ok(this)
    }

    /// Looks again and again until told to stop. From here on a copy of a SQLite file is known for one.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        self.roll().await;
        let mut looks = 0;
        while !stop.is_cancelled() {
            if let Err(error) = self.look(looks % NOTE == 0).await {
                tracing::debug!(error = error.chain(), "the node's standing cannot be read");
            }
            looks += 1;
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        self.roll().await;
    }

    async fn look(&mut self, note: bool) -> Result<()> {
        let standing = self.store.standing().await?;
        say(self.standing, standing);
        self.standing = standing;
        self.recognise().await?;
        if note { self.store.note_intake(&self.node, self.clock.now()).await } else { Ok(()) }
    }

    async fn recognise(&mut self) -> Result<()> {
        let why = self.store.recognise(&mut self.memory, self.synchronous, self.clock.now()).await?;
        match (self.rewound, &why) {
            (false, Some(why)) => tracing::error!(
                why,
                "the database has gone back: it may have forgotten whom we wrote to; every page is held until `firstword \
                 store accept`"
            ),
            (true, None) => tracing::warn!("what the database lost is accepted; sending goes on"),
            _ => {}
        }
        self.rewound = why.is_some();
        Ok(())
    }

    async fn roll(&mut self) {
        if self.rewound {
            return;
        }
        if let Err(error) = self.store.roll(&mut self.memory).await {
            tracing::warn!(error = error.chain(), "a copy of the database made now could not be told from it later");
        }
    }
}

fn say(was: Standing, is: Standing) {
    match (was.is_outdated(), is.is_outdated()) {
        (false, true) => tracing::error!(
            needed = is.claimer_min,
            ours = CLAIMER,
            "a newer firstword has changed the database: this node goes on recording, and claims nothing; upgrade it"
        ),
        (true, false) => tracing::warn!("this node may claim again"),
        _ => {}
    }
}
