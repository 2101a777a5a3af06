//! A second way into the daemon's database, as an operator with a SQL client has it.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, PgPool, SqlitePool};

use crate::place::{Place, until};

pub(crate) enum Database {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Database {
    pub(crate) async fn of(place: &Place) -> Self {
        Self::at(&place.database).await
    }

    pub(crate) async fn at(url: &str) -> Self {
        if url.starts_with("sqlite") {
            Self::Sqlite(SqlitePool::connect(url).await.unwrap())
        } else {
            Self::Postgres(PgPool::connect(url).await.unwrap())
        }
    }

    pub(crate) async fn sql(&self, text: &str) {
        self.try_sql(text).await.unwrap();
    }

    pub(crate) async fn try_sql(&self, text: &str) -> sqlx::Result<()> {
        let query = sqlx::raw_sql(AssertSqlSafe(text.to_owned()));
        match self {
            Self::Sqlite(pool) => query.execute(pool).await.map(drop),
            Self::Postgres(pool) => query.execute(pool).await.map(drop),
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }

    pub(crate) async fn number(&self, query: &str) -> i64 {
        let query = AssertSqlSafe(query.to_owned());
        match self {
            Self::Sqlite(pool) => sqlx::query_scalar(query).fetch_one(pool).await.unwrap(),
            Self::Postgres(pool) => sqlx::query_scalar(query).fetch_one(pool).await.unwrap(),
        }
    }

    /// Rows of a text and a number.
    pub(crate) async fn pairs(&self, query: &str) -> Vec<(String, i64)> {
        let query = AssertSqlSafe(query.to_owned());
        match self {
            Self::Sqlite(pool) => sqlx::query_as(query).fetch_all(pool).await.unwrap(),
            Self::Postgres(pool) => sqlx::query_as(query).fetch_all(pool).await.unwrap(),
        }
    }

    /// How many opt-ins are in each state.
    pub(crate) async fn states(&self) -> BTreeMap<String, i64> {
        self.pairs("SELECT state, count(*) FROM optins GROUP BY state").await.into_iter().collect()
    }

    /// Waits until all opt-ins there are, and so many, are in these states.
    pub(crate) async fn all_in(&self, states: &[&str], count: i64) {
        until(&format!("{count} in {states:?}"), async || {
            let found = self.states().await;
            let there = found.iter().filter(|(state, _)| states.contains(&state.as_str())).map(|(_, n)| n).sum::<i64>();
            (there == count && found.values().sum::<i64>() == count).then_some(())
        })
        .await;
    }

    /// Waits until a person is in a state.
    pub(crate) async fn becomes(&self, login: &str, state: &str) {
        let query = format!("SELECT count(*) FROM optins WHERE login_id = '{login}' AND state = '{state}'");
        until(&format!("{login} {state}"), async || (self.number(&query).await == 1).then_some(())).await;
    }

    /// A person's attempts, in order: outcome (`under way` without one) and number.
    pub(crate) async fn attempts(&self, login: &str) -> Vec<(String, i64)> {
        self.pairs(&format!(
            "SELECT coalesce(a.outcome, 'under way'), a.id FROM attempts AS a JOIN optins AS o ON o.id = a.optin_id
             WHERE o.login_id = '{login}' ORDER BY a.id"
        ))
        .await
    }
}
