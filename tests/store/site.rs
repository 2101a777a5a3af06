//! The table as a public interface: what a site may INSERT, and what becomes of it.

use crate::ground::{Ground, NOW, accepted, ended, later, login, page, tick, wish};
use firstword::domain::ids::OptInId;
use firstword::domain::keyed::StoreKey;
use firstword::domain::optin::{Reason, State};
use firstword::domain::signal::Tick;
use firstword::domain::time::Timestamp;

/// Upkeep's road: finds what waits, and has it admitted.
async fn admit(ground: &Ground, now: Timestamp) -> Vec<OptInId> {
    let ids = ground.store.waiting_for_admission(OptInId(0), 100).await.unwrap();
    let signals = ids.iter().map(|id| tick(*id, Tick::Admit)).collect();
    ground.store.apply(signals, now).await.unwrap();
    ids
}

pub(crate) async fn a_plain_insert_is_admitted_and_claimed(ground: Ground) {
    let now = ground.store.time().await.unwrap();
    ground.sql("INSERT INTO optins (page_id, login_id) VALUES ('1001', 'anna')").await;
    let ids = admit(&ground, now).await;
    let row = ground.row(ids[0]).await;
    assert_eq!((row.state, ids.len()), (State::Pending, 1));
    assert!((row.opted_in_at.ms() - now.ms()).abs() < 5_000, "{} and {now}", row.opted_in_at);
    let claims = ground.claim_at(10, now).await;
    assert_eq!((claims.len(), claims[0].login.as_str()), (1, "anna"));
    assert_eq!(admit(&ground, now).await, []);
}

pub(crate) async fn a_plain_insert_may_bring_its_time_and_meet_itself(ground: Ground) {
    let insert = format!(
        "INSERT INTO optins (page_id, login_id, opted_in_at, locale, reference) VALUES ('1001', 'anna', {}, 'de_DE', 'shop')
         ON CONFLICT DO NOTHING",
        NOW.ms() - 5
    );
    assert_eq!(ground.sql(&insert).await, 1);
    assert_eq!(ground.sql(&insert).await, 0);
    admit(&ground, NOW).await;
    let claim = &ground.claim_at(10, NOW).await[0];
    assert_eq!((claim.opted_in_at.ms(), claim.locale.as_deref()), (NOW.ms() - 5, Some("de_DE")));
    ground.record(ended(claim, accepted("m.1"))).await;
    assert_eq!(ground.sql(&insert).await, 0);
    assert_eq!(ground.state(claim.optin).await, State::Sent);
}

pub(crate) async fn impossible_rows_are_refused(ground: Ground) {
    let long = format!("'{}'", "x".repeat(257));
    let (early, late) = (Timestamp::EARLIEST.ms() - 1, Timestamp::LATEST.ms() + 1);
    let now = NOW.ms();
    let rows = [
        format!("('', 'anna', {now})"),
        format!("('1001', '', {now})"),
        format!("('1001', ' ', {now})"),
        format!("('1001', ' anna', {now})"),
        format!("('1001', 'anna ', {now})"),
        format!("(' 1001', 'anna', {now})"),
        format!("('1001', {long}, {now})"),
        format!("({long}, 'anna', {now})"),
        format!("('1001', NULL, {now})"),
        format!("('1001', 'anna', {early})"),
        format!("('1001', 'anna', {late})"),
        "('1001', 'anna', NULL)".to_owned(),
    ];
    for row in rows {
        let insert = format!("INSERT INTO optins (page_id, login_id, opted_in_at) VALUES {row} ON CONFLICT DO NOTHING");
        assert!(ground.try_sql(&insert).await.is_err(), "{row}");
    }
    let strange = "INSERT INTO optins (page_id, login_id, state) VALUES ('1001', 'anna', 'fresh')";
    assert!(ground.try_sql(strange).await.is_err());
    assert_eq!(ground.number("SELECT count(*) FROM optins").await, Some(0));
}

pub(crate) async fn a_plain_insert_of_somebody_greeted_is_refused(ground: Ground) {
    let claim = ground.greeted("anna", "m.1").await;
    ground
        .sql(&format!("UPDATE optins SET state = 'expired', state_since = {} WHERE id = {}", NOW.ms(), claim.optin))
        .await;
    assert_eq!(ground.store.purge(later(1), 10, later(1)).await.unwrap(), 1);
    let insert =
        format!("INSERT INTO optins (page_id, login_id, opted_in_at) VALUES ('1001', 'anna', {})", later(10).ms());
    ground.sql(&insert).await;
    let id = admit(&ground, later(20)).await[0];
    let row = ground.row(id).await;
    assert_eq!((row.state, row.reason), (State::Refused, Some(Reason::GreetedBefore)));
    assert!(ground.store.claim(wish(10, later(20))).await.unwrap().claims.is_empty());
}

pub(crate) async fn a_plain_insert_of_somebody_erased_is_refused(ground: Ground) {
    let name = store_key(&ground).await.tombstone(&page(), &login("anna"));
    ground.sql(&format!("INSERT INTO tombstones (name, at, erased) VALUES ('{name}', {}, 1)", NOW.ms())).await;
    ground
        .sql(&format!("INSERT INTO optins (page_id, login_id, opted_in_at) VALUES ('1001', 'anna', {})", NOW.ms()))
        .await;
    let id = admit(&ground, NOW).await[0];
    assert_eq!(ground.state(id).await, State::Refused);
}

pub(crate) async fn store_key(ground: &Ground) -> StoreKey {
    let hex = ground.store.setting("store_key").await.unwrap().unwrap();
    StoreKey::new(hex::decode(hex).unwrap().try_into().unwrap())
}

pub(crate) async fn the_readable_view_shows_times(ground: Ground) {
    ground.somebody("anna").await;
    let text = ground.text("SELECT opted_in_at FROM optins_readable WHERE login_id = 'anna'").await.unwrap();
    assert_eq!(text, NOW.to_string());
    assert_eq!(ground.text("SELECT sent_at FROM optins_readable").await, None);
}
