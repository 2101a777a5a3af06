//! `firstword optin list`.

use super::row::Row;
use super::{Exit, open, out};
use crate::cli::Global;
use crate::cli::optin::ListArgs;
use crate::domain::ids::OptInId;
use crate::domain::optin::OptIn;

/// How many rows are fetched at once.
pub(super) const AT_ONCE: i64 = 1000;

pub(super) async fn run(args: &ListArgs, global: &Global) -> anyhow::Result<Exit> {
    let config = open::load(global)?;
    let store = open::open_existing(&config).await?;
    let window = config.policy.window;
    let (mut after, mut left) = (OptInId(args.after), args.limit);
    let mut shown = Vec::new();
    loop {
        let most = left.min(AT_ONCE);
        let rows = store.list(after, args.state, args.page.as_ref(), most).await?;
        let full = i64::try_from(rows.len()).unwrap_or(i64::MAX) >= most;
        after = rows.last().map_or(after, |row| row.id);
        left -= i64::try_from(rows.len()).unwrap_or(left);
        if args.report.json {
            for row in &rows {
                out::json(&Row::whole(row, window))?;
            }
        } else {
            shown.extend(rows.iter().map(|row| cells(row, window.deadline(row.opted_in_at))));
        }
        if !full || left <= 0 {
            if !args.report.json {
                let head = ["ID", "PAGE", "LOGIN_ID", "STATE", "OPTED IN", "DEADLINE", "ATTEMPTS", "REASON"];
                out::line(out::table(head, shown))?;
            }
            if full && !store.list(after, args.state, args.page.as_ref(), 1).await?.is_empty() {
                out::note(format_args!("there are more: --after {after}"));
            }
            return Ok(Exit::Done);
        }
    }
}

fn cells(row: &OptIn, deadline: crate::domain::time::Timestamp) -> [String; 8] {
    [
        row.id.to_string(),
        row.page.to_string(),
        row.login.as_str().to_owned(),
        row.state.to_string(),
        out::time(row.opted_in_at),
        out::time(deadline),
        row.attempts.to_string(),
        row.reason.map(|reason| reason.to_string()).unwrap_or_default(),
    ]
}
