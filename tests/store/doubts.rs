//! Attempts of unknown end: who is sent to again, who is held, and who may claim at all.

use std::sync::Arc;
use std::time::Duration;

use firstword::clock::ManualClock;
use firstword::domain::alert::{Alert, Kind};
use firstword::domain::optin::{Reason, State};
use firstword::domain::outcome::Outcome;
use firstword::domain::policy::{Policy, UncertainPolicy};
use firstword::domain::signal::{Command, Receipt, Sign, Signal, Tick};
use firstword::domain::time::Timestamp;
use firstword::store::Store;
use firstword::store::claim::Claim;
use firstword::upkeep::Upkeep;

use crate::ground::{Ground, NOW, accepted, by_login, ended, later, page, said, tick};

pub(crate) const DOUBT: Outcome = Outcome::Uncertain(Reason::Timeout);

/// The end of a lease that began at `NOW`, and of the time that is left for evidence.
pub(crate) fn settled_at() -> Timestamp {
    let policy = Policy::default();
    NOW.plus(policy.window.lease()).plus(policy.settle_after)
}

fn upkeep(store: &Store) -> Upkeep {
    let clock = Arc::new(ManualClock::at(NOW));
    Upkeep { store: store.clone(), clock, runs: Arc::new(|_| false), poll_interval: Duration::from_secs(1) }
}

/// Runs the pass: how many were let go again, how many are held.
pub(crate) async fn settle(ground: &Ground, now: Timestamp) -> (u64, u64) {
    let report = upkeep(&ground.store).settle_uncertain(now).await.unwrap();
    (report.counts["again"], report.counts["held"])
}

async fn policy(ground: &Ground, uncertain: UncertainPolicy) {
    ground.store.govern(Policy { uncertain, ..Policy::default() }, [page()]).await.unwrap();
}

/// Somebody whose attempt timed out.
pub(crate) async fn in_doubt(ground: &Ground, name: &str) -> Claim {
    let claim = ground.claimed(name).await;
    ground.record(ended(&claim, DOUBT)).await;
    claim
}

/// The open alerts for held doubts: cause and how often.
async fn alerts(ground: &Ground) -> Vec<(String, i64)> {
    let open = ground.store.open_alerts().await.unwrap();
    open.into_iter().filter(|a| a.kind == Kind::UncertainHeld).map(|a| (a.cause, a.times)).collect()
}

pub(crate) async fn held_doubts_are_alerted_once_a_page(ground: Ground) {
    policy(&ground, UncertainPolicy::Hold).await;
    let early = settled_at().minus(Duration::from_millis(1));
    let (anna, bert) = (in_doubt(&ground, "anna").await, in_doubt(&ground, "bert").await);
    assert_eq!((settle(&ground, early).await, alerts(&ground).await), ((0, 0), vec![]));
    for _ in 0..2 {
        assert_eq!(settle(&ground, settled_at()).await, (0, 2));
        assert_eq!(alerts(&ground).await, [("1001".to_owned(), 2)], "one alert, however often it is looked at");
    }
    let doubts = ground.store.doubts(settled_at()).await.unwrap();
    assert_eq!((doubts.len(), doubts[0].all, doubts[0].held, doubts[0].since), (1, 2, 2, NOW));
    // Somebody replies: one is left. An operator settles the other: the alert ends in the same transaction.
    ground.apply(said(Sign::Reply { stop: false }, by_login("anna"))).await;
    assert_eq!((ground.state(anna.optin).await, alerts(&ground).await.len()), (State::Answered, 1));
    let command = Command::Settle { delivered: true, before: settled_at() };
    ground.apply_at(Signal::Command { optin: bert.optin, command }, settled_at()).await;
    assert_eq!((ground.state(bert.optin).await, alerts(&ground).await), (State::Sent, vec![]));
    // An alert nobody stands behind goes at the next look.
    ground.store.raise(Alert::new(Kind::UncertainHeld, "1001", ""), settled_at()).await.unwrap();
    assert_eq!((settle(&ground, settled_at()).await, alerts(&ground).await), ((0, 0), vec![]));
    ground.store.raise(Alert::new(Kind::UncertainHeld, "1001", ""), settled_at()).await.unwrap();
    ground.store.resolve(Kind::UncertainHeld, "1001".into(), settled_at()).await.unwrap();
    assert_eq!(alerts(&ground).await, []);
}

