//! `firstword optin erase`: deletion on a person's request.

use std::io::{self, IsTerminal, Write};

use serde_json::json;

use super::{Exit, open, out, who};
use crate::cli::Global;
use crate::cli::optin::EraseArgs;
use crate::clock::Clock;
use crate::commands::exit::Misuse;
use crate::config::Config;
use crate::daemon;
use crate::domain::ids::{LoginId, OptInId, PageId, Psid};
use crate::domain::signal::{Subject, Whom};
use crate::store::Store;

pub(super) async fn run(args: &EraseArgs, global: &Global) -> anyhow::Result<Exit> {
    let config = open::load(global)?;
    let store = open::open_existing(&config).await?;
    let exit = carry_out(&store, &config, args).await;
    store.close().await;
    exit
}

async fn carry_out(store: &Store, config: &Config, args: &EraseArgs) -> anyhow::Result<Exit> {
    // Nothing is deleted until everybody named is understood, and the operator has said yes.
    let mut people = Vec::new();
    for text in &args.ids {
        people.push((text, subjects(store, config, text, args.page.as_ref()).await?));
    }
    if !args.yes && !confirmed(&people)? {
        out::note("nothing was deleted");
        return Ok(Exit::Failed);
    }
    let now = open::store_clock(store).await?.now();
    for (text, subjects) in people {
        let pages: Vec<String> = subjects.iter().map(|subject| subject.page.to_string()).collect();
        let erased = store.erase(subjects, None, now).await?;
        if args.report.json {
            out::json(&json!({"id": text, "pages": pages, "optins": erased.optins, "attempts": erased.others,
                              "raw_events": erased.raw_events, "result": "erased"}))?;
        } else {
            out::line(format_args!(
                "{}: erased: {} opt-ins, {} attempts, {} raw events; the id is remembered as a keyed hash on {} page(s)",
                out::clean(text),
                erased.optins,
                erased.others,
                erased.raw_events,
                pages.len()
            ))?;
        }
    }
    Ok(Exit::Done)
}

/// Whom an operator means, on every page where they may be known.
///
/// A number that no opt-in has is taken for a `login_id`, as everywhere. Whoever has no row is erased all the same.
async fn subjects(store: &Store, config: &Config, text: &str, page: Option<&PageId>) -> anyhow::Result<Vec<Subject>> {
    let pages = match page {
        Some(page) => vec![page.clone()],
        None => store.pages_ever().await?,
    };
    let everywhere = |whom: Whom| pages.iter().map(|page| Subject { page: page.clone(), whom: whom.clone() }).collect();
    if let Some(user) = text.strip_prefix("asid:") {
        let user = who::valid(text, LoginId::new(user))?;
        let derivation = daemon::derivation(config).ok_or_else(|| {
            Misuse("asid: needs login.client_token and the app's id in the configuration; name the login_id".into())
        })?;
        let on = |page: &PageId| {
            Some(Subject { page: page.clone(), whom: Whom::Login(derivation.login_id(user.as_str(), page)?) })
        };
        return Ok(pages.iter().filter_map(on).collect());
    }
    if let Some(psid) = text.strip_prefix("psid:") {
        return Ok(everywhere(Whom::Psid(who::valid(text, Psid::new(psid))?)));
    }
    if let Ok(number) = text.parse() {
        let found = store.optin(OptInId(number)).await?;
        if let Some(row) = found.filter(|row| pages.contains(&row.page)) {
            return Ok(vec![Subject { page: row.page, whom: Whom::Login(row.login) }]);
        }
    }
    let login = who::valid(text, LoginId::new(text.strip_prefix("login:").unwrap_or(text)))?;
    let on_a_page = text.split_once('/').and_then(|(page, login)| Some((PageId::new(page).ok()?, login)));
    if let Some((page, login)) = on_a_page.filter(|(page, _)| pages.contains(page))
        && store.optins_of_login(&LoginId::new(text)?, None).await?.is_empty()
    {
        return Ok(vec![Subject { page, whom: Whom::Login(who::valid(text, LoginId::new(login))?) }]);
    }
    Ok(everywhere(Whom::Login(login)))
}

/// Asks, where there is somebody to ask.
fn confirmed(people: &[(&String, Vec<Subject>)]) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() {
        return Err(Misuse("erasing cannot be undone, and there is no terminal to ask; add --yes".into()).into());
    }
    for (text, subjects) in people {
        let pages: Vec<String> = subjects.iter().map(|subject| subject.page.to_string()).collect();
        out::note(format_args!("{}: everything about this person on page {}", out::clean(text), pages.join(", ")));
    }
    write!(io::stderr().lock(), "This cannot be undone. Type \"erase\" to go on: ")?;
    let mut word = String::new();
    io::stdin().read_line(&mut word)?;
    Ok(word.trim() == "erase")
}
