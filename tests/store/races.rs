//! Several tasks, several nodes, one database. On SQLite the second node is the command line beside the daemon.

use std::collections::HashSet;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::ground::{
    Ground, NOW, accepted, by_login, by_message, by_psid, created, ended, later, login, opt_in, page, psid, said, tick,
    wish,
};
use crate::jobs::take;
use firstword::domain::budget::Budget;
use firstword::domain::ids::OptInId;
use firstword::domain::optin::{Reason, State};
use firstword::domain::outcome::Outcome;
use firstword::domain::signal::{Command, Links, Receipt, Sign, Signal, Subject, Tick, Whom};
use firstword::store::Store;
use firstword::store::claim::{Claim, Wish};

const OUT: Sign = Sign::OptOut(Reason::OptOutEvent);

async fn crowd(ground: &Ground, count: u32) -> Vec<OptInId> {
    let signals = (0..count).map(|n| opt_in(&format!("p{n}"), NOW)).collect();
    ground.store.apply(signals, NOW).await.unwrap().into_iter().map(created).collect()
}

pub(crate) async fn claims_never_share_a_person(ground: Ground) {
    crowd(&ground, 600).await;
    let other = ground.node().await;
    let mut tasks = JoinSet::new();
    for n in 0..8 {
        let store = if n % 2 == 0 { ground.store.clone() } else { other.clone() };
        tasks.spawn(async move {
            let mut mine: Vec<Claim> = Vec::new();
            loop {
                let claims = store.claim(wish(7, NOW)).await.unwrap().claims;
                if claims.is_empty() {
                    return mine;
                }
                mine.extend(claims);
            }
        });
    }
    let claims: Vec<Claim> = tasks.join_all().await.into_iter().flatten().collect();
    let people: HashSet<_> = claims.iter().map(|claim| claim.optin).collect();
    let fences: HashSet<_> = claims.iter().map(|claim| claim.attempt).collect();
    assert_eq!((claims.len(), people.len(), fences.len()), (600, 600, 600));
    assert_eq!(ground.number("SELECT count(*) FROM attempts").await, Some(600));
}

pub(crate) async fn claims_never_exceed_the_budget(ground: Ground) {
    crowd(&ground, 400).await;
    let other = ground.node().await;
    let budget = Budget::per_second(180.0);
    let mut arrival = 0;
    for step in 0..60 {
        // All at one moment: together they get what one of them would have got.
        let now = NOW.plus(Duration::from_millis(step * 17));
        let mut tasks = JoinSet::new();
        for n in 0..8 {
            let store = if n % 2 == 0 { ground.store.clone() } else { other.clone() };
            tasks.spawn(async move { store.claim(Wish { budget, ..wish(2, now) }).await.unwrap().claims.len() });
        }
        let taken: usize = tasks.join_all().await.into_iter().sum();
        let granted = budget.take(arrival, now, 16);
        assert_eq!(i64::try_from(taken).unwrap(), granted.count, "step {step}");
        arrival = granted.arrival_us;
    }
}

pub(crate) async fn a_stop_that_returned_is_never_claimed(ground: Ground) {
    let other = ground.node().await;
    for round in 0..300_u32 {
        let name = format!("p{round}");
        let id = ground.somebody(&name).await;
        let (stop, claim) = (ground.store.clone(), other.clone());
        let stopped = Arc::new(Mutex::new(false));
        let told = Arc::clone(&stopped);
        let stopping = async move {
            stop.apply(vec![said(OUT, by_login(&name))], NOW).await.unwrap();
            *told.lock().unwrap() = true;
        };
        let claiming = async move {
            let mut taken = Vec::new();
            for _ in 0..3 {
                let before = *stopped.lock().unwrap();
                let claims = claim.claim(wish(1, NOW)).await.unwrap().claims;
                taken.extend(claims.into_iter().map(|claim| (before, claim)));
            }
            taken
        };
        let ((), taken) = tokio::join!(stopping, claiming);
        assert!(taken.iter().all(|(before, _)| !before), "round {round}: claimed after the stop was told");
        assert!(taken.len() <= 1);
        let row = ground.row(id).await;
        let expected = if taken.is_empty() { State::OptedOut } else { State::Sending };
        assert_eq!((row.state, row.opted_out_at), (expected, Some(NOW)), "round {round}");
    }
}

