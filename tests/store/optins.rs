//! Opt-ins: what each source is told, and what is kept.

use std::time::Duration;

use crate::ground::{Ground, NOW, accepted, by_message, created, ended, later, new, opt_in, page, said, tick};
use firstword::domain::ids::{OptInId, PageId};
use firstword::domain::optin::{Reason, State};
use firstword::domain::policy::Policy;
use firstword::domain::signal::{Command, NewOptIn, Receipt, Sign, Signal, Tick};

pub(crate) async fn receipts_tell_created_duplicate_renewed_reopened(ground: Ground) {
    let id = ground.somebody("anna").await;
    assert_eq!(ground.apply(opt_in("anna", NOW)).await, Receipt::Duplicate(id));
    assert_eq!(ground.apply(Signal::OptIn(NewOptIn { at: None, ..new("anna", NOW) })).await, Receipt::Duplicate(id));
    assert_eq!(ground.apply_at(opt_in("anna", later(700)), later(700)).await, Receipt::Renewed(id));
    assert_eq!(ground.row(id).await.renewed_at, Some(later(700)));
    let cancel = Signal::Command { optin: id, command: Command::Cancel };
    assert_eq!(ground.apply_at(cancel, later(800)).await, Receipt::Applied(id));
    assert_eq!(ground.apply_at(opt_in("anna", later(2000)), later(2000)).await, Receipt::Reopened(id));
    let row = ground.row(id).await;
    assert_eq!((row.state, row.cycle, row.opted_in_at), (State::Pending, 2, later(2000)));
    // Whoever was greeted stays greeted.
    let claim = ground.claim_at(1, later(2001)).await.remove(0);
    ground.record(ended(&claim, accepted("m.1"))).await;
    assert_eq!(ground.apply_at(opt_in("anna", later(9000)), later(9000)).await, Receipt::Renewed(id));
    assert_eq!(ground.claim_at(1, later(9001)).await.len(), 0);
}

pub(crate) async fn the_earliest_time_of_one_consent_counts(ground: Ground) {
    let id = ground.somebody("anna").await;
    let early = NOW.minus(Duration::from_secs(30));
    assert_eq!(ground.apply(opt_in("anna", early)).await, Receipt::Duplicate(id));
    assert_eq!(ground.row(id).await.opted_in_at, early);
    let no_time = Signal::OptIn(NewOptIn { at: None, ..new("bert", NOW) });
    let id = created(ground.apply_at(no_time, later(5)).await);
    assert_eq!(ground.row(id).await.opted_in_at, later(5));
}

pub(crate) async fn what_the_site_adds_later_is_kept(ground: Ground) {
    let id = ground.somebody("anna").await;
    let with =
        |locale: &str| NewOptIn { locale: Some(locale.into()), reference: Some("shop".into()), ..new("anna", NOW) };
    ground.apply(Signal::OptIn(with("de_DE"))).await;
    ground.apply(Signal::OptIn(with("fr_FR"))).await;
    let row = ground.row(id).await;
    assert_eq!((row.locale.as_deref(), row.reference.as_deref()), (Some("de_DE"), Some("shop")));
}

pub(crate) async fn an_unknown_page_waits_and_is_alerted_once(ground: Ground) {
    let other = PageId::new("2002").unwrap();
    let on_other = Signal::OptIn(NewOptIn { page: other.clone(), ..new("anna", NOW) });
    let id = created(ground.apply(on_other.clone()).await);
    ground.apply(on_other).await;
    let admit = || tick(id, Tick::Admit);
    ground.apply(admit()).await;
    let row = ground.row(id).await;
    assert_eq!((row.state, row.reason), (State::New, Some(Reason::UnknownPage)));
    let alerts = ground.store.open_alerts().await.unwrap();
    assert_eq!(
        (alerts.len(), alerts[0].kind.as_str(), alerts[0].cause.as_str(), alerts[0].times),
        (1, "unknown_page", "2002", 1)
    );
    assert_eq!(ground.store.waiting_for_admission(OptInId(0), 10).await.unwrap(), [id]);
    assert_eq!(ground.store.waiting_for_admission(id, 10).await.unwrap(), []);
    ground.store.govern(Policy::default(), [page(), other]).await.unwrap();
    ground.apply(admit()).await;
    let row = ground.row(id).await;
    assert_eq!((row.state, row.reason), (State::Pending, None));
}

pub(crate) async fn an_opt_in_past_its_hard_stop_is_missed(ground: Ground) {
    let id = created(ground.apply(opt_in("anna", NOW.minus(Duration::from_hours(24)))).await);
    let row = ground.row(id).await;
    assert_eq!((row.state, row.reason), (State::Missed, Some(Reason::ArrivedLate)));
}

