//! Erasure: what is left of a person, and what becomes of whatever names them afterwards.

use std::io::Write;
use std::time::Duration;

use tokio::sync::Barrier;

use crate::ground::{
    Ground, NOW, accepted, by_attempt, by_login, by_message, by_psid, created, ended, later, login, opt_in, page, psid,
    said,
};
use firstword::domain::ids::PageId;
use firstword::domain::optin::Reason;
use firstword::domain::signal::{Links, Receipt, Sign, Signal, Subject, Whom};
use firstword::domain::site::Event;
use firstword::store::erase::Erased;

const REPLY: Sign = Sign::Reply { stop: false };
const STOP: Sign = Sign::Reply { stop: true };
const OUT: Sign = Sign::OptOut(Reason::OptOutEvent);

fn by(name: &str) -> Subject {
    Subject { page: page(), whom: Whom::Login(login(name)) }
}

/// Where a text stands in the database, looking at every column of every table.
async fn found(ground: &Ground, text: &str) -> Vec<String> {
    let tables = ground.either(
        "SELECT group_concat(name) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
        "SELECT string_agg(tablename, ',') FROM pg_tables WHERE schemaname = 'public'",
    );
    let tables = ground.text(tables).await.unwrap();
    let mut places = Vec::new();
    for table in tables.split(',') {
        let columns = ground.either(
            "SELECT group_concat('\"' || name || '\"', '||''|''||') FROM pragma_table_info('TABLE')",
            "SELECT 't::text' WHERE 'TABLE' <> ''",
        );
        let columns = ground.text(&columns.replace("TABLE", table)).await.unwrap();
        // A NULL would swallow its row.
        let row = if ground.is_sqlite() {
            columns.split("||'|'||").map(|column| format!("COALESCE({column}, '')")).collect::<Vec<_>>().join("||'|'||")
        } else {
            columns
        };
        let query = format!("SELECT count(*) FROM {table} AS t WHERE {row} LIKE '%{text}%'");
        if ground.number(&query).await != Some(0) {
            places.push(table.to_owned());
        }
    }
    places
}

/// Somebody of whom everything is known that can be.
async fn somebody_in_full(ground: &Ground) {
    // What the site is told waits in the outbox.
    ground.store.tell_site(Event::DEFAULT.to_vec());
    let claim = ground.greeted("sentinel-login", "m.sentinel").await;
    let links = Links { psid: Some(psid("5550007770001")), ..by_attempt(claim.attempt) };
    ground.apply(said(REPLY, links)).await;
    for raw in [
        r#"{"optin":{"login_id":["sentinel-login"]}}"#,
        r#"{"sender":{"id":5550007770001},"message":7}"#,
        r#"{"somebody":"else"}"#,
    ] {
        ground.apply(Signal::Unparsed { page: Some(page()), raw: raw.into() }).await;
    }
}

const SENTINELS: [&str; 3] = ["sentinel-login", "5550007770001", "m.sentinel"];

pub(crate) async fn erasure_leaves_the_tombstone_only(ground: Ground) {
    somebody_in_full(&ground).await;
    created(ground.apply(opt_in("bert", NOW)).await);
    let before = found(&ground, SENTINELS[0]).await;
    assert_eq!(before.len(), 3, "a search that finds nothing proves nothing: {before:?}");
    assert_eq!(found(&ground, SENTINELS[1]).await.len(), 3);
    let erased = ground.store.erase(vec![by("sentinel-login")], None, later(5)).await.unwrap();
    assert_eq!(erased, Erased { optins: 1, others: 3, raw_events: 2 });
    for sentinel in SENTINELS {
        assert_eq!(found(&ground, sentinel).await, Vec::<String>::new(), "{sentinel}");
    }
    let rows = "SELECT (SELECT count(*) FROM optins) * 10 + (SELECT count(*) FROM unparsed)";
    assert_eq!(ground.number(rows).await, Some(11), "what is of others stays");

    // Whatever names them now is known, and stores nothing.
    let psid = || by_psid("5550007770001");
    for signal in [
        opt_in("sentinel-login", later(900)),
        said(REPLY, by_login("sentinel-login")),
        said(STOP, psid()),
        said(REPLY, psid()),
        said(OUT, Links { psid: psid().psid, ..by_login("sentinel-login") }),
    ] {
        assert_eq!(ground.apply_at(signal.clone(), later(900)).await, Receipt::Erased, "{signal:?}");
    }
    assert_eq!(ground.apply(said(Sign::Receipt, by_message("m.sentinel"))).await, Receipt::Unknown);
    for sentinel in SENTINELS {
        assert_eq!(found(&ground, sentinel).await, Vec::<String>::new(), "{sentinel}");
    }
    assert_eq!(ground.number("SELECT count(*) FROM tombstones WHERE erased = 1 AND maybe_greeted = 1").await, Some(2));
    assert_eq!(ground.store.erase(vec![by("sentinel-login")], None, later(6)).await.unwrap(), Erased::default());
}

pub(crate) async fn erasure_by_psid_takes_every_opt_in_of_it(ground: Ground) {
    somebody_in_full(&ground).await;
    let other = ground.greeted("other-login", "m.2").await;
    ground.apply(said(REPLY, Links { psid: Some(psid("5550007770001")), ..by_attempt(other.attempt) })).await;
    let whom = Whom::Psid(psid("5550007770001"));
    let elsewhere = Subject { page: PageId::new("2002").unwrap(), whom: whom.clone() };
    assert_eq!(ground.store.erase(vec![elsewhere], None, NOW).await.unwrap().optins, 0, "a PSID is of one page");
    let erased = ground.store.erase(vec![Subject { page: page(), whom }], None, NOW).await.unwrap();
    assert_eq!((erased.optins, erased.others), (2, 6));
    for sentinel in [SENTINELS[0], SENTINELS[1], "other-login"] {
        assert_eq!(found(&ground, sentinel).await, Vec::<String>::new(), "{sentinel}");
    }
    assert_eq!(ground.apply(opt_in("other-login", NOW)).await, Receipt::Erased);
}

