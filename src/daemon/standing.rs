//! What this node knows of itself: whether it may claim, said when it changes, and that its intake is up.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::store::Store;
use crate::store::standing::{CLAIMER, Standing};

/// How often to look.
const LOOK: Duration = Duration::from_secs(5);

pub(super) async fn keep_standing(store: Store, node: String, clock: Arc<dyn Clock>, stop: CancellationToken) {
    let mut known = Standing::GOOD;
    while !stop.is_cancelled() {
        match store.standing().await {
            Ok(standing) => {
                say(known, standing);
                known = standing;
            }
            Err(error) => tracing::debug!(error = error.chain(), "the node's standing cannot be read"),
        }
        if let Err(error) = store.note_intake(&node, clock.now()).await {
            tracing::debug!(error = error.chain(), "that the intake is up could not be noted");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(LOOK) => {}
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
