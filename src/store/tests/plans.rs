//! What runs every second must cost the same on a big table: it finds its rows in order by a partial index, without a
//! scan and without a sort.

use sqlx::{AssertSqlSafe, Connection, Row};

use super::{postgres, sql, sqlite, writer};
use crate::store::engine::{Pool, Sql, Text};
use crate::store::session;

/// 100,000 people in every state, and an attempt for each.
const PEOPLE: &str =
    "INSERT INTO optins (page_id, login_id, psid, opted_in_at, state, state_since, next_attempt_at, lease_until, fence)
    SELECT CASE WHEN n % 10 = 0 THEN '2' ELSE '1' END, 'login-' || n, 'psid-' || n, 1780000000000 + n * 7 % 86400000,
           CASE WHEN n % 20 < 6 THEN 'pending' WHEN n % 20 < 8 THEN 'retrying' WHEN n % 20 < 9 THEN 'sending'
                WHEN n % 20 < 13 THEN 'sent' WHEN n % 20 < 14 THEN 'uncertain' WHEN n % 20 < 16 THEN 'missed'
                WHEN n % 20 < 18 THEN 'expired' ELSE 'answered' END,
           1780000000000 + n * 11 % 86400000, 1780000000000 + n * 13 % 86400000, 1780000000000 + n * 17 % 86400000, n
    FROM numbers";
const ATTEMPTS: &str = "INSERT INTO attempts (optin_id, cycle, number, node, credential, started_at, message_id)
    SELECT n, 1, 1, 'a', 'c', 1780000000000 + n, 'm-' || n FROM numbers";

/// A statement that must be cheap, the index by which it is, and values for it as PostgreSQL literals.
const CHEAP: &[(&Sql, &str, &str)] = &[
    (sql::claim::ATTEMPTS, "optins_claim", "'1', 1780040000000, 20, 1780060000000, 1780045000000"),
    (sql::upkeep::NEW, "optins_new", "0, 500"),
    (sql::upkeep::DUE, "optins_due", "1780040000000, 500"),
    (sql::upkeep::NEXT_DUE, "optins_due", ""),
    (sql::upkeep::LAPSED, "optins_lease", "1780040000000, 500"),
    (sql::upkeep::MISSED, "optins_claim", "'1', 1780040000000, 500"),
    (sql::doubt::ANY, "optins_doubt", "'1'"),
    (sql::doubt::OPEN, "optins_doubt", "'1', 1780040000000, 1780000000000, 0, 0, 500"),
    (sql::upkeep::UNANSWERED, "optins_unanswered", "1780040000000, 500"),
    (sql::upkeep::ENDED, "optins_ended", "1780040000000, 200"),
    (sql::batches::WAITING, "optins_claim", "'1', 1780040000000, 1780050000000"),
    (sql::backlog::PENDING, "optins_claim", "'1', 1780040000000, 1780050000000, 60000"),
    (sql::backlog::LONGEST, "optins_claim", "'1', 1780040000000"),
];

#[tokio::test]
async fn sqlite_plans() {
    let (store, _dir) = sqlite().await;
    let writer = writer(&store);
    let numbers = "WITH RECURSIVE numbers (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM numbers WHERE n < 100000) ";
    for (insert, select) in [PEOPLE, ATTEMPTS].map(|fill| fill.split_once("SELECT").unwrap()) {
        sqlx::query(AssertSqlSafe(format!("{insert} {numbers} SELECT {select}"))).execute(writer).await.unwrap();
    }
    let plan = async |text: &str| {
        let rows = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}"))).fetch_all(writer).await.unwrap();
        rows.iter().map(|row| row.get::<String, _>("detail")).collect::<Vec<_>>()
    };
    // As a daemon finds it, which never analyzes, and as an operator who does leaves it.
    for analyzed in [false, true] {
        if analyzed {
            sqlx::query("ANALYZE").execute(writer).await.unwrap();
        }
        for (sql, index, _) in CHEAP {
            let plan = plan(sql.sqlite).await;
            let good = plan.iter().any(|step| step.contains(&format!("INDEX {index}")));
            let bad = plan.iter().any(|step| step.contains("TEMP B-TREE") || step == "SCAN optins");
            assert!(good && !bad, "{} analyzed={analyzed}: {plan:#?}", sql.name);
        }
        // What counts every row reads the table in its own order, not in an index's, which looks each row up.
        for sql in [sql::report::COUNTS, sql::tally::TALLY] {
            let plan = plan(sql.sqlite).await;
            assert_eq!(
                plan.first().map(String::as_str),
                Some("SCAN optins"),
                "{} analyzed={analyzed}: {plan:#?}",
                sql.name
            );
        }
        let take = plan(sql::claim::TAKE.sqlite).await;
        let steps =
            ["SEARCH a USING INTEGER PRIMARY KEY (rowid>?)", "SEARCH optins USING INTEGER PRIMARY KEY (rowid=?)"];
        assert_eq!(take, steps, "claim_take analyzed={analyzed}");
        for batch in sql::batches() {
            for sized in batch.sizes() {
                let mut steps = Vec::new();
                for statement in sized.sqlite().split(";\n") {
                    steps.append(&mut plan(statement).await);
                }
                let plan = steps;
                let scan = plan.iter().any(|step| {
                    // An index made for one statement is made by a scan.
                    let scans = ["SCAN optins", "SCAN attempts", "SCAN o", "SCAN a"].contains(&step.as_str());
                    scans || step.contains("AUTOMATIC")
                });
                assert!(!scan, "{} analyzed={analyzed}: {plan:#?}", batch.name);
            }
        }
    }
}

