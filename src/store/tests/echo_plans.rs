//! The measure of echoes is taken every few seconds: it walks along indexes, whatever the tables hold.

use sqlx::{AssertSqlSafe, Connection, Row};

use super::{postgres, sql, sqlite, writer};
use crate::store::engine::{Pool, Sql};

/// 50,000 messages of a page, all echoed, and as many times of intake.
const FILL: [&str; 4] = [
    "INSERT INTO pages (page_id) VALUES ('1')",
    "INSERT INTO optins (id, page_id, login_id, state) SELECT n, '1', 'login-' || n, 'sent' FROM numbers",
    "INSERT INTO attempts (id, optin_id, cycle, number, node, credential, started_at, outcome, ended_at)
     SELECT n, n, 1, 1, 'a', 'c', 1780000000000 + n, 'accepted', 1780000000000 + n FROM numbers",
    "INSERT INTO echoes (attempt_id, page_id, echoed_at, accepted_at)
     SELECT n, '1', 1780000000000 + n, 1780000000000 + n FROM numbers",
];
const TIMES: &str = "INSERT INTO intake_times (node, since, until)
    SELECT 'a', 1780000000000 + n, 1780000000001 + n FROM numbers";

/// A statement, and values for it as PostgreSQL literals.
const CHEAP: &[(&Sql, &str)] = &[
    (sql::echoes::FIRST, ""),
    (sql::echoes::NEXT, "49000, 1000"),
    (sql::echoes::MEASURE, "'1', 300"),
    (sql::echoes::SINCE, "'1', 49000, 1780000049000, 3"),
    (sql::echoes::INTAKE, "1780000049990, 1780000049995"),
    (sql::doubt::ARRIVED, "1, 1"),
];

fn fill(numbers: &str) -> Vec<String> {
    FILL.iter().chain([&TIMES]).map(|text| text.replace("FROM numbers", numbers)).collect()
}

#[tokio::test]
async fn sqlite_walks_along_indexes() {
    let (store, _dir) = sqlite().await;
    let writer = writer(&store);
    let numbers = "FROM (WITH RECURSIVE numbers (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM numbers WHERE n < 50000)
                         SELECT n FROM numbers)";
    for text in fill(numbers) {
        sqlx::query(AssertSqlSafe(text)).execute(writer).await.unwrap();
    }
    for (sql, _) in CHEAP {
        let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", sql.sqlite));
        let rows = sqlx::query(explain).fetch_all(writer).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        let bad = |step: &String| {
            // FIRST reads one row of a table in its order; a sample of at most so many rows is counted.
            let ordered = sql.name == "echoes_first" || step == "SCAN sample" || step == "SCAN since";
            step.contains("TEMP B-TREE FOR ORDER") || step.starts_with("SCAN") && !ordered
        };
        assert!(!plan.iter().any(bad), "{}: {plan:#?}", sql.name);
    }
}

#[tokio::test]
async fn postgres_walks_along_indexes() {
    let store = postgres().await;
    let Pool::Postgres(sessions) = &store.pool else { panic!("PostgreSQL") };
    let pool = sessions.pool();
    let mut conn = pool.acquire().await.unwrap().detach();
    for text in fill("FROM generate_series(1, 50000) AS n") {
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut conn).await.unwrap();
    }
    sqlx::raw_sql("ANALYZE").execute(&mut conn).await.unwrap();
    for mode in ["force_custom_plan", "force_generic_plan"] {
        for (sql, values) in CHEAP {
            let values = if values.is_empty() { String::new() } else { format!("({values})") };
            let text = format!("SET plan_cache_mode = {mode}; DEALLOCATE ALL; PREPARE probe AS {}", sql.postgres);
            sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut conn).await.unwrap();
            let explain = sqlx::raw_sql(AssertSqlSafe(format!("EXPLAIN (COSTS OFF) EXECUTE probe {values}")));
            let rows = explain.fetch_all(&mut conn).await.unwrap();
            let plan = rows.iter().map(|row| row.get::<String, _>(0)).collect::<Vec<_>>().join("\n");
            let bad = ["optins", "attempts", "echoes", "intake_times"]
                .iter()
                .any(|t| plan.contains(&format!("Seq Scan on {t}")));
            assert!(!bad, "{} {mode}:\n{plan}", sql.name);
        }
    }
    conn.close().await.unwrap();
}