pub(crate) async fn a_message_more_is_granted_once(ground: Ground) {
    policy(&ground, UncertainPolicy::Resend).await;
    let (anna, bert, cora) =
        (in_doubt(&ground, "anna").await, in_doubt(&ground, "bert").await, in_doubt(&ground, "cora").await);
    ground.apply(said(Sign::OptOut(Reason::OptOutEvent), by_login("bert"))).await;
    ground.apply(said(Sign::Echo { elsewhere: true }, by_login("cora"))).await;
    let early = settled_at().minus(Duration::from_millis(1));
    assert_eq!(settle(&ground, early).await, (0, 0));
    assert_eq!(
        ground.apply_at(tick(anna.optin, Tick::SendAgain(anna.attempt)), early).await,
        Receipt::Refused(anna.optin)
    );
    let (page, lease) = (page(), NOW.plus(Policy::default().window.lease()));
    let open = ground.store.open_doubts(&page, lease, None, settled_at(), 9).await.unwrap();
    assert_eq!((open.len(), open[0].optin, open[0].attempt, open[0].started_at), (1, anna.optin, anna.attempt, NOW));

    assert_eq!(settle(&ground, settled_at()).await, (1, 1), "whoever said stop is not sent to again");
    let row = ground.row(anna.optin).await;
    assert_eq!((row.state, row.resent_at, row.maybe_greeted_at), (State::Pending, Some(settled_at()), Some(NOW)));
    assert_eq!((ground.state(bert.optin).await, ground.state(cora.optin).await), (State::Uncertain, State::Sent));

    // The second attempt is in doubt as well: now it is held.
    let second = ground.probe_at(settled_at()).await;
    assert_eq!(second.iter().map(|claim| claim.optin).collect::<Vec<_>>(), [anna.optin]);
    ground.store.record(vec![ended(&second[0], DOUBT)], settled_at()).await.unwrap();
    let much_later = settled_at().plus(Duration::from_hours(1));
    assert_eq!(settle(&ground, much_later).await, (0, 2));
    let again = tick(anna.optin, Tick::SendAgain(second[0].attempt));
    assert_eq!(ground.apply_at(again, much_later).await, Receipt::Refused(anna.optin));
    // The late word of either attempt still counts.
    ground.store.record(vec![ended(&second[0], accepted("m.2"))], much_later).await.unwrap();
    assert_eq!(ground.state(anna.optin).await, State::Sent);
}

pub(crate) async fn no_message_more_past_the_hard_stop(ground: Ground) {
    policy(&ground, UncertainPolicy::Resend).await;
    let stop = Policy::default().window.hard_stop(NOW);
    let anna = in_doubt(&ground, "anna").await;
    assert_eq!(settle(&ground, stop).await, (0, 1));
    assert_eq!(
        ground.apply_at(tick(anna.optin, Tick::SendAgain(anna.attempt)), stop).await,
        Receipt::Refused(anna.optin)
    );
    // Granted in time and not sent in time: back in doubt, because the first message may have arrived.
    assert_eq!(settle(&ground, stop.minus(Duration::from_millis(1))).await, (1, 0));
    ground.apply_at(tick(anna.optin, Tick::HardStop), stop).await;
    let row = ground.row(anna.optin).await;
    assert_eq!((row.state, row.reason), (State::Uncertain, Some(Reason::HardStop)));
    assert_eq!(settle(&ground, stop.plus(Duration::from_hours(1))).await, (0, 1));
}

pub(crate) async fn an_older_version_records_and_claims_nothing(ground: Ground) {
    let claim = ground.claimed("anna").await;
    assert!(!ground.store.standing().await.unwrap().is_outdated());
    // What a migration does whose claims an older version would get wrong.
    ground.sql("UPDATE settings SET value = '2' WHERE key = 'claimer_min'; UPDATE pages SET claimer_min = 2").await;
    let standing = ground.store.standing().await.unwrap();
    assert_eq!((standing.claimer_min, standing.is_outdated(), standing.rewound_at), (2, true, None));
    let bert = ground.somebody("bert").await;
    assert_eq!(ground.claim_at(9, later(1)).await.len(), 0);
    ground.record(ended(&claim, accepted("m.1"))).await;
    assert_eq!((ground.state(claim.optin).await, ground.state(bert).await), (State::Sent, State::Pending));
    // A page that is configured afterwards asks for it too.
    ground.sql("DELETE FROM pages").await;
    policy(&ground, UncertainPolicy::Hold).await;
    assert_eq!(ground.number("SELECT claimer_min FROM pages").await, Some(2));
    assert_eq!(ground.claim_at(9, later(1)).await.len(), 0);
}
