//! The claim: who is taken, in which order, and what stops it.

use std::time::Duration;

use crate::ground::{Ground, NOW, accepted, ended, later, login, opt_in, page, tick, wish};
use firstword::domain::budget::Budget;
use firstword::domain::ids::PageId;
use firstword::domain::optin::State;
use firstword::domain::outcome::{Outcome, Then};
use firstword::domain::policy::Policy;
use firstword::domain::reach::Reach;
use firstword::domain::signal::Tick;
use firstword::domain::window::Window;
use firstword::store::claim::Wish;

pub(crate) async fn the_most_urgent_first(ground: Ground) {
    let ages = [5_u64, 90, 20, 70, 1, 50];
    let signals = ages.iter().map(|age| opt_in(&format!("p{age}"), NOW.minus(Duration::from_mins(*age)))).collect();
    ground.store.apply(signals, NOW).await.unwrap();
    let names = |claims: Vec<firstword::store::claim::Claim>| {
        claims.into_iter().map(|claim| claim.login.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(ground.claim_at(4, NOW).await), ["p90", "p70", "p50", "p20"]);
    assert_eq!(names(ground.claim_at(4, NOW).await), ["p5", "p1"]);
    assert_eq!(ground.claim_at(4, NOW).await.len(), 0);
    assert_eq!(ground.claim_at(0, NOW).await.len(), 0);
}

pub(crate) async fn a_claim_reaches_no_further_than_it_may(ground: Ground) {
    for age in [5_u64, 90, 20, 70, 50] {
        ground.apply(opt_in(&format!("p{age}"), NOW.minus(Duration::from_mins(age)))).await;
    }
    let ago = |minutes| NOW.minus(Duration::from_mins(minutes));
    let reach = |fresh, tried| Reach { fresh: ago(fresh), tried: ago(tried) };
    let claims = async |reach, most| ground.store.claim(Wish { reach, ..wish(most, NOW) }).await.unwrap().claims;
    let names = |claims: &[firstword::store::claim::Claim]| {
        claims.iter().map(|claim| claim.login.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(claims(Reach::NOBODY, 9).await.len(), 0);
    assert_eq!(names(&claims(reach(70, 70), 9).await), ["p90", "p70"], "up to then, and then included");
    assert_eq!(claims(reach(69, 10), 9).await.len(), 0, "nobody else was tried before");
    let tried = claims(reach(20, 20), 9).await;
    assert_eq!(names(&tried), ["p50", "p20"]);
    for claim in &tried {
        ground.record(ended(claim, Outcome::Retry(Then::Again))).await;
        ground.apply_at(tick(claim.optin, Tick::Due), later(1000)).await;
    }
    assert_eq!(names(&claims(reach(60, 30), 9).await), ["p50"]);
    assert_eq!(names(&claims(reach(60, 0), 9).await), ["p20"], "the youngest was never tried");
    assert_eq!(names(&claims(Reach::EVERYBODY, 9).await), ["p5"]);
}

pub(crate) async fn a_claim_is_written_down(ground: Ground) {
    let claim = ground.claimed("anna").await;
    let row = ground.row(claim.optin).await;
    assert_eq!((row.state, row.state_since, row.fence, row.attempts), (State::Sending, NOW, Some(claim.attempt), 1));
    assert_eq!(row.lease_until, Some(NOW.plus(Window::default().lease())));
    assert_eq!((claim.login, claim.page, claim.opted_in_at, claim.number), (login("anna"), page(), NOW, 1));
    let story = ground.store.attempts_of(claim.optin).await.unwrap();
    assert_eq!((story.len(), story[0].attempt, story[0].number, story[0].cycle), (1, claim.attempt.0, 1, 1));
    assert_eq!((story[0].node.as_str(), story[0].started_at, story[0].ended_at), ("here", NOW, None));
    assert_eq!(ground.text("SELECT credential FROM attempts").await.as_deref(), Some("token-1"));
}

pub(crate) async fn fences_only_grow(ground: Ground) {
    let other = PageId::new("2002").unwrap();
    ground.store.govern(Policy::default(), [page(), other.clone()]).await.unwrap();
    let mut fences = Vec::new();
    for round in 0..12 {
        let (name, page) = (format!("p{round}"), if round % 3 == 0 { other.clone() } else { page() });
        let new = firstword::domain::signal::NewOptIn { page: page.clone(), ..crate::ground::new(&name, NOW) };
        ground.apply(firstword::domain::signal::Signal::OptIn(new)).await;
        let claims = ground.store.claim(Wish { page, ..wish(9, NOW) }).await.unwrap().claims;
        let claim = claims.into_iter().max_by_key(|claim| claim.attempt).unwrap();
        // A retry of somebody claimed before gets a higher number too.
        if round % 2 == 0 {
            ground.record(ended(&claim, Outcome::PageHold)).await;
            ground.sql("UPDATE pages SET held_since = NULL, held_until = NULL").await;
        }
        fences.push(claim.attempt);
    }
    assert!(fences.is_sorted_by(|a, b| a < b), "{fences:?}");
    // Not even an empty table starts again.
    ground.sql("DELETE FROM attempts").await;
    let claim = ground.claimed("last").await;
    assert!(claim.attempt > fences[11]);
}

pub(crate) async fn nobody_is_found_by_another_tables_number(ground: Ground) {
    let claim = ground.claimed("anna").await;
    ground.record(ended(&claim, accepted("m.1"))).await;
    // The last row that was written is no attempt, and its number is small: it must not lead to an old attempt.
    ground.store.take_tick("purge".into(), NOW, "here".into(), Duration::from_secs(9), NOW).await.unwrap().unwrap();
    assert_eq!(ground.claim_at(9, NOW).await.len(), 0);
    assert_eq!(ground.row(claim.optin).await.state, State::Sent);
    assert_eq!(ground.number("SELECT count(*) FROM attempts").await, Some(1));
}

pub(crate) async fn whoever_said_stop_is_not_claimed(ground: Ground) {
    let id = ground.somebody("anna").await;
    // Whatever the state says: the claim looks at the fact.
    ground.sql(&format!("UPDATE optins SET opted_out_at = 5 WHERE id = {id}")).await;
    assert_eq!(ground.claim_at(9, NOW).await.len(), 0);
    assert_eq!(ground.number("SELECT count(*) FROM attempts").await, Some(0));
}

pub(crate) async fn a_held_page_claims_nothing(ground: Ground) {
    ground.somebody("anna").await;
    ground.sql(&format!("UPDATE pages SET held_since = {0}, held_until = {0} + 60000, generation = 1", NOW.ms())).await;
    let claimed = ground.store.claim(wish(9, later(99))).await.unwrap();
    assert_eq!((claimed.claims.len(), claimed.next_at), (0, None));
    assert_eq!(ground.probe_at(later(59)).await.len(), 0);
    assert_eq!(ground.probe_at(later(60)).await.len(), 1);
}

pub(crate) async fn a_paused_page_claims_nothing(ground: Ground) {
    ground.somebody("anna").await;
    ground.sql(&format!("UPDATE pages SET paused_until = {}", later(60).ms())).await;
    assert_eq!(ground.claim_at(9, later(59)).await.len(), 0);
    assert_eq!(ground.claim_at(9, later(60)).await.len(), 1);
}

pub(crate) async fn an_unknown_page_claims_nothing(ground: Ground) {
    ground.somebody("anna").await;
    ground.sql("DELETE FROM pages").await;
    assert_eq!(ground.claim_at(9, NOW).await.len(), 0);
    ground.store.govern(Policy::default(), [page()]).await.unwrap();
    assert_eq!(ground.claim_at(9, NOW).await.len(), 1);
}

pub(crate) async fn nobody_is_claimed_at_their_hard_stop(ground: Ground) {
    let id = ground.somebody("anna").await;
    let stop = Window::default().hard_stop(NOW);
    assert_eq!(ground.claim_at(9, stop).await.len(), 0);
    assert_eq!(ground.state(id).await, State::Pending);
    assert_eq!(ground.claim_at(9, stop.minus(Duration::from_millis(1))).await.len(), 1);
}

pub(crate) async fn the_budget_is_the_domains(ground: Ground) {
    let arrival = "SELECT arrival_us FROM pages WHERE page_id = '1001'";
    // The same rounds on both engines.
    let mut dice = fastrand::Rng::with_seed(7);
    let mut waiting = 0;
    for rate in [1.0, 20.0, 180.0] {
        let budget = Budget::per_second(rate);
        let mut now = NOW;
        for _ in 0..60 {
            // Time passes, mostly; once in a while a clock is set back.
            now = if dice.u8(..20) == 0 {
                now.minus(Duration::from_secs(3))
            } else {
                now.plus(Duration::from_millis(dice.u64(..150)))
            };
            if dice.u8(..4) == 0 {
                let some: Vec<_> = (0..dice.i64(1..20)).map(|n| opt_in(&format!("{rate}-{now:?}-{n}"), NOW)).collect();
                let receipts = ground.store.apply(some, now).await.unwrap();
                waiting += i64::try_from(
                    receipts.iter().filter(|r| matches!(r, firstword::domain::signal::Receipt::Created(_))).count(),
                )
                .unwrap();
            }
            let most = dice.usize(0..12);
            let before = ground.number(arrival).await.unwrap();
            let allowed = budget.take(before, now, i64::try_from(most).unwrap());
            let claimed = ground.store.claim(Wish { budget, ..wish(most, now) }).await.unwrap();
            let taken = i64::try_from(claimed.claims.len()).unwrap();
            assert_eq!(taken, allowed.count.min(waiting));
            waiting -= taken;
            let after = if taken == 0 { before } else { budget.take(before, now, taken).arrival_us };
            assert_eq!(ground.number(arrival).await.unwrap(), after);
            let short = allowed.count < i64::try_from(most).unwrap() && taken == allowed.count;
            assert_eq!(claimed.next_at, short.then(|| budget.next_at(budget.take(before, now, taken).arrival_us, now)));
        }
    }
    // And what was claimed can be told apart from what was not.
    let claims = ground.claim_at(1_000, NOW).await;
    assert_eq!(i64::try_from(claims.len()).unwrap(), waiting);
    ground.record(ended(&claims[0], accepted("m.1"))).await;
}
