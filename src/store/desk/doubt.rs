//! What a group means for doubts: echoes that can be measured, second messages that are proved, alerts that end.

use super::Desk;
use crate::domain::alert::Kind;
use crate::domain::ids::PageId;
use crate::store::engine::{Conn, Value};
use crate::store::error::Result;
use crate::store::sql;

impl Desk<'_> {
    pub(super) async fn write_doubts(&mut self, conn: &mut Conn) -> Result<()> {
        let now = self.now.ms();
        let echo = |(attempt, page)| -> Vec<Value<'_>> { vec![attempt, page, now.into()] };
        let echoes = self.echoes.iter().map(|(attempt, page)| echo((attempt.0.into(), page.as_str().into())));
        sql::echoes::HEARD.run(conn, &echoes.collect::<Vec<_>>()).await?;
        for page in self.proved(conn).await? {
            conn.run(sql::echoes::REFUTE, &[page.as_str().into(), now.into()]).await?;
        }
        for page in std::mem::take(&mut self.settled) {
            if conn.row::<i64>(sql::doubt::ANY, &[page.as_str().into()]).await?.is_none() {
                self.resolve(Kind::UncertainHeld, &page);
            }
        }
        Ok(())
    }

    /// Alerts every second message that is proved now. Returns the pages where one was granted on silence: there
    /// silence means nothing.
    async fn proved(&mut self, conn: &mut Conn) -> Result<Vec<PageId>> {
        let mut pages = Vec::new();
        for at in std::mem::take(&mut self.proofs) {
            let Some(row) = self.entries.get(at).map(|entry| &entry.after) else { continue };
            let arrived = conn.row::<i64>(sql::doubt::ARRIVED, &[row.id.0.into(), row.cycle.into()]).await?;
            if arrived.unwrap_or(0) > 1 {
                let (page, detail) = (row.page.clone(), format!("optin {}", row.id));
                let on_silence = row.resent_at.is_some();
                self.raise(Kind::SecondMessage, &page, detail);
                pages.extend(on_silence.then_some(page));
            }
        }
        // In order of their ids, so that two groups never wait for each other.
        pages.sort_unstable();
        Ok(pages)
    }
}
