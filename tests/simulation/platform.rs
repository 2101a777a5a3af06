//! The platform by its script: what becomes of a request, and what it says about it.

use std::sync::Arc;
use std::time::Duration;

use firstword::deliver::{Letter, Post};
use firstword::domain::optin::Reason;
use firstword::domain::outcome::{Ending, Outcome, Then};
use firstword::domain::token::Tokens;
use firstword::messenger::Sent;
use firstword::messenger::verdict::{Answer, judge};
use serde_json::{Value, json};

use crate::happening::{Calendar, Happening};
use crate::scenario::Mood;
use crate::stage::{Next, START};
use crate::world::World;

/// Shared by everybody who may change it.
pub(crate) type Shared = Arc<std::sync::Mutex<World>>;

/// What the platform will do with a request that leaves now.
#[derive(Debug, Clone)]
struct Plan {
    accepts: bool,
    /// When it decides.
    decides: Duration,
    /// When the node hears of it.
    hears: Duration,
    answer: What,
}

#[derive(Debug, Clone)]
enum What {
    Answer(u16, String),
    Break,
    Nothing,
}

/// The way a node sends: the platform's script stands where the HTTP client stands.
pub(crate) fn post(world: &Shared, calendar: &Calendar, tokens: Tokens, node: usize) -> Post {
    let (world, calendar) = (Arc::clone(world), calendar.clone());
    Arc::new(move |letter| {
        let (world, calendar, tokens) = (Arc::clone(&world), calendar.clone(), tokens.clone());
        Box::pin(async move { request(&world, &calendar, &tokens, node, letter).await })
    })
}

async fn request(world: &Shared, calendar: &Calendar, tokens: &Tokens, node: usize, letter: Letter) -> Sent {
    let (stage, window, slow) = {
        let world = world.lock().unwrap();
        (world.stage.clone(), world.scenario.window(), world.scenario.slow_connection)
    };
    let connects = stage.dice(|dice| if dice.happens(slow) { dice.ms(500, 2500) } else { dice.ms(1, 80) });
    stage.park("connects", connects.min(window.start_within), Next::Alone).await;
    if connects >= window.start_within && letter.gate.close() {
        return sent(Ending::explained(Outcome::Retry(Then::Again), "no connection in time"));
    }
    let mood = world.lock().unwrap().mood(&letter);
    if mood == Mood::Unreachable && letter.gate.close() {
        return sent(Ending::explained(Outcome::Retry(Then::Again), "could not be sent: refused"));
    }
    if !letter.gate.pass() {
        return Sent { ending: None, usage: None };
    }
    let plan = leave(world, calendar, tokens, node, &letter, mood);
    stage.park("waits for the answer", plan.hears.min(window.request_timeout), Next::Alone).await;
    if plan.hears > window.request_timeout {
        return sent(Ending::explained(Outcome::Uncertain(Reason::Timeout), "no answer in time"));
    }
    match plan.answer {
        What::Answer(status, body) => sent(judge(&Answer { status, body: body.as_bytes(), regain: None }, false)),
        What::Break => sent(Ending::explained(Outcome::Uncertain(Reason::Reset), "the connection broke")),
        What::Nothing => sent(Ending::explained(Outcome::Uncertain(Reason::Timeout), "no answer in time")),
    }
}

fn sent(ending: Ending) -> Sent {
    Sent { ending: Some(ending), usage: None }
}

/// The body leaves.
fn leave(world: &Shared, calendar: &Calendar, tokens: &Tokens, node: usize, letter: &Letter, mood: Mood) -> Plan {
    let message: Value = serde_json::from_str(&letter.message).expect("a message is JSON");
    let attempt = message["metadata"].as_str().and_then(|token| tokens.read(token));
    let mut world = world.lock().unwrap();
    let person = world.leaves(node, &letter.page, &letter.login, attempt);
    let stage = world.stage.clone();
    let plan = stage.dice(|dice| {
        let quick = dice.ms(5, 3000);
        let slow = dice.ms(7000, 9900);
        plan(mood, quick, slow, dice.ms(0, 4000), attempt.map_or(0, |attempt| attempt.0))
    });
    stage.say(|| format!("n{node} body of {attempt:?} for p{person} leaves: {mood:?}"));
    if let Some(attempt) = attempt {
        calendar.at(stage.now().plus(plan.decides), Happening::Decides { person, attempt, accepted: plan.accepts });
    }
    plan
}

fn plan(mood: Mood, quick: Duration, slow: Duration, extra: Duration, attempt: i64) -> Plan {
    let half = quick / 2;
    let id = json!({"message_id": format!("m_{attempt}")}).to_string();
    let said = |code: i64, subcode: i64| {
        let error =
            json!({"message": "by the script", "type": "OAuthException", "code": code, "error_subcode": subcode});
        json!({"error": error, "fbtrace_id": "T"}).to_string()
    };
    let (accepts, decides, hears, answer) = match mood {
        Mood::Accepts => (true, half, quick, What::Answer(200, id)),
        Mood::AcceptsSlowly => (true, slow, slow + extra, What::Answer(200, id)),
        Mood::AcceptsAndBreaks => (true, half + extra, quick, What::Break),
        Mood::AcceptsInSilence => (true, half + extra, Duration::from_mins(1), What::Nothing),
        Mood::AcceptsWithAnError => (true, half, quick, What::Answer(500, said(1, 1_357_046))),
        Mood::AcceptsWithoutId => (true, half, quick, What::Answer(200, "{}".into())),
        Mood::Breaks => (false, half, quick, What::Break),
        Mood::Silent => (false, half, Duration::from_mins(1), What::Nothing),
        Mood::Says(status, code, subcode) => (false, half, quick, What::Answer(status, said(code, subcode))),
        Mood::Html(status) => (false, half, quick, What::Answer(status, "<html>".into())),
        Mood::Unreachable => (false, Duration::ZERO, half, What::Break),
    };
    Plan { accepts, decides, hears, answer }
}

impl World {
    /// What the platform is like now, for this person.
    fn mood(&self, letter: &Letter) -> Mood {
        let since = self.stage.now().since(START);
        let person = self.person_of(&letter.page, &letter.login).map(|person| &self.people[person]);
        let Some(person) = person else { return Mood::Accepts };
        if person.blocked {
            return Mood::Says(403, 551, 1_545_041);
        }
        let latest = person.consents.iter().map(|told| told.at).max().unwrap_or_default();
        if self.stage.now().plus(self.scenario.ahead) >= latest.plus(self.scenario.window().window) {
            return Mood::Says(403, 10, 2_018_278);
        }
        let spell = self.scenario.spells.iter().find(|spell| spell.from <= since && since < spell.to);
        match spell {
            Some(spell) => spell.mood,
            None => self.stage.dice(|dice| *dice.weighted(&self.scenario.moods)),
        }
    }
}
