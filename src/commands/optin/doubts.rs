//! `firstword optin doubts`: why attempts of unknown end are held, and not sent again.

use serde_json::{Value, json};

use super::{Exit, open, out};
use crate::cli::Global;
use crate::cli::optin::DoubtsArgs;
use crate::clock::Clock;
use crate::domain::evidence::{against, against_one};
use crate::domain::ids::PageId;
use crate::domain::optin::OptIn;
use crate::domain::policy::UncertainPolicy;
use crate::domain::time::Timestamp;
use crate::store::Store;
use crate::store::doubt::{Doubt, Doubts};

pub(super) async fn run(args: &DoubtsArgs, global: &Global) -> anyhow::Result<Exit> {
    let config = open::load(global)?;
    let store = open::open_existing(&config).await?;
    let now = open::store_clock(&store).await?.now();
    if let Some(page) = args.page.as_ref().filter(|_| args.trust) {
        let lifted = store.trust_echoes(page.clone(), now).await?;
        let what = if lifted { "silence is measured anew" } else { "nothing was proved against silence here" };
        out::note(format_args!("page {page}: {what}"));
    }
    let by = now.minus(config.policy.settle_after);
    let doubts = store.doubts(by).await?;
    let pages = config.pages.iter().map(|page| &page.id).chain(doubts.iter().map(|page| &page.page));
    let mut pages: Vec<&PageId> = pages.filter(|page| args.page.as_ref().is_none_or(|only| only == *page)).collect();
    pages.sort_unstable();
    pages.dedup();
    for page in pages {
        let mine = doubts.iter().find(|one| one.page == *page);
        let told = Told { page, doubts: mine, against: page_wide(&store, page, now).await? };
        if args.report.json { out::json(&told.json(&store).await?)? } else { told.print()? }
    }
    store.close().await;
    Ok(Exit::Done)
}

/// What is told of one page.
struct Told<'a> {
    page: &'a PageId,
    doubts: Option<&'a Doubts>,
    against: Vec<String>,
}

impl Told<'_> {
    fn print(&self) -> anyhow::Result<()> {
        let page = self.page;
        match self.doubts {
            Some(doubts) => {
                let since = out::time(doubts.since);
                let Doubts { all, held, .. } = doubts;
                out::line(format_args!("page {page}: {all} in doubt, {held} of them held; the oldest since {since}"))?;
            }
            None => out::line(format_args!("page {page}: nobody in doubt"))?,
        }
        if self.against.is_empty() {
            out::line("  sent again, once, where nothing else stands against it: `firstword optin show ID`")?;
        }
        self.against.iter().try_for_each(|line| out::line(format_args!("  {line}"))).map_err(Into::into)
    }

    async fn json(&self, store: &Store) -> anyhow::Result<Value> {
        let echoes = store.echoes(self.page).await?;
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
        Ok(json!({
            "page_id": self.page,
            "in_doubt": self.doubts.map_or(0, |doubts| doubts.all),
            "held": self.doubts.map_or(0, |doubts| doubts.held),
            "since": time(self.doubts.map(|doubts| doubts.since)),
            "echoed": echoes.echoed,
            "evidence_sample": store.policy().evidence_sample,
            "unechoed_at": time(echoes.unechoed_at),
            "refuted_at": time(echoes.refuted_at),
            "against": self.against,
        }))
    }
}

/// What stands against sending again to anybody of a page.
async fn page_wide(store: &Store, page: &PageId, now: Timestamp) -> anyhow::Result<Vec<String>> {
    let policy = store.policy();
    Ok(match policy.uncertain {
        UncertainPolicy::Hold => vec!["policy.uncertain is \"hold\": an operator settles doubts".to_owned()],
        UncertainPolicy::Resend => Vec::new(),
        UncertainPolicy::Evidence => {
            let against = against(&store.echoes(page).await?, &policy, now);
            against.iter().map(|one| format!("not sent again: {one}")).collect()
        }
    })
}

/// Why one opt-in in doubt is not sent to again; where nothing stands against it, that it will be.
pub(super) async fn of_one(store: &Store, o: &OptIn, now: Timestamp) -> anyhow::Result<Vec<String>> {
    let policy = store.policy();
    let settled = o.lease_until.map(|lease| lease.plus(policy.settle_after));
    let never = if o.opted_out_at.is_some() {
        Some("this person said stop")
    } else if o.resent_at.is_some() {
        Some("it was sent again once already")
    } else if o.lease_until.is_none() || policy.window.hard_stop(o.opted_in_at) <= now {
        Some("its hard stop has passed")
    } else {
        None
    };
    if let Some(why) = never {
        return Ok(vec![format!("It is not sent again: {why}.")]);
    }
    if let Some(settled) = settled.filter(|settled| *settled > now) {
        return Ok(vec![format!("Evidence is waited for until {} ({}).", out::time(settled), out::away(settled, now))]);
    }
    let mut why = page_wide(store, &o.page, now).await?;
    if policy.uncertain == UncertainPolicy::Evidence
        && let Some(doubt) = doubt_of(store, o).await?
    {
        let around = against_one(&store.around(&o.page, &doubt).await?);
        why.extend(around.iter().map(|one| format!("not sent again: {one}")));
    }
    if why.is_empty() {
        why.push("sent again at the next look: nothing stands against it".to_owned());
    }
    Ok(why)
}

/// The attempt it is in doubt about.
async fn doubt_of(store: &Store, o: &OptIn) -> anyhow::Result<Option<Doubt>> {
    let (Some(attempt), Some(lease_until)) = (o.fence, o.lease_until) else { return Ok(None) };
    let attempts = store.attempts_of(o.id).await?;
    let started_at = attempts.iter().find(|one| one.attempt == attempt.0).map(|one| one.started_at);
    Ok(started_at.map(|started_at| Doubt { optin: o.id, attempt, started_at, lease_until }))
}