pub(crate) async fn claims_among_arrivals(ground: Ground) {
    let mut tasks = JoinSet::new();
    for lane in 0..4_u32 {
        let store = ground.store.clone();
        tasks.spawn(async move {
            for n in 0..100_u32 {
                store.apply(vec![opt_in(&format!("p{lane}-{n}"), NOW)], NOW).await.unwrap();
            }
            Vec::new()
        });
    }
    for _ in 0..4 {
        let store = ground.store.clone();
        tasks.spawn(async move {
            let mut mine = Vec::new();
            for _ in 0..150 {
                let claims = store.claim(wish(5, NOW)).await.unwrap().claims;
                let outcomes = claims.iter().map(|claim| ended(claim, accepted("m.1"))).collect();
                store.record(outcomes, NOW).await.unwrap();
                mine.extend(claims.into_iter().map(|claim| claim.optin));
            }
            mine
        });
    }
    let mut people: Vec<OptInId> = tasks.join_all().await.into_iter().flatten().collect();
    people.extend(ground.claim_at(1_000, NOW).await.into_iter().map(|claim| claim.optin));
    let different: HashSet<_> = people.iter().collect();
    assert_eq!((people.len(), different.len()), (400, 400));
}

pub(crate) async fn the_same_login_on_two_nodes(ground: Ground) {
    let other = ground.node().await;
    for round in 0..100 {
        let signals = || vec![opt_in(&format!("p{round}"), NOW), opt_in(&format!("q{round}"), NOW)];
        let backwards = || signals().into_iter().rev().collect();
        let (one, two) = tokio::join!(ground.store.apply(signals(), NOW), other.apply(backwards(), NOW));
        let (one, mut two) = (one.unwrap(), two.unwrap());
        two.reverse();
        for pair in one.into_iter().zip(two) {
            match pair {
                (Receipt::Created(a), Receipt::Duplicate(b)) | (Receipt::Duplicate(a), Receipt::Created(b)) => {
                    assert_eq!(a, b);
                }
                other => panic!("round {round}: {other:?}"),
            }
        }
    }
    assert_eq!(ground.number("SELECT count(*) FROM optins").await, Some(200));
}

