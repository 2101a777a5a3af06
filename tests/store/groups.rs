//! What shares a transaction must not share its faults.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::ground::{Ground, NOW, by_message, created, later, new, opt_in, said};
use firstword::domain::optin::{Reason, State};
use firstword::domain::outcome::{Ending, Outcome};
use firstword::domain::signal::{NewOptIn, Receipt, Sign, Signal};

pub(crate) async fn a_bad_item_fails_alone(ground: Ground) {
    ground.sql("CREATE UNIQUE INDEX one_reference ON optins (reference)").await;
    let first = NewOptIn { reference: Some("taken".into()), ..new("first", NOW) };
    ground.apply(Signal::OptIn(first)).await;
    let mut callers = JoinSet::new();
    for n in 0..60_u32 {
        let store = ground.store.clone();
        callers.spawn(async move {
            let reference = (n % 20 == 7).then(|| "taken".to_owned());
            let new = NewOptIn { reference, ..new(&format!("p{n}"), NOW) };
            (n, store.apply(vec![Signal::OptIn(new)], NOW).await)
        });
    }
    for (n, result) in callers.join_all().await {
        assert_eq!(result.is_ok(), n % 20 != 7, "{n}: {result:?}");
        if let Ok(receipts) = result {
            assert_eq!(ground.row(created(receipts[0])).await.login.as_str(), format!("p{n}"));
        }
    }
    assert_eq!(ground.number("SELECT count(*) FROM optins").await, Some(1 + 57));
}

pub(crate) async fn a_nul_stops_nothing(ground: Ground) {
    let claim = ground.claimed("anna").await;
    let ending = Ending::explained(Outcome::Uncertain(Reason::ServerError), "odd\0answer");
    ground.record(Signal::Attempt { optin: claim.optin, attempt: claim.attempt, ending: Some(ending) }).await;
    assert_eq!(ground.state(claim.optin).await, State::Uncertain);
    let attempt = ground.store.attempts_of(claim.optin).await.unwrap().remove(0);
    assert_eq!(attempt.detail.as_deref(), Some("odd\u{fffd}answer"));
    assert_eq!(ground.apply(said(Sign::Receipt, by_message("m\0"))).await, Receipt::Unknown);
}

pub(crate) async fn a_caller_who_leaves_loses_only_the_answer(ground: Ground) {
    for n in 0..40_u32 {
        let apply = ground.store.apply(vec![opt_in(&format!("p{n}"), NOW)], NOW);
        // Gone at some moment between the question and its answer.
        _ = tokio::time::timeout(Duration::from_micros(u64::from(n) * 25), apply).await;
    }
    ground.somebody("after").await;
    assert_eq!(
        ground.claim_at(100, NOW).await.len(),
        usize::try_from(ground.number("SELECT count(*) FROM optins").await.unwrap()).unwrap()
    );
    for n in 0..40_u32 {
        ground.apply(opt_in(&format!("p{n}"), NOW)).await;
    }
    assert_eq!(ground.number("SELECT count(*) FROM optins").await, Some(41));
}

pub(crate) async fn a_failing_errand_fails_alone(ground: Ground) {
    ground.sql("DROP TABLE job_runs").await;
    let mut callers = JoinSet::new();
    for n in 0..30_u32 {
        let store = ground.store.clone();
        callers.spawn(async move {
            match n % 3 {
                0 => {
                    (n, store.take_tick("purge".into(), NOW, "here".into(), Duration::from_secs(9), NOW).await.is_err())
                }
                1 => (n, store.keep_setting("colour", "red".into()).await.is_ok()),
                _ => (n, store.apply(vec![opt_in(&format!("p{n}"), NOW)], NOW).await.is_ok()),
            }
        });
    }
    for (n, as_expected) in callers.join_all().await {
        assert!(as_expected, "{n}");
    }
    assert_eq!(ground.number("SELECT count(*) FROM optins").await, Some(10));
    assert_eq!(ground.store.setting("colour").await.unwrap().as_deref(), Some("red"));
}

pub(crate) async fn a_locked_row_holds_up_only_its_own(ground: Ground) {
    if ground.is_sqlite() {
        // One writer: somebody else's transaction holds up everybody, for as long as SQLite is told to wait.
        ground.somebody("anna").await;
        return;
    }
    let ids = [ground.somebody("anna").await, ground.somebody("bert").await];
    let began = Instant::now();
    let (hog, ()) = tokio::join!(ground.hog(ids[0], Duration::from_secs(12)), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        // One group: anna's row is taken for longer than a statement may wait, bert's is free.
        let store = &ground.store;
        let (anna, bert, carl) = tokio::join!(
            store.apply(vec![opt_in("anna", later(700))], later(700)),
            store.apply(vec![opt_in("bert", later(700))], later(700)),
            store.apply(vec![opt_in("carl", NOW)], NOW),
        );
        assert!(anna.is_err(), "{anna:?}");
        assert_eq!(bert.unwrap(), [Receipt::Renewed(ids[1])]);
        created(carl.unwrap()[0]);
        assert!(began.elapsed() < Duration::from_millis(11_900), "{:?}", began.elapsed());
    });
    () = hog;
    assert_eq!(ground.apply_at(opt_in("anna", later(700)), later(700)).await, Receipt::Renewed(ids[0]));
}
