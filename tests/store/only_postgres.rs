//! What only several nodes can do.

use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ground::{Ground, NOW, by_login, later, opt_in, said};
use firstword::domain::optin::Reason;
use firstword::domain::signal::Sign;
use firstword::store::lineage::Memory;
use firstword::store::{Error, Store, lock_for_daemon};

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn other_nodes_hear_of_work_and_stops() {
    let ground = Ground::postgres().await;
    let other = ground.node().await;
    let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
    other.listen(&tracker, stop.clone());
    tracker.close();
    let mut stops = other.work().stops();
    // Until it listens, nothing is heard: say it again until it is.
    let heard = async {
        for n in 0.. {
            ground.apply(opt_in(&format!("p{n}"), NOW)).await;
            if timeout(Duration::from_millis(100), other.work().rung()).await.is_ok() {
                break;
            }
        }
    };
    timeout(PATIENCE, heard).await.unwrap();
    let claim = ground.claimed("anna").await;
    ground.apply(said(Sign::OptOut(Reason::OptOutEvent), by_login("anna"))).await;
    assert_eq!(timeout(PATIENCE, stops.recv()).await.unwrap().unwrap(), claim.attempt);

    // A cut is noticed, and rings, because something may have been missed; then it listens again.
    while timeout(Duration::from_millis(50), other.work().rung()).await.is_ok() {}
    let listener = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ILIKE 'LISTEN%' AND datname = current_database()";
    assert_eq!(ground.sql(listener).await, 1);
    timeout(PATIENCE, other.work().rung()).await.unwrap();
    let again = async {
        for n in 0.. {
            ground.apply(opt_in(&format!("q{n}"), NOW)).await;
            if timeout(Duration::from_millis(100), other.work().rung()).await.is_ok() {
                break;
            }
        }
    };
    timeout(PATIENCE, again).await.unwrap();
    stop.cancel();
    timeout(PATIENCE, tracker.wait()).await.unwrap();
    other.close().await;
}

#[tokio::test]
async fn many_daemons_may_run() {
    let url = crate::support::postgres().await;
    let _both = (lock_for_daemon(&url).unwrap(), lock_for_daemon(&url).unwrap());
}

#[tokio::test]
async fn a_server_that_is_away_is_waited_for_and_a_wrong_url_is_not() {
    let away = Store::open("postgres:///db?host=/nonexistent&user=nobody").await;
    assert!(matches!(away, Err(Error::Unavailable(_))), "{away:?}");
    let wrong = Store::open("mysql://somewhere/db").await;
    assert!(matches!(wrong, Err(Error::Unfit(_))), "{wrong:?}");
}

#[tokio::test]
async fn a_node_that_lost_its_connections_goes_on() {
    let ground = Ground::postgres().await;
    ground.somebody("anna").await;
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND application_name = 'firstword'";
    for n in 0..5 {
        ground.sql(kill).await;
        // The first word on a dead connection may fail; nothing is stuck, and nobody waits for a time-out.
        let again = async {
            while ground.store.apply(vec![opt_in(&format!("p{n}"), NOW)], NOW).await.is_err() {}
            while ground.store.claim(crate::ground::wish(1, NOW)).await.is_err() {}
        };
        timeout(PATIENCE, again).await.unwrap();
    }
}

/// A server that was started anew, or a standby that took over, is claimed from only after somebody looked at it.
#[tokio::test]
async fn a_server_nobody_looked_at_is_not_claimed_from() {
    let ground = Ground::postgres().await;
    ground.somebody("anna").await;
    let look = async |synchronous| {
        let mut memory = Memory::open(None).unwrap();
        ground.store.recognise(&mut memory, synchronous, later(1)).await.unwrap()
    };
    assert_eq!(look(false).await, None);
    let known = ground.number("SELECT server FROM pages").await.unwrap();
    assert_eq!(known >> 42, 1, "the first timeline");
    let known_as = async |server: i64| {
        let setting = format!("UPDATE settings SET value = '{server}' WHERE key = 'store_server'");
        ground.sql(&format!("{setting}; UPDATE pages SET server = {server}")).await;
    };
    // The same timeline, started at another time: after a look it goes on.
    known_as(known - 1).await;
    assert_eq!(ground.claim_at(9, later(1)).await.len(), 0);
    assert_eq!(look(false).await, None);
    assert_eq!(ground.claim_at(9, later(1)).await.len(), 1);
    // An earlier timeline was known: a standby took over. Only an operator's word that it was synchronous is enough.
    ground.somebody("bert").await;
    known_as(known - (1 << 42)).await;
    assert_eq!(ground.claim_at(9, later(1)).await.len(), 0);
    assert_eq!(look(true).await, None);
    assert_eq!(ground.claim_at(9, later(1)).await.len(), 1);
    ground.somebody("cora").await;
    known_as(known - (1 << 42)).await;
    assert!(look(false).await.unwrap().contains("timeline 0 and is now on timeline 1"));
    assert_eq!(ground.claim_at(9, later(1)).await.len(), 0);
    assert!(look(true).await.is_some(), "once held, only an operator lifts it");
    // A later one was known: the old server came back.
    assert_eq!(ground.store.accept_lost(NOW, later(2)).await.unwrap(), 3);
    known_as(known + (1 << 42)).await;
    assert!(look(true).await.unwrap().contains("timeline 2 and is now on timeline 1"));
}

/// Whoever may use the database may ask which server it is.
#[tokio::test]
async fn a_role_without_rights_of_its_own_can_recognise_the_server() {
    let ground = Ground::postgres().await;
    let functions = [
        "pg_control_system()",
        "pg_walfile_name(pg_lsn)",
        "pg_current_wal_lsn()",
        "pg_current_wal_flush_lsn()",
        "pg_postmaster_start_time()",
    ];
    for function in functions {
        let may = format!("SELECT count(*) WHERE has_function_privilege('public', '{function}', 'EXECUTE')");
        assert_eq!(ground.number(&may).await, Some(1), "{function}");
    }
}