#[tokio::test]
async fn postgres_plans() {
    let store = postgres().await;
    let Pool::Postgres(sessions) = &store.pool else { panic!("PostgreSQL") };
    let pool = sessions.pool();
    let mut conn = pool.acquire().await.unwrap().detach();
    // With statistics the planner must choose well by itself.
    let unbound = "SET enable_seqscan = on; SET enable_hashjoin = on; SET enable_mergejoin = on";
    sqlx::raw_sql(unbound).execute(&mut conn).await.unwrap();
    for fill in [PEOPLE, ATTEMPTS] {
        let fill = fill.replace("FROM numbers", "FROM generate_series(1, 100000) AS n");
        sqlx::raw_sql(AssertSqlSafe(fill)).execute(&mut conn).await.unwrap();
    }
    sqlx::raw_sql("ANALYZE").execute(&mut conn).await.unwrap();
    let mut plan = async |mode: &str, text: &str, values: &str| {
        let values = if values.is_empty() { String::new() } else { format!("({values})") };
        let text = format!("SET plan_cache_mode = {mode}; DEALLOCATE ALL; PREPARE probe AS {text}");
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut conn).await.unwrap();
        let explain = sqlx::raw_sql(AssertSqlSafe(format!("EXPLAIN (COSTS OFF) EXECUTE probe {values}")));
        let rows = explain.fetch_all(&mut conn).await.unwrap();
        rows.iter().map(|row| row.get::<String, _>(0)).collect::<Vec<_>>().join("\n")
    };
    let claim =
        "'1', 1780050000000, 1780040000000, 20, 50000, 0, 1780050015000, 'n', 'c', 1780060000000, 1780045000000, 0";
    let claim = (sql::claim::WHOLE, "optins_claim", claim);
    // The driver keeps statements prepared, and the server may plan them with or without their values.
    for mode in ["force_custom_plan", "force_generic_plan"] {
        for (sql, index, values) in CHEAP.iter().chain([&claim]) {
            let plan = plan(mode, sql.postgres, values).await;
            let good = plan.contains(&format!("using {index} on optins"));
            assert!(
                good && !plan.contains("Sort") && !plan.contains("Seq Scan on optins"),
                "{} {mode}:\n{plan}",
                sql.name
            );
        }
        for batch in sql::batches().into_iter().filter(|batch| batch.name != sql::optins::INSERT.name) {
            for (power, sized) in batch.sizes().enumerate() {
                let values = lists(batch.width(), power);
                let plan = plan(mode, sized.postgres(), &values).await;
                let scan = plan.contains("Seq Scan on optins") || plan.contains("Seq Scan on attempts");
                assert!(!scan, "{} x{} {mode}:\n{plan}", batch.name, 1 << power);
            }
        }
    }
    conn.close().await.unwrap();
}

/// Values for a batch over `2^power` rows, as PostgreSQL literals.
fn lists(width: usize, power: usize) -> String {
    let list = format!("'{{{}}}'", vec!["NULL"; 1 << power].join(","));
    vec![list; width].join(", ")
}

/// A group finds its rows by their key whatever the statistics say: a young table has none, and a small one looks cheap
/// to read. What is planned then is kept while the table grows, so neither the table nor an index may be walked.
#[tokio::test]
async fn postgres_walks_no_young_table() {
    const WALKS: [&str; 10] = [
        "Seq Scan on optins",
        "Seq Scan on attempts",
        "Hash Join",
        "Merge Join",
        "optins_claim",
        "optins_due",
        "optins_lease",
        "optins_unanswered",
        "optins_ended",
        "optins_doubt",
    ];
    for people in [0, 2000] {
        let store = postgres().await;
        let Pool::Postgres(sessions) = &store.pool else { panic!("PostgreSQL") };
        let mut conn = sessions.pool().acquire().await.unwrap().detach();
        for fill in [PEOPLE, ATTEMPTS] {
            let fill = fill.replace("FROM numbers", &format!("FROM generate_series(1, {people}) AS n"));
            sqlx::raw_sql(AssertSqlSafe(fill)).execute(&mut conn).await.unwrap();
        }
        sqlx::raw_sql(session::BEGIN).execute(&mut conn).await.unwrap();
        // A new row looks for nobody.
        for batch in sql::batches().into_iter().filter(|batch| batch.name != sql::optins::INSERT.name) {
            for (power, sized) in batch.sizes().enumerate() {
                let values = lists(batch.width(), power);
                let explain = format!(
                    "PREPARE probe AS {}; EXPLAIN (COSTS OFF) EXECUTE probe ({values}); DEALLOCATE probe",
                    sized.postgres()
                );
                let rows = sqlx::raw_sql(AssertSqlSafe(explain)).fetch_all(&mut conn).await.unwrap();
                let plan = rows.iter().map(|row| row.get::<String, _>(0)).collect::<Vec<_>>().join("\n");
                let walk = WALKS.iter().find(|walk| plan.contains(**walk));
                assert_eq!(walk, None, "{} x{} of {people}:\n{plan}", batch.name, 1 << power);
            }
        }
        conn.close().await.unwrap();
    }
}
