//! Which opt-in an operator means.

use crate::commands::exit::Misuse;
use crate::domain::ids::{LoginId, OptInId, PageId, Psid};
use crate::domain::optin::OptIn;
use crate::store::Store;

/// Finds the opt-in meant by a number, a `login_id`, `page/login_id`, `login:login_id` or `psid:psid`.
///
/// A number that no opt-in has is taken for a `login_id`, since many of those are numbers too.
///
/// # Errors
/// [`Misuse`] where several fit, with their numbers; another error where none does.
pub(super) async fn find(store: &Store, text: &str, page: Option<&PageId>) -> anyhow::Result<OptIn> {
    let mut found = candidates(store, text, page).await?;
    match found.len() {
        1 => found.pop().ok_or_else(|| nobody(text, page)),
        0 => Err(nobody(text, page)),
        _ => Err(several(text, &found).into()),
    }
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
