//! What people do: opt in, and answer, tap, stop or keep silent once they are written to.

use std::sync::Arc;
use std::time::Duration;

use super::behaviour::Behaviour;
use super::dice::{Dice, psid};
use super::events::{Who, opt_in, opt_out};
use super::judge::Delivery;
use super::letter::{Letter, Tap};
use super::people::Person;
use super::platform::Platform;
use crate::domain::time::Timestamp;

/// What people write. Letters beyond ASCII and slashes are there on purpose: signatures break over them.
const TEXTS: [&str; 4] = ["Hi", "Sch\u{f6}n, danke!", "Great \u{1f44b}", "See https://example.com/a?b=c"];

/// What people write to be left alone.
const STOP: &str = "stop";

/// Somebody, by page and place in the page's book.
#[derive(Clone, Copy)]
pub(super) struct Someone {
    pub(super) desk: usize,
    pub(super) place: u32,
}

/// Something said in a conversation.
enum Saying {
    Text(&'static str),
    Tap(Tap),
    Stop,
}

impl Platform {
    /// Notes an opt-in without telling anybody.
    pub(super) fn register(&self, desk: usize, login_id: &str, behaviour: Behaviour, at: Timestamp) -> Option<Someone> {
        let place = self.desks.get(desk)?.book().opt_in(login_id, behaviour, at);
        self.count(|report| report.opted_in += 1);
        Some(Someone { desk, place })
    }

    /// Sends the opt-in webhook, and says whether it was acknowledged.
    pub(super) async fn announce(self: &Arc<Self>, someone: Someone, at: Timestamp) -> bool {
        let acknowledged = self.tell(someone, at, opt_in).await;
        if let Some(Behaviour::StopBefore { after }) = self.with(someone, |person| person.behaviour()) {
            let platform = Arc::clone(self);
            self.tracker.spawn(async move {
                if platform.rest(after).await {
                    let said = platform.clock.now();
                    let told = platform.tell(someone, said, opt_out).await;
                    platform.note_stop(someone, said, told);
                }
            });
        }
        acknowledged
    }

    /// Lets the person act on a delivered message.
    pub(super) fn react(self: &Arc<Self>, desk: usize, letter: &Letter, delivery: &Delivery) {
        if self.callback.is_none() {
            return;
        }
        let someone = Someone { desk, place: delivery.place };
        if self.echoes {
            self.tracker.spawn(Arc::clone(self).echo(
                someone,
                delivery.message_id.clone(),
                letter.text.clone(),
                letter.metadata.clone(),
            ));
        }
        if !delivery.first {
            return;
        }
        let (after, saying) = match delivery.behaviour {
            Behaviour::Reply { after } => (after, Saying::Text(text_for(&letter.login_id))),
            Behaviour::QuickReply { after } => {
                (after, letter.tap.clone().map_or_else(|| Saying::Text(text_for(&letter.login_id)), Saying::Tap))
            }
            Behaviour::StopAfter { after } => (after, Saying::Stop),
            Behaviour::Silent | Behaviour::Block | Behaviour::StopBefore { .. } => return,
        };
        self.tracker.spawn(Arc::clone(self).say(someone, after, saying));
    }

    async fn say(self: Arc<Self>, someone: Someone, after: Duration, saying: Saying) {
        if !self.rest(after).await {
            return;
        }
        let now = self.clock.now();
        let mid = Dice::any(fastrand::u64(..)).message_id(now.ms());
        let told = self.tell(someone, now, |who| match &saying {
            Saying::Text(text) => who.text(&mid, text),
            Saying::Stop => who.text(&mid, STOP),
            Saying::Tap(tap) if tap.button => who.postback(&mid, &tap.title, &tap.payload),
            Saying::Tap(tap) => who.quick_reply(&mid, &tap.title, &tap.payload),
        });
        let told = told.await;
        let news = told && self.with(someone, |person| !std::mem::replace(&mut person.replied, true)).unwrap_or(false);
        self.count(|report| report.replied += u64::from(news));
        if matches!(saying, Saying::Stop) {
            self.note_stop(someone, now, told);
        }
    }

    async fn echo(self: Arc<Self>, someone: Someone, mid: String, text: Option<String>, metadata: Option<String>) {
        let now = self.clock.now();
        self.tell(someone, now, |who| who.echo(&mid, text.as_deref(), metadata.as_deref())).await;
        self.tell(someone, now, |who| who.delivery(&mid)).await;
    }

    /// Notes an acknowledged stop, unless the person opted in again after saying it.
    fn note_stop(&self, someone: Someone, said: Timestamp, acknowledged: bool) {
        let (now, boot) = (self.clock.now(), self.clock.boot());
        let still_meant = |person: &mut Person| {
            let meant = person.opted_in_at().is_none_or(|opted_in| opted_in <= said);
            if meant {
                person.stop(now, boot);
            }
            meant
        };
        let stopped = acknowledged && self.with(someone, still_meant).unwrap_or(false);
        self.count(|report| report.opted_out += u64::from(stopped));
    }

    /// Sends one event about somebody.
    async fn tell(&self, someone: Someone, at: Timestamp, event: impl FnOnce(&Who<'_>) -> serde_json::Value) -> bool {
        let Some(desk) = self.desks.get(someone.desk) else { return false };
        let Some(login_id) = self.with(someone, |person| Arc::clone(&person.login_id)) else { return false };
        let body = {
            let psid = psid(&desk.id, &login_id);
            let who = Who { page: &desk.id, login_id: &login_id, psid: &psid, at: at.ms() };
            who.envelope(&event(&who))
        };
        self.post(body).await
    }

    fn with<T>(&self, someone: Someone, what: impl FnOnce(&mut Person) -> T) -> Option<T> {
        self.desks.get(someone.desk)?.book().person(someone.place).map(what)
    }

    /// Waits; false when the sandbox stops first.
    pub(super) async fn rest(&self, span: Duration) -> bool {
        if span.is_zero() {
            return !self.stop.is_cancelled();
        }
        self.stop.run_until_cancelled(tokio::time::sleep(span)).await.is_some()
    }
}

/// One person always writes the same.
fn text_for(login_id: &str) -> &'static str {
    let letter = login_id.bytes().map(usize::from).sum::<usize>() % TEXTS.len();
    TEXTS.get(letter).copied().unwrap_or("Hi")
}
