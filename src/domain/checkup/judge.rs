//! What a look at a page means.

use std::time::Duration;

use super::{Asked, Clocks, Expected, Look, NEEDED_FIELDS, NEEDED_SCOPE, Refusal, Subscriber, Token, USEFUL_FIELDS};
use crate::domain::explain::platform_error;
use crate::domain::finding::{Finding, Kind, Severity};
use crate::domain::graph_version::{Life, TABLE, life};
use crate::domain::ids::PageId;
use crate::domain::span::show;
use crate::domain::time::Timestamp;

const DAY: Duration = Duration::from_hours(24);
/// A token that ends this soon is a warning, and soon afterwards a problem.
const TOKEN_NOTICE: Duration = Duration::from_hours(24 * 14);
const TOKEN_LATE: Duration = Duration::from_hours(24 * 3);
/// Clocks that differ by this much: somebody should look.
const SKEW_NOTICE: Duration = Duration::from_secs(30);
/// Clocks that differ by this much: wrong, whatever the safety margin.
const SKEW_LATE: Duration = Duration::from_mins(2);

const NEW_TOKEN: &str = "make a new page token, put it in place and reload";
const LATER: &str = "run this again later; the page is not judged by it";

/// What a look at a page means: a finding of each kind that could be judged, the token first.
#[must_use]
pub fn judge(page: &PageId, look: &Look, expected: &Expected, now: Timestamp) -> Vec<Finding> {
    let mut findings = vec![platform(&look.owner), token(page, look, expected, now)];
    // Whoever is not let in learns nothing more.
    if matches!(look.owner, Asked::Said(_)) {
        findings.push(permission(&look.token));
        findings.push(subscription(look, expected));
    }
    if !matches!(look.owner, Asked::Nothing(_)) {
        findings.push(Some(version(&expected.api_version, look.served.as_deref(), now)));
        findings.push(look.clocks.map(|clocks| skew(clocks, expected.safety_margin)));
    }
    findings.into_iter().flatten().map(|finding| finding.of(page)).collect()
}

fn platform(owner: &Asked<String>) -> Option<Finding> {
    let Asked::Nothing(why) = owner else { return None };
    let remedy = "check messenger.graph_url, the name service, the firewall and the machine's certificates";
    Some(Finding::problem(Kind::Platform, format!("the platform does not answer: {why}"), remedy))
}

fn token(page: &PageId, look: &Look, expected: &Expected, now: Timestamp) -> Option<Finding> {
    let owner = match &look.owner {
        Asked::Said(owner) => owner,
        Asked::Refused(refusal) => return Some(refused_token(refusal)),
        Asked::Nothing(_) => return None,
    };
    if owner != page.as_str() {
        let what = format!("the token belongs to {owner}, not to this page; it may be a person's");
        return Some(Finding::problem(Kind::Token, what, "make a token of the page itself, not of its administrator"));
    }
    Some(match &look.token {
        Asked::Said(token) => known_token(token, expected, now),
        Asked::Refused(Refusal { message, .. }) => unknown_end(message),
        Asked::Nothing(why) => unknown_end(why),
    })
}

/// What is not said about a token's end is not known.
fn unknown_end(why: &str) -> Finding {
    let what = format!("the token is valid now, but when it ends is not known: {why}");
    let remedy = "set messenger.app_id and messenger.app_secret to the app that made the token: it may ask";
    Finding::warning(Kind::Token, what, remedy)
}

fn refused_token(refusal: &Refusal) -> Finding {
    let what = format!("the platform refused the token: {}", said(refusal));
    if is_passing(refusal) {
        return Finding::warning(Kind::Token, what, LATER);
    }
    let remedy = platform_error(refusal.code, refusal.subcode, &refusal.message).unwrap_or(NEW_TOKEN);
    Finding::problem(Kind::Token, what, remedy)
}

