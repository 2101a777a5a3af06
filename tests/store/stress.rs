//! Three nodes do everything at once, and an oracle that all of them tell beforehand and afterwards looks on.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use tokio::task::JoinSet;

use crate::ground::{Ground, NOW, accepted, by_login, created, ended, later, opt_in, said, tick, wish};
use firstword::domain::ids::OptInId;
use firstword::domain::optin::Reason;
use firstword::domain::outcome::{Outcome, Then};
use firstword::domain::signal::{Receipt, Sign, Tick};
use firstword::store::Store;
use firstword::store::claim::Claim;

/// What the nodes know together: who was claimed and not yet given up, who said stop, who got a message.
#[derive(Default)]
struct Oracle {
    in_flight: HashMap<OptInId, Claim>,
    stopped: HashSet<OptInId>,
    accepted: HashSet<OptInId>,
    claims: usize,
}

async fn crowd(ground: &Ground) -> Vec<OptInId> {
    let signals = (0..150).map(|n| opt_in(&format!("p{n}"), NOW)).collect();
    ground.store.apply(signals, NOW).await.unwrap().into_iter().map(created).collect()
}

pub(crate) async fn three_nodes_at_once(ground: Ground) {
    let ids = Arc::new(crowd(&ground).await);
    let stores = [ground.store.clone(), ground.node().await, ground.node().await];
    let oracle = Arc::new(Mutex::new(Oracle::default()));
    let mut tasks = JoinSet::new();
    for n in 0..9_u64 {
        let (store, oracle, ids) =
            (stores[usize::try_from(n % 3).unwrap()].clone(), Arc::clone(&oracle), Arc::clone(&ids));
        tasks.spawn(async move {
            let mut dice = fastrand::Rng::with_seed(n);
            for _ in 0..80 {
                match dice.u8(..10) {
                    0 => stop(&store, &oracle, ids[dice.usize(..ids.len())]).await,
                    1..4 => due(&store).await,
                    _ => send(&store, &oracle, &mut dice).await,
                }
            }
        });
    }
    tasks.join_all().await;
    let oracle = std::mem::take(&mut *oracle.lock().unwrap());
    assert!(
        oracle.claims > 150 && oracle.accepted.len() > 40,
        "{} claims, {} accepted",
        oracle.claims,
        oracle.accepted.len()
    );
    for id in ids.iter() {
        let row = ground.row(*id).await;
        assert_eq!(row.opted_out_at.is_some(), oracle.stopped.contains(id));
        assert_eq!(row.message_id.is_some(), oracle.accepted.contains(id));
    }
}

async fn stop(store: &Store, oracle: &Mutex<Oracle>, id: OptInId) {
    let name = store.optin(id).await.unwrap().unwrap().login;
    let receipts =
        store.apply(vec![said(Sign::OptOut(Reason::OptOutEvent), by_login(name.as_str()))], NOW).await.unwrap();
    assert_eq!(receipts, [Receipt::Applied(id)]);
    oracle.lock().unwrap().stopped.insert(id);
}

async fn due(store: &Store) {
    let ids = store.due(later(60), 20).await.unwrap();
    let signals = ids.into_iter().map(|id| tick(id, Tick::Due)).collect();
    store.apply(signals, later(60)).await.unwrap();
}

async fn send(store: &Store, oracle: &Mutex<Oracle>, dice: &mut fastrand::Rng) {
    let stopped = oracle.lock().unwrap().stopped.clone();
    let claims = store.claim(wish(dice.usize(1..6), NOW)).await.unwrap().claims;
    {
        let mut oracle = oracle.lock().unwrap();
        for claim in &claims {
            oracle.claims += 1;
            assert!(!stopped.contains(&claim.optin), "claimed after the stop was told");
            assert!(!oracle.accepted.contains(&claim.optin), "claimed after it was accepted");
            assert!(oracle.in_flight.insert(claim.optin, claim.clone()).is_none(), "claimed twice at once");
        }
    }
    tokio::task::yield_now().await;
    for claim in claims {
        let outcome = if dice.bool() { accepted(&format!("m.{}", claim.attempt)) } else { Outcome::Retry(Then::Again) };
        let took = matches!(outcome, Outcome::Accepted { .. });
        {
            // Before it is recorded: from then on another node may claim the person again.
            let mut oracle = oracle.lock().unwrap();
            oracle.in_flight.remove(&claim.optin);
            if took {
                oracle.accepted.insert(claim.optin);
            }
        }
        store.record(vec![ended(&claim, outcome)], NOW).await.unwrap();
    }
}
