//! `firstword login-url`: the address that asks a test person for consent again, for sites whose SDK cannot.

use serde_json::json;

use super::exit::Misuse;
use super::{Exit, load, out};
use crate::cli::{Global, LoginUrlArgs};
use crate::config::Config;
use crate::domain::ids::PageId;

/// What the login asks for.
const SCOPE: &str = "email,user_messenger_contact";

pub(super) fn run(args: &LoginUrlArgs, global: &Global) -> anyhow::Result<Exit> {
    let config = load(global)?;
    let url = url(args, &config)?;
    if args.report.json {
        out::json(&json!({"url": url}))?;
    } else {
        out::line(url)?;
    }
    Ok(Exit::Done)
}

/// The manual flow's address, as the platform documents it. `rerequest` asks even whoever consented, and
/// `reset_messenger_state` shows the consent again, to people with a role in the app.
fn url(args: &LoginUrlArgs, config: &Config) -> Result<String, Misuse> {
    let page = page(args.page.as_ref(), config)?;
    let login = config.login.as_ref().and_then(|login| login.app_id.as_ref());
    let app = login.or(config.messenger.app_id.as_ref()).ok_or_else(|| {
        Misuse("the app people log in with is not known: set login.app_id, or messenger.app_id".to_owned())
    })?;
    let query = [
        ("client_id", app.as_str()),
        ("redirect_uri", &args.redirect_uri),
        ("auth_type", "rerequest"),
        ("scope", SCOPE),
        ("messenger_page_id", page.as_str()),
        ("reset_messenger_state", "1"),
    ];
    let query: Vec<String> = query.iter().map(|(key, value)| format!("{key}={}", escaped(value))).collect();
    Ok(format!("https://www.facebook.com/{}/dialog/oauth?{}", config.messenger.api_version, query.join("&")))
}

/// The page, which need not be named where there is only one.
fn page<'a>(named: Option<&'a PageId>, config: &'a Config) -> Result<&'a PageId, Misuse> {
    let known = || config.pages.iter().map(|page| page.id.as_str()).collect::<Vec<_>>().join(", ");
    match (named, config.pages.as_slice()) {
        (Some(page), pages) if pages.iter().any(|one| one.id == *page) => Ok(page),
        (Some(page), _) => Err(Misuse(format!("the page {page} is not in the configuration; it has {}", known()))),
        (None, [one]) => Ok(&one.id),
        (None, _) => Err(Misuse(format!("name the page with --page: {}", known()))),
    }
}

/// Percent-encoding of everything but what RFC 3986 leaves unreserved, and commas.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~,".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_leave_their_place() {
        assert_eq!(escaped("https://a.b/c?d=e&f"), "https%3A%2F%2Fa.b%2Fc%3Fd%3De%26f");
        assert_eq!(escaped("email,ü"), "email,%C3%BC");
    }
}