/// The platform's words, with the numbers its support asks for.
fn said(refusal: &Refusal) -> String {
    match (refusal.code, refusal.subcode) {
        (Some(code), Some(subcode)) => format!("{} (code {code}/{subcode})", refusal.message),
        (Some(code), None) => format!("{} (code {code})", refusal.message),
        (None, _) => refusal.message.clone(),
    }
}

/// Too many calls, or a bad moment of the platform's: says nothing about the page.
fn is_passing(refusal: &Refusal) -> bool {
    matches!(refusal.code, Some(1 | 2 | 4 | 17 | 32 | 341 | 613 | 80_006))
}

fn known_token(token: &Token, expected: &Expected, now: Timestamp) -> Finding {
    if token.is_valid == Some(false) {
        let why = token.error.as_ref().map_or_else(String::new, |error| format!(": {}", said(error)));
        return Finding::problem(Kind::Token, format!("the token is not valid{why}"), NEW_TOKEN);
    }
    if let (Some(made_by), Some(app)) = (&token.app_id, &expected.app_id)
        && made_by != app
    {
        let what = format!("the token was made by the app {made_by}, but messenger.app_id is {app}");
        return Finding::problem(Kind::Token, what, "make the token with the app that sends, or correct app_id");
    }
    let ends = token.expires_at.map(|at| ("the token ends", at));
    let access = token.data_access_expires_at.map(|at| ("the app's access to the page's data ends", at));
    let (what, at) = match (ends, access) {
        (Some(ends), Some(access)) => {
            if ends.1 <= access.1 {
                ends
            } else {
                access
            }
        }
        (Some(only), None) | (None, Some(only)) => only,
        (None, None) => return Finding::ok(Kind::Token, "the token is the page's own, valid, and has no end"),
    };
    let left = at.since(now);
    if left == Duration::ZERO {
        return Finding::problem(Kind::Token, format!("{what}: that was {}", day(at)), NEW_TOKEN);
    }
    let what = format!("{what} {}, in {}", day(at), days(left));
    match left {
        _ if left < TOKEN_LATE => Finding::problem(Kind::Token, what, NEW_TOKEN),
        _ if left < TOKEN_NOTICE => Finding::warning(Kind::Token, what, NEW_TOKEN),
        _ => Finding::ok(Kind::Token, format!("the token is the page's own and valid; {what}")),
    }
}

fn permission(token: &Asked<Token>) -> Option<Finding> {
    let Asked::Said(Token { scopes: Some(scopes), .. }) = token else { return None };
    if scopes.iter().any(|scope| scope == NEEDED_SCOPE) {
        return Some(Finding::ok(Kind::Permission, format!("the token has {NEEDED_SCOPE}")));
    }
    let what = format!(
        "the token lacks {NEEDED_SCOPE}: sends fail with \"(#100) Param recipient[id] must be a valid ID string\", \
         code 10, 200 or 230"
    );
    let remedy = "grant the app pages_messaging for this page (Advanced Access for people without a role in the app), \
                  then make a new page token";
    Some(Finding::problem(Kind::Permission, what, remedy))
}

