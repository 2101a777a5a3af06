//! A held page is asked whether it can send again: first the platform, by a question that harms nobody, then one person.

use tokio_util::sync::CancellationToken;

use super::attempt::Taken;
use super::{Answer, Delivery, Page};
use crate::domain::hold::PageOrder;
use crate::domain::signal::Signal;
use crate::store::Result;
use crate::store::claim::Probe;
use crate::store::holds::Held;

impl Delivery {
    /// Takes the one person by whom a held page is probed, if it is time to and the platform answers for the page. The
    /// question may take as long as a request does; it is given up at the stop.
    pub async fn probe(&self, page: &Page, stop: &CancellationToken) -> Result<Option<Taken>> {
        let now = self.clock.now();
        let Some(held) = self.store.held(&page.id, now).await?.filter(|held| held.probe_at <= now) else {
            return Ok(None);
        };
        if self.store.refused(&page.id, &page.credential).await?.is_some() {
            return Ok(None);
        }
        match stop.run_until_cancelled((self.ask)(page.id.clone())).await {
            None => return Ok(None),
            Some(Answer::Fine) => {}
            Some(Answer::Refused(why)) => return self.put_off(page, held, &why, true).await,
            Some(Answer::Silent(why)) => return self.put_off(page, held, &why, false).await,
        }
        // Whoever was tried under this hold comes after those who were not.
        for anybody in [false, true] {
            let taken = self.take(page, 1, Some(Probe { generation: held.generation, anybody })).await?;
            if taken.stopped || !taken.claims.is_empty() {
                tracing::info!(page = %page.id, people = taken.claims.len(), "probing a held page");
                return Ok(Some(taken));
            }
        }
        Ok(None)
    }

    async fn put_off(&self, page: &Page, held: Held, why: &str, refused: bool) -> Result<Option<Taken>> {
        tracing::info!(page = %page.id, why, "a held page still cannot send");
        let order = PageOrder::PutOff {
            generation: held.generation,
            holds: held.holds,
            credential: page.credential.clone(),
            node: self.node.clone(),
            refused,
        };
        let signal = Signal::Page { page: page.id.clone(), order };
        self.store.record(vec![signal], self.clock.now()).await.map(|_| None)
    }
}
