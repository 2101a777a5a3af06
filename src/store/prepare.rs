//! Every statement prepared: a schema that was changed by hand, or a right that is missing, shows before the first send.

use super::Store;
use super::engine::{Conn, Text};
use super::error::{Error, Result};
use super::sql;

impl Store {
    /// Prepares every statement the store can send; returns how many there are.
    ///
    /// # Errors
    /// [`Error::Unfit`] names the statement that the database does not understand.
    pub async fn prepare_all(&self) -> Result<usize> {
        let mut conn = self.pool.reader().await?;
        // SQLite plans by the schema it remembers until a statement that runs makes it look.
        conn.row::<String>(sql::system::SETTING, &["store_key".into()]).await?;
        let mut count = 0;
        for sql in sql::all() {
            prepare(&mut conn, sql.name, sql).await?;
            count += 1;
        }
        for batch in sql::batches() {
            for sized in batch.sizes() {
                prepare(&mut conn, batch.name, sized).await?;
                count += 1;
            }
        }
        Ok(count)
    }
}

async fn prepare(conn: &mut Conn, name: &str, sql: impl Text) -> Result<()> {
    conn.prepare(sql).await.map_err(|error| match error {
        Error::Unavailable(cause) if cause.as_database_error().is_some() => Error::Unfit(format!(
            "the database does not understand the statement {name} ({cause}); its schema was changed by hand, or a right is missing"
        )),
        error => error,
    })
}