fn subscription(look: &Look, expected: &Expected) -> Option<Finding> {
    let remedy = "subscribe the page: POST /{page}/subscribed_apps with the page's token and subscribed_fields, or the \
                  app's dashboard under Messenger, Webhooks";
    let unread = |why: &str| {
        let what = format!("whether the page's webhooks come to us is not known: {why}");
        Some(Finding::warning(Kind::Subscription, what, "look at the app's dashboard under Messenger, Webhooks"))
    };
    let subscribers = match &look.subscribers {
        Asked::Said(subscribers) => subscribers,
        Asked::Refused(refusal) => return unread(&said(refusal)),
        Asked::Nothing(why) => return unread(why),
    };
    let app = expected.app_id.as_deref().or(match &look.token {
        Asked::Said(token) => token.app_id.as_deref(),
        _ => None,
    });
    let ours: Vec<&Subscriber> =
        subscribers.iter().filter(|subscriber| app.is_none_or(|app| app == subscriber.app_id)).collect();
    if ours.is_empty() {
        let app = app.map_or_else(|| "no app".to_owned(), |app| format!("the app {app} is not among those that"));
        let verb = if app == "no app" { "gets" } else { "get" };
        let what = format!("{app} {verb} the page's webhooks: no opt-in and no reply will come");
        return Some(Finding::problem(Kind::Subscription, what, remedy));
    }
    let missing = |fields: &[&str]| {
        let has = |field: &str| ours.iter().any(|subscriber| subscriber.fields.iter().any(|known| known == field));
        fields.iter().copied().filter(|field| !has(field)).collect::<Vec<_>>().join(", ")
    };
    let (needed, useful) = (missing(&NEEDED_FIELDS), missing(&USEFUL_FIELDS));
    if !needed.is_empty() {
        let what = format!("the page's webhooks come without {needed}");
        return Some(Finding::problem(Kind::Subscription, what, remedy));
    }
    let more = if useful.is_empty() { String::new() } else { format!("; {useful} would tell more") };
    Some(Finding::ok(Kind::Subscription, format!("the page's webhooks come to us with all that is needed{more}")))
}

fn version(asked: &str, served: Option<&str>, now: Timestamp) -> Finding {
    let remedy = format!("set messenger.api_version to a newer one; {} is the newest known here", TABLE[0].0);
    let kind = Kind::GraphVersion;
    if let Some(served) = served.filter(|served| *served != asked) {
        let what = format!("{asked} was asked for and {served} answered: the platform no longer serves {asked}");
        return Finding::problem(kind, what, remedy);
    }
    match life(asked, now) {
        Life::Alive(None) => Finding::ok(kind, format!("{asked} has no announced end")),
        Life::Alive(Some(end)) => Finding::ok(kind, format!("{asked} lives until {}", day(end))),
        Life::Ending(end) => {
            Finding::warning(kind, format!("{asked} ends {}, in {}", day(end), days(end.since(now))), remedy)
        }
        Life::Over(Some(end)) => Finding::problem(kind, format!("{asked} ended {}", day(end)), remedy),
        Life::Over(None) => Finding::problem(kind, format!("{asked} ended long ago"), remedy),
        Life::Unknown => Finding::ok(kind, format!("{asked} is newer than the versions known here, and answers")),
    }
}

fn skew(clocks: Clocks, margin: Duration) -> Finding {
    let Clocks { platform, ours, doubt } = clocks;
    let (off, side) = match platform.since(ours) {
        Duration::ZERO => (ours.since(platform), "behind"),
        ahead => (ahead, "ahead of"),
    };
    // Only what the comparison proves counts.
    let sure = off.saturating_sub(doubt);
    let severity = match sure {
        _ if sure >= SKEW_LATE || sure >= margin / 2 && !margin.is_zero() => Severity::Problem,
        _ if sure >= SKEW_NOTICE => Severity::Warning,
        _ => Severity::Ok,
    };
    if severity == Severity::Ok {
        return Finding::ok(
            Kind::ClockSkew,
            format!("the platform's clock and ours agree within {}", short(off + doubt)),
        );
    }
    let what = format!("the platform's clock is {} {side} ours; the safety margin is {}", short(off), show(margin));
    let remedy = "let NTP set the clock of this machine, and of the database server where there is one";
    Finding { severity, ..Finding::warning(Kind::ClockSkew, what, remedy) }
}

/// A span to the second, and one at least.
pub(super) fn short(span: Duration) -> String {
    show(Duration::from_secs(span.as_secs().max(1)))
}

fn days(span: Duration) -> String {
    match span.as_secs() / DAY.as_secs() {
        0 => short(span),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

/// A moment by its day.
fn day(at: Timestamp) -> String {
    at.to_string().chars().take("2026-06-01".len()).collect()
}
