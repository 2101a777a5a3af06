//! A store that went back: noticed, held, explained, accepted.

use std::path::PathBuf;
use std::time::Duration;

use firstword::domain::ids::{OptInId, PageId};
use firstword::domain::optin::{Reason, State};
use firstword::domain::policy::Policy;
use firstword::domain::time::Timestamp;
use firstword::store::lineage::{Lost, Memory};

use crate::ground::{Ground, NOW, accepted, created, ended, later, opt_in, page};

/// Somebody who opted in this long ago is still in time.
const EARLIER: Duration = Duration::from_hours(23);

/// A file that is not there yet.
fn file() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("store.seen");
    (dir, file)
}

async fn look(ground: &Ground, memory: &mut Memory) -> Option<String> {
    ground.store.recognise(memory, false, later(60)).await.unwrap()
}

/// Puts the attempts back to where they were before the last ones.
async fn forget_attempts(ground: &Ground, after: i64) {
    ground.sql(&format!("DELETE FROM attempts WHERE id > {after}")).await;
    let numbers = format!("UPDATE sqlite_sequence SET seq = {after} WHERE name = 'attempts'");
    let sequence = format!("SELECT setval('attempts_id_seq', {})", after.max(1));
    ground.sql(ground.either(&numbers, &sequence)).await;
}

pub(crate) async fn a_store_that_goes_on_is_recognised(ground: Ground) {
    let (_dir, file) = file();
    let mut memory = Memory::open(Some(file.clone())).unwrap();
    for name in ["anna", "bert"] {
        assert_eq!(look(&ground, &mut memory).await, None);
        ground.store.roll(&mut memory).await.unwrap();
        ground.greeted(name, &format!("m.{name}")).await;
    }
    // Another process, which remembers what the first one wrote, and one that remembers nothing.
    assert_eq!(look(&ground, &mut Memory::open(Some(file.clone())).unwrap()).await, None);
    assert_eq!(look(&ground, &mut Memory::open(None).unwrap()).await, None);
    assert_eq!(ground.store.standing().await.unwrap().rewound_at, None);
    // A memory that cannot be read is no reason to go on blindly.
    std::fs::write(&file, "what?").unwrap();
    assert!(Memory::open(Some(file)).is_err_and(|error| error.to_string().contains("store.seen")));
}

/// Three people who were sent to, and a backup from before, in which they wait. The last attempt's number.
async fn gone_back(ground: &Ground, memory: &mut Memory) -> (i64, [OptInId; 3]) {
    let old = created(ground.apply(opt_in("old", NOW.minus(EARLIER))).await);
    let anna = ground.somebody("anna").await;
    let claims = ground.claim_at(2, NOW).await;
    assert_eq!(look(ground, memory).await, None);
    for claim in &claims {
        ground.record(ended(claim, accepted("m.1"))).await;
    }
    let carl = ground.claimed("carl").await;
    assert_eq!(look(ground, memory).await, None);
    forget_attempts(ground, 0).await;
    ground.sql("UPDATE optins SET state = 'pending', fence = NULL, sent_at = NULL, maybe_greeted_at = NULL").await;
    (carl.attempt.0, [old, anna, carl.optin])
}

pub(crate) async fn a_store_that_went_back_is_held_and_says_why(ground: Ground) {
    let mut memory = Memory::open(None).unwrap();
    let (attempt, _) = gone_back(&ground, &mut memory).await;
    let why = look(&ground, &mut memory).await.unwrap();
    assert!(why.contains(&format!("attempt {attempt}")), "{why}");
    assert_eq!(look(&ground, &mut Memory::open(None).unwrap()).await, Some(why.clone()), "every node hears of it");
    assert_eq!(ground.store.standing().await.unwrap().rewound_at, Some(later(60)));
    let alert = ground.store.open_alerts().await.unwrap().remove(0);
    assert_eq!((alert.kind.as_str(), alert.cause.as_str(), alert.detail), ("store_rewound", "database", why));
    let row = ground.store.pages().await.unwrap().remove(0);
    assert_eq!((row.held_for.as_deref(), row.held_until), (Some("store rewound"), None));
    // Nothing is claimed, not even for a page that is configured now; what comes in is kept.
    let second = PageId::new("1002").unwrap();
    ground.store.govern(Policy::default(), [page(), second]).await.unwrap();
    assert_eq!(ground.number("SELECT count(*) FROM pages WHERE rewound_at IS NOT NULL").await, Some(2));
    created(ground.apply_at(opt_in("dora", later(90)), later(90)).await);
    assert_eq!(ground.claim_at(9, later(90)).await.len(), 0);
}

pub(crate) async fn whoever_may_have_been_sent_to_is_in_doubt(ground: Ground) {
    let mut memory = Memory::open(None).unwrap();
    let (attempt, lost) = gone_back(&ground, &mut memory).await;
    assert!(look(&ground, &mut memory).await.is_some());
    let dora = created(ground.apply_at(opt_in("dora", later(90)), later(90)).await);
    // Whoever's last moment had passed before the backup was made was not sent to since.
    let since = Policy::default().window.hard_stop(NOW.minus(EARLIER));
    let open = |count| Lost { page: page(), state: State::Pending, count };
    assert_eq!(ground.store.lost(since, later(100)).await.unwrap(), [open(2)]);
    let since = since.minus(Duration::from_millis(1));
    assert_eq!(ground.store.lost(since, later(100)).await.unwrap(), [open(3)]);
    assert_eq!(ground.store.accept_lost(since, later(100)).await.unwrap(), 3);
    for id in lost {
        let row = ground.row(id).await;
        assert_eq!((row.state, row.reason), (State::Uncertain, Some(Reason::StoreRewound)));
        assert_eq!(row.maybe_greeted_at, Some(later(100)));
    }
    assert_eq!(look(&ground, &mut memory).await, None);
    assert_eq!(ground.store.open_alerts().await.unwrap(), []);
    // Numbers go on far above those that were lost, whose tokens are out there.
    let claims = ground.claim_at(9, later(100)).await;
    assert_eq!(claims.iter().map(|claim| claim.optin).collect::<Vec<_>>(), [dora]);
    assert!(claims[0].attempt.0 > attempt + 100_000, "{:?}", claims[0].attempt);
}

pub(crate) async fn what_was_accepted_may_be_forgotten_too(ground: Ground) {
    let (_dir, file) = file();
    let mut memory = Memory::open(Some(file.clone())).unwrap();
    gone_back(&ground, &mut memory).await;
    assert!(look(&ground, &mut memory).await.is_some());
    ground.store.accept_lost(NOW, later(100)).await.unwrap();
    assert_eq!(look(&ground, &mut memory).await, None);
    let mut other = Memory::open(Some(file)).unwrap();
    ground.sql("DELETE FROM settings WHERE key = 'store_accepted'").await;
    assert!(look(&ground, &mut other).await.unwrap().contains("accepted"));
}

pub(crate) async fn another_server_is_no_server_of_ours(ground: Ground) {
    let mut memory = Memory::open(None).unwrap();
    assert_eq!(look(&ground, &mut memory).await, None);
    ground.sql("UPDATE settings SET value = '12345' WHERE key = 'store_origin'").await;
    assert!(look(&ground, &mut Memory::open(None).unwrap()).await.unwrap().contains("cluster 12345"));
    assert_eq!(ground.store.accept_lost(Timestamp::EARLIEST, later(70)).await.unwrap(), 0);
    assert_eq!(look(&ground, &mut memory).await, None);
}
