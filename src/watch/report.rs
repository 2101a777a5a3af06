//! The task `daily-report`: what the last 24 hours brought, by page and by variant.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Watch;
use crate::domain::alert::{Alert, Kind};
use crate::domain::ids::PageId;
use crate::domain::job::TaskReport;
use crate::store::Result;
use crate::store::tally::Tally;

/// What a day is.
const DAY: Duration = Duration::from_hours(24);

impl Watch {
    /// Says in the log, and by one notice to every alerts' sink, what the last 24 hours brought. The counts are kept
    /// with the job's run.
    pub async fn daily_report(&self) -> Result<TaskReport> {
        let now = self.clock.now();
        let tallies = self.store.tallies(now.minus(DAY)).await?;
        let mut pages: BTreeMap<&PageId, Tally> = BTreeMap::new();
        for tally in &tallies {
            let page = pages.entry(&tally.page).or_insert_with(|| Tally::empty(tally.page.clone()));
            page.add(tally);
            if let Some(variant) = &tally.variant {
                let (sent, answered, rate) = (tally.sent, tally.answered, percent(tally));
                tracing::info!(page = %tally.page, variant, sent, answered, rate, "a day of a variant");
            }
        }
        let mut all = Tally::empty(PageId::stored(""));
        for tally in pages.values() {
            tracing::info!(
                page = %tally.page,
                opted_in = tally.opted_in,
                sent = tally.sent,
                answered = tally.answered,
                rate = percent(tally),
                missed = tally.missed,
                opted_out = tally.opted_out,
                waiting = tally.waiting,
                uncertain = tally.uncertain,
                "a day of a page"
            );
            all.add(tally);
        }
        let news = Alert::new(Kind::DailyReport, "all pages", in_words(&all, pages.values(), &tallies));
        self.store.report(news, now).await?;
        Ok(TaskReport::of([
            ("opted_in", all.opted_in),
            ("sent", all.sent),
            ("answered", all.answered),
            ("missed", all.missed),
            ("opted_out", all.opted_out),
            ("waiting", all.waiting),
            ("uncertain", all.uncertain),
        ]))
    }
}

/// The day in one line: all pages, each page, each variant.
fn in_words<'a>(all: &Tally, pages: impl Iterator<Item = &'a Tally>, tallies: &[Tally]) -> String {
    let counts = |tally: &Tally| {
        let Tally { opted_in, sent, answered, missed, opted_out, waiting, uncertain, .. } = tally;
        format!(
            "{opted_in} opted in, {sent} sent, {answered} answered ({}), {missed} missed, {opted_out} opted out, \
             {waiting} waiting, {uncertain} uncertain",
            percent(tally)
        )
    };
    let mut parts = vec![counts(all)];
    parts.extend(pages.map(|tally| format!("page {}: {}", tally.page, counts(tally))));
    parts.extend(tallies.iter().filter_map(|tally| {
        let (variant, rate) = (tally.variant.as_ref()?, percent(tally));
        Some(format!(
            "page {}, variant {variant}: {} sent, {} answered ({rate})",
            tally.page, tally.sent, tally.answered
        ))
    }));
    parts.join("; ")
}

/// How many of those who were sent to answered, for people.
fn percent(tally: &Tally) -> String {
    tally.answer_rate().map_or_else(|| "-".to_owned(), |rate| format!("{:.1}%", rate * 100.0))
}