pub(crate) async fn commands_cancel_retry_and_opt_out(ground: Ground) {
    let id = ground.somebody("anna").await;
    let command = |command| Signal::Command { optin: id, command };
    assert_eq!(ground.apply(command(Command::Retry)).await, Receipt::Refused(id));
    assert_eq!(ground.apply(command(Command::Cancel)).await, Receipt::Applied(id));
    assert_eq!(ground.state(id).await, State::Cancelled);
    assert_eq!(ground.apply(command(Command::Retry)).await, Receipt::Applied(id));
    assert_eq!(ground.state(id).await, State::Pending);
    assert_eq!(ground.apply(command(Command::OptOut)).await, Receipt::Applied(id));
    let row = ground.row(id).await;
    assert_eq!((row.state, row.reason, row.opted_out_at), (State::OptedOut, Some(Reason::Operator), Some(NOW)));
    let nobody = Signal::Command { optin: OptInId(999), command: Command::Cancel };
    assert_eq!(ground.apply(nobody).await, Receipt::Unknown);
}

/// Where policy greets again, fresh consent does it: by the row of an opt-in that has ended, and by what is remembered of
/// one that was purged.
pub(crate) async fn policy_may_greet_again(ground: Ground) {
    let policy = |greet_again| Policy { greet_again, ..Policy::default() };
    ground.store.govern(policy(true), [page()]).await.unwrap();
    let id = ground.greeted("anna", "m.1").await.optin;
    ground.greeted("bert", "m.3").await;
    // What is sent waits for its answer; a consent meanwhile is kept, and sends nothing.
    assert_eq!(ground.apply_at(opt_in("anna", later(700)), later(700)).await, Receipt::Renewed(id));
    assert_eq!(ground.claim_at(9, later(700)).await.len(), 0);
    ground.apply_at(said(Sign::Reply { stop: false }, by_message("m.1")), later(800)).await;
    assert_eq!(ground.state(id).await, State::Answered);
    assert_eq!(ground.apply_at(opt_in("anna", later(1299)), later(1299)).await, Receipt::Duplicate(id));
    assert_eq!(ground.apply_at(opt_in("anna", later(1300)), later(1300)).await, Receipt::Reopened(id));
    let second = ground.claim_at(9, later(1301)).await.remove(0);
    ground.record(ended(&second, accepted("m.2"))).await;
    let row = ground.row(id).await;
    assert_eq!((row.state, row.cycle, row.message_id.as_deref()), (State::Sent, 2, Some("m.2")));

    ground.sql("UPDATE optins SET state = 'expired'").await;
    assert_eq!(ground.store.purge(later(2000), 9, later(2000)).await.unwrap(), 2);
    let anna = created(ground.apply_at(opt_in("anna", later(3000)), later(3000)).await);
    assert_eq!(ground.claim_at(9, later(3000)).await.iter().map(|claim| claim.optin).collect::<Vec<_>>(), [anna]);
    ground.store.govern(policy(false), [page()]).await.unwrap();
    let bert = ground.apply_at(opt_in("bert", later(3000)), later(3000)).await;
    assert!(matches!(bert, Receipt::Refused(_)), "{bert:?}");
    assert_eq!(ground.claim_at(9, later(3000)).await.len(), 0);
}

pub(crate) async fn the_same_person_twice_in_one_group(ground: Ground) {
    let signals = vec![opt_in("anna", NOW), opt_in("bert", NOW), opt_in("anna", later(1)), opt_in("anna", later(700))];
    let receipts = ground.store.apply(signals, later(700)).await.unwrap();
    let (anna, bert) = (created(receipts[0]), created(receipts[1]));
    assert_ne!(anna, bert);
    assert_eq!(receipts[2..], [Receipt::Duplicate(anna), Receipt::Renewed(anna)]);
    // Receipts stay with their signals, in whatever order the rows were stored.
    assert_eq!(ground.row(bert).await.login.as_str(), "bert");
    let row = ground.row(anna).await;
    assert_eq!((row.login.as_str(), row.renewed_at), ("anna", Some(later(700))));
}

pub(crate) async fn thousands_at_once(ground: Ground) {
    ground.store.expect_bulk().await.unwrap();
    let signals: Vec<_> = (0..5_000).map(|n| opt_in(&format!("p{n}"), NOW)).collect();
    let receipts = ground.store.apply(signals.clone(), NOW).await.unwrap();
    for (n, receipt) in receipts.iter().enumerate().step_by(701) {
        assert_eq!(ground.row(created(*receipt)).await.login.as_str(), format!("p{n}"));
    }
    let again = ground.store.apply(signals, NOW).await.unwrap();
    assert!(again.iter().all(|receipt| matches!(receipt, Receipt::Duplicate(_))));
    assert_eq!(ground.number("SELECT count(*) FROM optins WHERE state = 'pending'").await, Some(5_000));
    let claims = ground.claim_at(5_000, NOW).await;
    let outcomes = claims.iter().map(|claim| ended(claim, accepted(&format!("m.{}", claim.attempt)))).collect();
    ground.store.record(outcomes, NOW).await.unwrap();
    assert_eq!(ground.number("SELECT count(*) FROM optins WHERE state = 'sent'").await, Some(5_000));
    assert_eq!(ground.number("SELECT count(*) FROM attempts WHERE outcome = 'accepted'").await, Some(5_000));
}
