//! Where a notice can go.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};

use super::command;
use crate::domain::time::Timestamp;
use crate::post::{self, Post};
use crate::store::outbox::{SITE, Taken};

/// An alert older than this is of no use any more; if it lasts, a newer notice of it waits.
const OLDEST_ALERT: Duration = Duration::from_hours(24);
/// How many people's news are under way to the site at once.
const SITE_WIDTH: i64 = 16;

const LOG: &str = "log";
const WEBHOOK: &str = "webhook";
const COMMAND: &str = "command";
/// The names that sinks can have in the outbox.
pub(super) const CHANNELS: [&str; 4] = [LOG, WEBHOOK, COMMAND, SITE];

/// What an alert's webhook wants to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The whole notice.
    Json,
    /// `{"text": ".."}`, as Slack, Mattermost and others take it.
    Slack,
}

/// How notices go.
#[derive(Debug, Clone)]
pub enum Way {
    /// Into the log.
    Log,
    /// To an address, by POST.
    Webhook(Post, SecretString, Format),
    /// To a program's standard input: the program, its arguments, and how long it may take.
    Command(Arc<[String]>, Duration),
    /// To the site: its address, the secret that signs, and for how long to try.
    Site(Post, SecretString, SecretString, Duration),
}

/// A place where notices go.
#[derive(Debug, Clone)]
pub struct Sink(pub Way);

impl Sink {
    /// Its name in the outbox.
    #[must_use]
    pub const fn channel(&self) -> &'static str {
        match &self.0 {
            Way::Log => LOG,
            Way::Webhook(..) => WEBHOOK,
            Way::Command(..) => COMMAND,
            Way::Site(..) => SITE,
        }
    }

    /// Whether alerts go there.
    #[must_use]
    pub const fn takes_alerts(&self) -> bool {
        !matches!(self.0, Way::Site(..))
    }

    /// How many at once.
    pub(super) const fn width(&self) -> i64 {
        match &self.0 {
            Way::Log => 64,
            Way::Webhook(..) => 4,
            Way::Command(..) => 1,
            Way::Site(..) => SITE_WIDTH,
        }
    }

    /// How long one delivery takes at most.
    pub(super) const fn patience(&self) -> Duration {
        match &self.0 {
            Way::Command(_, patience) => *patience,
            _ => post::PATIENCE,
        }
    }

    /// How old a notice may get before it is dropped.
    pub(super) const fn give_up_after(&self) -> Duration {
        match &self.0 {
            Way::Site(.., give_up_after) => *give_up_after,
            _ => OLDEST_ALERT,
        }
    }

    /// Delivers one notice.
    pub(super) async fn deliver(&self, taken: &Taken, now: Timestamp) -> Result<(), String> {
        match &self.0 {
            Way::Site(post, url, secret, _) => {
                let headers = post::signed(secret, taken.event.as_deref().unwrap_or_default(), now, &taken.body);
                post.json(url, &headers, taken.body.clone()).await
            }
            _ => self.tell(&taken.body).await,
        }
    }

    /// Tells of one alert.
    ///
    /// # Errors
    /// Why it did not arrive. Names no address.
    pub async fn tell(&self, notice: &str) -> Result<(), String> {
        match &self.0 {
            Way::Log => log(notice),
            Way::Webhook(post, url, Format::Json) => return post.json(url, &[], notice.to_owned()).await,
            Way::Webhook(post, url, Format::Slack) => {
                let text = read(notice).get("text").and_then(Value::as_str).map(escaped);
                let text = json!({"text": text}).to_string();
                return post.json(url, &[], text).await;
            }
            Way::Command(words, patience) => return command::run(words, notice, *patience).await,
            Way::Site(..) => {}
        }
        Ok(())
    }
}

fn read(notice: &str) -> Value {
    serde_json::from_str(notice).unwrap_or_default()
}

/// What Slack would take for a link, a channel or an entity is text. Slack, "Formatting text for app surfaces".
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Alerts that are over, or still there, are no news; whoever reads only errors sees a problem begin.
fn log(notice: &str) {
    let notice = read(notice);
    let word = |key: &str| notice.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (kind, cause, event, text) = (word("kind"), word("cause"), word("event"), word("text"));
    match (event.as_str(), word("severity").as_str()) {
        ("resolved", _) => tracing::info!(kind, cause, event, "alert: {text}"),
        ("reported", _) => tracing::info!(kind, cause, event, "{text}"),
        ("raised" | "repeated", "problem") => tracing::error!(kind, cause, event, "alert: {text}"),
        _ => tracing::warn!(kind, cause, event, "alert: {text}"),
    }
}