/// The same by the login alone: the other opt-in of the same PSID is the same person's.
pub(crate) async fn erasure_follows_the_psid(ground: Ground) {
    somebody_in_full(&ground).await;
    let other = ground.greeted("other-login", "m.2").await;
    ground.apply(said(REPLY, Links { psid: Some(psid("5550007770001")), ..by_attempt(other.attempt) })).await;
    assert_eq!(ground.store.erase(vec![by("other-login")], None, NOW).await.unwrap().optins, 2);
    assert_eq!(found(&ground, SENTINELS[0]).await, Vec::<String>::new());
}

pub(crate) async fn erasure_stops_what_is_in_flight(ground: Ground) {
    let mut stops = ground.store.work().stops();
    let claim = ground.claimed("anna").await;
    ground.store.erase(vec![by("anna")], None, NOW).await.unwrap();
    assert_eq!(stops.recv().await.unwrap(), claim.attempt);
    // It had left all the same: nothing is stored, and it may have arrived.
    assert_eq!(ground.record(ended(&claim, accepted("m.1"))).await, Receipt::Unknown);
    assert_eq!(ground.number("SELECT count(*) FROM optins").await, Some(0));
    assert_eq!(ground.number("SELECT count(*) FROM attempts").await, Some(0));
    assert_eq!(ground.number("SELECT maybe_greeted FROM tombstones").await, Some(1));
    assert_eq!(ground.claim_at(9, NOW).await.len(), 0);
}

pub(crate) async fn strangers_can_be_erased_and_numbers_are_not_used_again(ground: Ground) {
    let stranger = Subject { page: page(), whom: Whom::Psid(psid("88")) };
    let erased = ground.store.erase(vec![by("anna"), stranger], None, NOW).await.unwrap();
    assert_eq!(erased, Erased::default());
    assert_eq!(ground.apply(opt_in("anna", NOW)).await, Receipt::Erased);
    assert_eq!(ground.apply(said(STOP, by_psid("88"))).await, Receipt::Erased);
    let last = ground.somebody("bert").await;
    ground.store.erase(vec![by("bert")], None, NOW).await.unwrap();
    assert!(ground.somebody("carl").await > last);
    // Of somebody whose row was purged, what was remembered is not forgotten.
    ground.apply(said(OUT, by_login("dora"))).await;
    ground.store.purge(NOW, 10, later(1)).await.unwrap();
    ground.store.erase(vec![by("dora")], None, later(2)).await.unwrap();
    assert_eq!(ground.number("SELECT count(*) FROM tombstones WHERE erased = 1 AND opted_out_at > 0").await, Some(1));
}

pub(crate) async fn a_deletion_is_remembered_by_its_code(ground: Ground) {
    let code = ground.store.deletion_code("1001", NOW);
    assert_eq!(code, ground.store.deletion_code("1001", NOW));
    for other in [ground.store.deletion_code("1001", later(1)), ground.store.deletion_code("1002", NOW)] {
        assert_ne!(code, other);
    }
    assert_eq!(ground.store.deletion(&code).await.unwrap(), None);
    ground.store.erase(vec![by("anna")], Some(code.clone()), NOW).await.unwrap();
    ground.store.erase(vec![by("anna")], Some(code.clone()), later(9)).await.unwrap();
    assert_eq!(ground.store.deletion(&code).await.unwrap(), Some(NOW), "when it was first carried out");
}

pub(crate) async fn pages_are_known_for_ever(ground: Ground) {
    let named = |pages: Vec<PageId>| pages.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(named(ground.store.pages_ever().await.unwrap()), ["1001"]);
    for (page, login) in [("3", "a"), ("1001", "b"), ("2", "c"), ("3", "d")] {
        ground.sql(&format!("INSERT INTO optins (page_id, login_id) VALUES ('{page}', '{login}')")).await;
    }
    let mut pages = named(ground.store.pages_ever().await.unwrap());
    pages.sort();
    assert_eq!(pages, ["1001", "2", "3"]);
}

/// Two nodes, one stores a person while the other erases them: whoever comes first, nothing of them stays.
pub(crate) async fn erasure_against_arrivals(ground: Ground) {
    let (other, rounds) = (ground.node().await, 150_u32);
    let mut came_first = 0;
    for round in 0..rounds {
        let name = format!("p{round}");
        let barrier = Barrier::new(2);
        let arriving = async {
            barrier.wait().await;
            ground.store.apply(vec![opt_in(&name, NOW), said(STOP, by_psid(&name))], NOW).await.unwrap()[0]
        };
        let erasing = async {
            barrier.wait().await;
            if round % 2 == 0 {
                tokio::time::sleep(Duration::from_micros(u64::from(round) * 10)).await;
            }
            other.erase(vec![by(&name)], None, NOW).await.unwrap()
        };
        let (receipt, erased) = tokio::join!(arriving, erasing);
        came_first += erased.optins;
        let expected = erased.optins == 1;
        assert_eq!(matches!(receipt, Receipt::Created(_)), expected, "round {round}: {receipt:?} {erased:?}");
    }
    assert_eq!(ground.number("SELECT count(*) FROM optins").await, Some(0));
    let mut out = std::io::stderr();
    writeln!(out, "{rounds} rounds, {came_first} of them arrived first; nothing is left of anybody").unwrap();
}