pub(crate) async fn overlapping_groups_in_opposite_order(ground: Ground) {
    let ids: Vec<_> = crowd(&ground, 200).await.into_iter().zip(0..).collect();
    let stores = [ground.store.clone(), ground.node().await, ground.node().await];
    let barrier = Arc::new(Barrier::new(6));
    let mut tasks = JoinSet::new();
    for n in 0..6_usize {
        let (store, barrier, mut ids) = (stores[n % 3].clone(), Arc::clone(&barrier), ids.clone());
        if n % 2 == 0 {
            ids.reverse();
        }
        tasks.spawn(async move {
            for round in 0..15_u64 {
                barrier.wait().await;
                let raw = Signal::Unparsed { page: None, raw: format!("{n}") };
                let mut signals: Vec<_> = ids.iter().map(|(id, _)| tick(*id, Tick::Due)).collect();
                let known = ids.iter().map(|(_, n)| opt_in(&format!("p{n}"), later(round)));
                signals.extend(known);
                signals.push(raw);
                store.apply(signals, later(round)).await.unwrap();
                let claims = store.claim(wish(10, later(round))).await.unwrap().claims;
                let outcomes = claims
                    .iter()
                    .map(|claim| ended(claim, Outcome::Throttled { regain: Some(Duration::ZERO) }))
                    .collect();
                store.record(outcomes, later(round)).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let times = ground.number("SELECT times FROM alerts WHERE kind = 'unparsable_events'").await;
    assert_eq!(times, Some(90), "each of them was applied once");
}

pub(crate) async fn ticks_of_one_job_on_two_nodes(ground: Ground) {
    let other = ground.node().await;
    for round in 0..40 {
        let now = later(round * 1_000);
        let (one, two) =
            tokio::join!(take(&ground.store, now, "east", now), take(&other, later(round * 1_000 + 1), "west", now));
        assert_ne!(one.is_some(), two.is_some(), "round {round}: both run, or none does");
    }
}

pub(crate) async fn purge_against_fresh_consent(ground: Ground) {
    let other = ground.node().await;
    for round in 0..60_u64 {
        let (now, name) = (later(round * 10_000), format!("p{round}"));
        let id = created(ground.apply_at(opt_in(&name, now), now).await);
        ground.apply_at(Signal::Command { optin: id, command: Command::Cancel }, now).await;
        let fresh = now.plus(Duration::from_secs(700));
        let (purged, receipts) =
            tokio::join!(other.purge(now, 10, fresh), ground.store.apply(vec![opt_in(&name, fresh)], fresh));
        // Whichever came first: the consent is not lost.
        let (Receipt::Reopened(id) | Receipt::Created(id)) = receipts.unwrap()[0] else { panic!("round {round}") };
        let row = ground.store.optin(id).await.unwrap();
        assert_eq!(row.map(|row| row.state), Some(State::Pending), "round {round}, purged {purged:?}");
        assert_eq!(ground.claim_at(9, fresh).await.len(), 1);
    }
}

pub(crate) async fn a_stop_and_its_link_pass_each_other(ground: Ground) {
    let other = ground.node().await;
    for round in 0..100 {
        let (name, mid) = (format!("{round}"), format!("m.{round}"));
        let claim = ground.greeted(&format!("p{round}"), &mid).await;
        let stop = said(Sign::Reply { stop: true }, by_psid(&name));
        let link = said(Sign::Receipt, Links { psid: Some(psid(&name)), ..by_message(&mid) });
        let (one, two) = tokio::join!(ground.store.apply(vec![stop], NOW), other.apply(vec![link], NOW));
        assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
        let row = ground.row(claim.optin).await;
        assert_eq!(row.opted_out_at, Some(NOW), "round {round}: the stop was lost");
    }
}

/// Every way to say stop, against claims of another node that go on all the while. What is counted: claims that began
/// after the stop was told as committed.
pub(crate) async fn every_way_to_say_stop_wins(ground: Ground) {
    const WAYS: [&str; 7] =
        ["opt-out event", "stop word", "stop by PSID", "deauthorized", "operator", "cancel", "erasure"];
    let (other, rounds) = (ground.node().await, 60_u32);
    let (mut before, mut during, mut after) = (0, 0, 0);
    for round in 0..rounds {
        for (number, way) in WAYS.into_iter().enumerate() {
            let name = format!("p{round}-{number}");
            let id = ground.somebody(&name).await;
            if way == "stop by PSID" {
                ground.sql(&format!("UPDATE optins SET psid = '{name}' WHERE id = {id}")).await;
            }
            let told = Arc::new(Mutex::new(false));
            let (stop, tell) = (ground.store.clone(), Arc::clone(&told));
            let stopping = async {
                head_start(round, 1).await;
                say(&stop, way, &name, id).await;
                *tell.lock().unwrap() = true;
            };
            let claiming = async {
                let mut taken = Vec::new();
                head_start(round, 2).await;
                for _ in 0..4 {
                    let late = *told.lock().unwrap();
                    taken.extend(other.claim(wish(1, NOW)).await.unwrap().claims.into_iter().map(|_| late));
                }
                taken
            };
            let ((), taken) = tokio::join!(stopping, claiming);
            assert!(taken.len() <= 1, "{way}, round {round}: {taken:?}");
            match taken.first() {
                None => before += 1,
                Some(false) => during += 1,
                Some(true) => after += 1,
            }
            assert_eq!(ground.claim_at(9, NOW).await.len(), 0, "{way}, round {round}: claimed once more");
        }
    }
    let mut out = std::io::stderr();
    let (engine, races) = (ground.either("SQLite", "PostgreSQL"), before + during + after);
    writeln!(
        out,
        "{engine}: {races} races, {before} the stop won, {during} the claim won, {after} messages after a stop"
    )
    .unwrap();
    assert_eq!(after, 0);
    assert!(before > 0 && during > 0, "a race that one side always wins is none: {before} {during}");
}

/// In a third of the rounds one side waits a little, in a third the other, and in a third neither.
async fn head_start(round: u32, side: u32) {
    if round % 3 == side {
        tokio::time::sleep(Duration::from_micros(u64::from(round) * 40)).await;
    }
}

async fn say(store: &Store, way: &str, name: &str, id: OptInId) {
    let signal = match way {
        "opt-out event" => said(OUT, by_login(name)),
        "stop word" => said(Sign::Reply { stop: true }, by_login(name)),
        "stop by PSID" => said(Sign::OptOut(Reason::StopWord), by_psid(name)),
        "deauthorized" => said(Sign::OptOut(Reason::Deauthorized), by_login(name)),
        "operator" => Signal::Command { optin: id, command: Command::OptOut },
        "cancel" => Signal::Command { optin: id, command: Command::Cancel },
        _ => {
            let subject = Subject { page: page(), whom: Whom::Login(login(name)) };
            return store.erase(vec![subject], None, NOW).await.map(drop).unwrap();
        }
    };
    store.apply(vec![signal], NOW).await.unwrap();
}
