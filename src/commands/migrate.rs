//! `firstword migrate`: opening a database brings its schema up to date.

use serde_json::json;

use super::open::sqlite_file;
use super::{Exit, load, open_store, out};
use crate::cli::{Global, Report};

pub(super) async fn run(report: Report, global: &Global) -> anyhow::Result<Exit> {
    let config = load(global)?;
    let file = sqlite_file(&config.database.url);
    let made = file.is_some_and(|file| !file.exists());
    open_store(&config).await?.close().await;
    let database = config.database.shown();
    if report.json {
        out::json(&json!({"database": database, "made": made, "up_to_date": true}))?;
    } else if made {
        out::line(format_args!("made {database}; its schema is up to date"))?;
    } else {
        out::line(format_args!("the schema of {database} is up to date"))?;
    }
    Ok(Exit::Done)
}
