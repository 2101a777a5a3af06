//! Which opt-in, or which person, an operator means.

use crate::commands::exit::Misuse;
use crate::config::Config;
use crate::daemon;
use crate::domain::ids::{LoginId, OptInId, PageId, Psid};
use crate::domain::optin::OptIn;
use crate::domain::signal::{Subject, Whom};
use crate::store::Store;

/// Finds the opt-in meant by a number, a `login_id`, `page/login_id`, `login:login_id` or `psid:psid`.
///
/// A number that no opt-in has is taken for a `login_id`, since many of those are numbers too.
///
/// # Errors
/// [`Misuse`] where several fit, with their numbers; another error where none does.
pub(super) async fn find(store: &Store, text: &str, page: Option<&PageId>) -> anyhow::Result<OptIn> {
    known(store, text, page).await?.ok_or_else(|| nobody(text, page))
}

/// As [`find`], and `None` where no opt-in fits.
///
/// # Errors
/// [`Misuse`] where several fit, with their numbers.
pub(super) async fn known(store: &Store, text: &str, page: Option<&PageId>) -> anyhow::Result<Option<OptIn>> {
    let mut found = candidates(store, text, page).await?;
    if found.len() > 1 {
        return Err(several(text, &found).into());
    }
    Ok(found.pop())
}

async fn candidates(store: &Store, text: &str, page: Option<&PageId>) -> anyhow::Result<Vec<OptIn>> {
    if let Some(psid) = text.strip_prefix("psid:") {
        return Ok(store.optins_of_psid(&valid(text, Psid::new(psid))?, page).await?);
    }
    if let Some(login) = text.strip_prefix("login:") {
        return Ok(store.optins_of_login(&valid(text, LoginId::new(login))?, page).await?);
    }
    if let Ok(number) = text.parse() {
        let found = store.optin(OptInId(number)).await?;
        if let Some(found) = found.filter(|found| page.is_none_or(|page| *page == found.page)) {
            return Ok(vec![found]);
        }
    }
    let found = store.optins_of_login(&valid(text, LoginId::new(text))?, page).await?;
    let Some((before, after)) = text.split_once('/').filter(|_| found.is_empty()) else { return Ok(found) };
    let (Ok(named), Ok(login)) = (PageId::new(before), LoginId::new(after)) else { return Ok(found) };
    if page.is_some_and(|page| *page != named) {
        return Ok(found);
    }
    Ok(store.optins_of_login(&login, Some(&named)).await?)
}

/// Whom an operator means, on every page where they may be known, whether anybody has an opt-in there or not.
///
/// A number that no opt-in has is taken for a `login_id`, as everywhere; `asid:` derives the `login_id` of each page.
///
/// # Errors
/// [`Misuse`] where the text names nobody who could be on a page.
pub(super) async fn subjects(
    store: &Store,
    config: &Config,
    text: &str,
    page: Option<&PageId>,
) -> anyhow::Result<Vec<Subject>> {
    let pages = match page {
        Some(page) => vec![page.clone()],
        None => store.pages_ever().await?,
    };
    let everywhere = |whom: Whom| pages.iter().map(|page| Subject { page: page.clone(), whom: whom.clone() }).collect();
    if let Some(user) = text.strip_prefix("asid:") {
        let user = valid(text, LoginId::new(user))?;
        let derivation = daemon::derivation(config).ok_or_else(|| {
            Misuse("asid: needs login.client_token and the app's id in the configuration; name the login_id".into())
        })?;
        let on = |page: &PageId| {
            Some(Subject { page: page.clone(), whom: Whom::Login(derivation.login_id(user.as_str(), page)?) })
        };
        return Ok(pages.iter().filter_map(on).collect());
    }
    if let Some(psid) = text.strip_prefix("psid:") {
        return Ok(everywhere(Whom::Psid(valid(text, Psid::new(psid))?)));
    }
    if let Ok(number) = text.parse() {
        let found = store.optin(OptInId(number)).await?;
        if let Some(row) = found.filter(|row| pages.contains(&row.page)) {
            return Ok(vec![Subject { page: row.page, whom: Whom::Login(row.login) }]);
        }
    }
    let login = valid(text, LoginId::new(text.strip_prefix("login:").unwrap_or(text)))?;
    let on_a_page = text.split_once('/').and_then(|(page, login)| Some((PageId::new(page).ok()?, login)));
    if let Some((page, login)) = on_a_page.filter(|(page, _)| pages.contains(page))
        && store.optins_of_login(&LoginId::new(text)?, None).await?.is_empty()
    {
        return Ok(vec![Subject { page, whom: Whom::Login(valid(text, LoginId::new(login))?) }]);
    }
    Ok(everywhere(Whom::Login(login)))
}

pub(super) fn valid<T>(text: &str, id: Result<T, crate::domain::ids::IdFault>) -> Result<T, Misuse> {
    id.map_err(|fault| Misuse(format!("{text:?} {fault}")))
}

fn nobody(text: &str, page: Option<&PageId>) -> anyhow::Error {
    let on = page.map(|page| format!(" on page {page}")).unwrap_or_default();
    anyhow::anyhow!(
        "no opt-in is known as {text:?}{on}; use its number, its login_id, PAGE/LOGIN_ID or psid:PSID (see `firstword \
         optin list`)"
    )
}

fn several(text: &str, found: &[OptIn]) -> Misuse {
    let lines =
        found.iter().map(|o| format!("\n  {}  page {}  login_id {}  {}", o.id, o.page, o.login.as_str(), o.state));
    Misuse(format!("{text:?} may be any of these; name it by its number, or add --page:{}", lines.collect::<String>()))
}
