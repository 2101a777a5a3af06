//! What the store says of the pages, looked at again and again: what other nodes were told of a page's allowance, which
//! pages are held, and holds whose time is over.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::deliver::Delivery;
use crate::domain::time::Timestamp;
use crate::store::Result;

/// The shortest time between two looks.
const SHORTEST: Duration = Duration::from_secs(1);

pub(super) async fn watch_pages(delivery: Arc<Delivery>, stop: CancellationToken) {
    let every = delivery.limits.poll_interval.max(SHORTEST);
    while !stop.is_cancelled() {
        if let Err(error) = look(&delivery, delivery.clock.now()).await {
            // The delivery loop tells how it goes on.
            tracing::debug!(error = error.chain(), "the pages cannot be read");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(every) => {}
        }
    }
}

/// Looks once.
pub(super) async fn look(delivery: &Delivery, now: Timestamp) -> Result<()> {
    delivery.store.end_holds(now).await?;
    for row in delivery.store.pages().await? {
        delivery.pace.heed(&row.page, row.used, now);
        delivery.metrics.held(row.page.as_str(), row.is_held(now));
    }
    Ok(())
}
