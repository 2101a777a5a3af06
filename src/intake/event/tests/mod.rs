//! The room's own bodies, `tests/fixtures/*.json`, and exactly what each must become.
//!
//! In a fixture `{{token}}` stands for our token of attempt 41, and `{{payload_token}}` for the mark and that token.

use super::*;
use crate::domain::ids::{AttemptId, LoginId, PageId, Psid};
use crate::domain::keyed::StoreKey;
use crate::domain::signal::{Links, NewOptIn, Sign, Source};
use crate::domain::token::MARK;

mod any;
mod envelopes;
mod optins;
mod people;

pub(super) const NOW: Timestamp = Timestamp::from_ms(1_780_315_200_000);
/// When the events of the fixtures happened.
pub(super) const AT: Timestamp = Timestamp::from_ms(1_780_315_140_000);
/// When their entries were made.
pub(super) const ENTRY_AT: Timestamp = Timestamp::from_ms(1_780_315_141_000);
pub(super) const PAGE: &str = "200300400500";
pub(super) const ANNA: &str = "71000000000000001";
pub(super) const BEN: &str = "71000000000000002";
pub(super) const ATTEMPT: AttemptId = AttemptId(41);

pub(super) fn fixture(name: &str) -> String {
    let path = format!("{}/tests/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|fault| panic!("{path}: {fault}"));
    let token = tokens().mint(ATTEMPT);
    text.replace("{{token}}", &token).replace("{{payload_token}}", &format!("{MARK}{token}"))
}

pub(super) fn tokens() -> Tokens {
    Tokens::new(&StoreKey::new([7; 32]))
}

pub(super) fn parse_as(app_id: Option<&str>, body: &[u8]) -> Result<Parsed, NotUnderstood> {
    let stop_words = StopWords::new(&["stop".to_owned(), "arreter".to_owned()]);
    parse(body, &Reading { tokens: &tokens(), app_id, stop_words: &stop_words, now: NOW })
}

pub(super) fn read(name: &str) -> Parsed {
    parse_as(Some("5550001"), fixture(name).as_bytes()).unwrap()
}

pub(super) fn page() -> PageId {
    PageId::new(PAGE).unwrap()
}

pub(super) fn login(id: &str) -> LoginId {
    LoginId::new(id).unwrap()
}

pub(super) fn psid(id: &str) -> Links {
    Links { psid: Some(Psid::new(id).unwrap()), ..Links::default() }
}

pub(super) fn mids(links: Links, ids: &[&str]) -> Links {
    Links { message_ids: ids.iter().map(|id| (*id).to_owned()).collect(), ..links }
}

pub(super) fn logins(links: Links, ids: &[&str]) -> Links {
    Links { logins: ids.iter().map(|id| login(id)).collect(), ..links }
}

pub(super) fn tapped(links: Links) -> Links {
    Links { attempts: vec![ATTEMPT], ..links }
}

pub(super) fn says(sign: Sign, links: Links) -> Signal {
    Signal::Person { page: page(), sign, links, at: AT }
}

pub(super) fn opt_in(id: &str, at: Option<Timestamp>) -> Signal {
    Signal::OptIn(new_opt_in(id, at))
}

pub(super) fn new_opt_in(id: &str, at: Option<Timestamp>) -> NewOptIn {
    NewOptIn { page: page(), login: login(id), at, locale: None, reference: None, source: Source::Webhook }
}

pub(super) fn kinds(of: &[(&'static str, u64)]) -> BTreeMap<&'static str, u64> {
    of.iter().copied().collect()
}

/// What was kept raw, as JSON.
pub(super) fn raw(signal: &Signal) -> Option<(Option<PageId>, serde_json::Value)> {
    match signal {
        Signal::Unparsed { page, raw } => Some((page.clone(), serde_json::from_str(raw).unwrap())),
        _ => None,
    }
}

pub(super) fn all_fixtures() -> Vec<String> {
    let folder = std::fs::read_dir(format!("{}/tests/fixtures", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let names = folder.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter_map(|name| name.strip_suffix(".json").map(str::to_owned)).collect();
    names.sort();
    names
}
