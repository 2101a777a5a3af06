//! Many people who opt in over a while. They do so on time whatever the callback does: when it is down, the webhooks
//! wait, not the people.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use super::behaviour::{Behaviour, Crowd, Kind, Mix};
use super::dice::{Dice, hash};
use super::life::Someone;
use super::platform::Platform;
use crate::domain::time::Timestamp;

/// Opt-in webhooks of a crowd on their way at a time.
const SENDERS: usize = 16;
/// People registered between two looks at what else there is to do.
const STRIDE: u64 = 256;

type Queue = Arc<Mutex<UnboundedReceiver<(Someone, Timestamp)>>>;

impl Platform {
    /// Lets a crowd opt in; returns when every webhook met its end or the sandbox stops.
    pub(super) async fn let_in(self: &Arc<Self>, crowd: &Crowd) {
        let (sender, receiver) = unbounded_channel();
        let queue: Queue = Arc::new(Mutex::new(receiver));
        let senders: Vec<_> =
            (0..SENDERS).map(|_| self.tracker.spawn(Arc::clone(self).announce_all(Arc::clone(&queue)))).collect();
        self.register_all(crowd, sender).await;
        for sender in senders {
            if let Err(error) = sender.await {
                tracing::error!(%error, "a sender of opt-ins ended early");
            }
        }
    }

    /// Registers everybody on time and hands them to the senders.
    async fn register_all(&self, crowd: &Crowd, sender: UnboundedSender<(Someone, Timestamp)>) {
        let (start, number) = (Instant::now(), self.crowds.fetch_add(1, Ordering::Relaxed));
        for n in 0..crowd.people {
            if !self.rest_until(start + share(crowd.over, n, crowd.people)).await {
                break;
            }
            let at = self.clock.now();
            let Some(someone) = self.newcomer(number, n, &crowd.mix, at) else { break };
            if self.callback.is_some() && sender.send((someone, at)).is_err() {
                break;
            }
            if n % STRIDE == 0 {
                tokio::task::yield_now().await;
            }
        }
    }

    async fn announce_all(self: Arc<Self>, queue: Queue) {
        while !self.stop.is_cancelled() {
            let next = self.stop.run_until_cancelled(async { queue.lock().await.recv().await }).await;
            let Some((someone, at)) = next.flatten() else { return };
            self.announce(someone, at).await;
        }
    }

    fn newcomer(&self, crowd: u64, n: u64, mix: &Mix, at: Timestamp) -> Option<Someone> {
        let name = format!("{}/{crowd}/{n}", self.seed);
        let login_id = hex::encode(Sha256::digest(name.as_bytes()));
        let desk = usize::try_from(n).ok()?.checked_rem(self.desks.len())?;
        let mut dice = Dice::any(hash(self.seed, &["crowd", &name]));
        self.register(desk, &login_id, behaviour(mix, &mut dice), at)
    }

    async fn rest_until(&self, due: Instant) -> bool {
        self.rest(due.saturating_duration_since(Instant::now())).await
    }
}

/// When the `n`th of `people` comes.
fn share(over: Duration, n: u64, people: u64) -> Duration {
    let nanos = over.as_nanos().saturating_mul(u128::from(n)) / u128::from(people.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

fn behaviour(mix: &Mix, dice: &mut Dice) -> Behaviour {
    let weights = mix.weights();
    let mut left = dice.below(weights.iter().map(|(_, weight)| u64::from(*weight)).sum());
    let half = mix.after / 2;
    let after = half + dice.span(half);
    for (kind, weight) in weights {
        match left.checked_sub(u64::from(weight)) {
            None => return Behaviour::from_kind(kind, after),
            Some(rest) => left = rest,
        }
    }
    Behaviour::from_kind(Kind::Silent, after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_comes_out_by_its_weights() {
        let mix =
            Mix { reply: 3, quick_reply: 0, silent: 1, block: 0, stop_after: 0, stop_before: 0, ..Mix::default() };
        let kinds: Vec<Kind> = (0..4_000).map(|n| behaviour(&mix, &mut Dice::any(n)).kind()).collect();
        let replies = kinds.iter().filter(|kind| **kind == Kind::Reply).count();
        assert!((2_900..3_100).contains(&replies), "{replies}");
        assert!(kinds.iter().all(|kind| matches!(kind, Kind::Reply | Kind::Silent)));
    }

    #[test]
    fn nobody_speaks_in_an_empty_mix() {
        let none =
            Mix { reply: 0, quick_reply: 0, silent: 0, block: 0, stop_after: 0, stop_before: 0, ..Mix::default() };
        assert_eq!(behaviour(&none, &mut Dice::any(1)), Behaviour::Silent);
    }

    #[test]
    fn people_come_evenly() {
        let second = Duration::from_secs(1);
        assert_eq!((share(second, 0, 4), share(second, 3, 4)), (Duration::ZERO, Duration::from_millis(750)));
        assert_eq!(share(second, 0, 0), Duration::ZERO);
    }
}
