//! People by their script: when they opt in, and again, say stop, answer; and the webhooks that tell of it, as the
//! platform writes them.

use std::time::Duration;

use firstword::domain::ids::{AttemptId, LoginId, PageId, Psid};
use firstword::domain::time::Timestamp;
use firstword::domain::token::Tokens;
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::happening::{Calendar, Delivery, Happening};
use crate::scenario::Scenario;
use crate::stage::START;
use crate::world::{Fact, Person};

/// The app that sends for us.
pub(crate) const APP: &str = "5550001";

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

pub(crate) fn page(number: usize) -> PageId {
    PageId::new(&format!("{}", 1001 + number)).unwrap()
}

/// The people of a scenario, with what they do by themselves in the calendar.
pub(crate) fn gather(dice: &mut Dice, scenario: &Scenario, calendar: &Calendar) -> Vec<Person> {
    let mut people = Vec::new();
    for number in 0..scenario.people {
        let person = Person {
            page: page(dice.place(scenario.pages)),
            login: LoginId::new(&format!("login-{number}")).unwrap(),
            psid: Psid::new(&format!("710{number}")).unwrap(),
            blocked: !scenario.crowded && dice.happens(0.08),
            consents: Vec::new(),
            stops: Vec::new(),
            replies: Vec::new(),
            requests: Vec::new(),
            elsewhere: false,
            vouched: false,
            arrival_known: None,
            risked: false,
        };
        Script { scenario, calendar, number, person: &person }.write(dice);
        people.push(person);
    }
    people
}

/// One person and what they do.
pub(crate) struct Script<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) calendar: &'a Calendar,
    pub(crate) number: usize,
    pub(crate) person: &'a Person,
}

/// How long something takes to be told.
fn delay(dice: &mut Dice) -> Duration {
    let most = *dice.one(&[100, 3000, 10 * MINUTE]);
    dice.ms(0, most)
}

impl Script<'_> {
    fn write(&self, dice: &mut Dice) {
        let at = START.plus(dice.ms(0, u64::try_from(self.scenario.rush.as_millis()).unwrap()));
        if self.scenario.crowded {
            return self.opt_in(dice, at, Duration::ZERO);
        }
        let late = self.lateness(dice);
        let at = if dice.happens(0.5) { at } else { at.minus(late) };
        self.opt_in(dice, at, late);
        if dice.happens(0.3) {
            // The second source of the same consent.
            let (at, late) = (at.plus(dice.ms(0, 3000)), delay(dice));
            self.opt_in(dice, at, late);
        }
        if dice.happens(0.25) {
            let again = *dice.one(&[10 * MINUTE + 1000, HOUR, 20 * HOUR, 23 * HOUR]);
            let (at, late) = (at.plus(Duration::from_millis(again)).max(START), delay(dice));
            self.opt_in(dice, at, late);
        }
        if dice.happens(0.25) {
            let most = *dice.one(&[500, 5000, MINUTE, 20 * HOUR]);
            let at = at.max(START).plus(dice.ms(0, most));
            self.stop(dice, at);
        }
        if dice.happens(0.05) {
            let at = at.max(START).plus(dice.ms(0, MINUTE));
            self.comes(dice, at, &self.foreign_echo(at), Fact::Elsewhere { person: self.number });
        }
    }

    /// How long an opt-in takes to reach us. Some come so late that little is left of their window: room for one more
    /// message after a doubt is settled, or but a moment.
    fn lateness(&self, dice: &mut Dice) -> Duration {
        let usable = self.scenario.window().usable().saturating_sub(self.scenario.ahead);
        match dice.below(10) {
            0 => usable.saturating_sub(dice.ms(0, 3000)),
            1 => usable.saturating_sub(dice.ms(11 * MINUTE, 16 * MINUTE)),
            2 => dice.ms(20 * HOUR, 24 * HOUR),
            _ => dice.ms(0, 2000),
        }
    }

    fn opt_in(&self, dice: &mut Dice, at: Timestamp, late: Duration) {
        let at = at.plus(self.scenario.ahead);
        let arrives = at.plus(late).max(START);
        let (page, login) = (self.person.page.as_str(), self.person.login.as_str());
        let fact = Fact::Consent { person: self.number, at };
        let way = dice.below(10);
        if way < 6 || self.scenario.crowded {
            let event = json!({"recipient": {"id": page}, "timestamp": at.ms(), "optin": {"login_id": login}});
            self.comes(dice, arrives, &event, fact);
        } else if way < 8 {
            let body = json!({"page_id": page, "login_id": login, "opted_in_at": at.ms()});
            let call = Delivery { path: "/optins", body: body.to_string(), fact };
            self.calendar.at(arrives, Happening::Comes(call));
        } else {
            self.calendar.at(arrives, Happening::Inserts { person: self.number, at });
        }
    }

    /// A webhook in the calendar; some come again.
    fn comes(&self, dice: &mut Dice, at: Timestamp, event: &Value, fact: Fact) {
        let stamped = event["timestamp"].as_i64().unwrap_or_else(|| at.ms());
        let entry = json!({"id": self.person.page.as_str(), "time": stamped + 100, "messaging": [event]});
        let body = json!({"object": "page", "entry": [entry]}).to_string();
        let delivery = Delivery { path: "/webhook", body, fact };
        while dice.happens(self.scenario.repeated) {
            let most = *dice.one(&[2000, 10 * MINUTE, 30 * HOUR]);
            self.calendar.at(at.plus(dice.ms(0, most)), Happening::Comes(delivery.clone()));
        }
        self.calendar.at(at.plus(dice.ms(0, 200)), Happening::Comes(delivery));
    }

    /// They say stop, by the platform's event or by a word.
    fn stop(&self, dice: &mut Dice, at: Timestamp) {
        let stamped = at.plus(self.scenario.ahead);
        let event = if dice.happens(0.5) {
            json!({
                "recipient": {"id": self.person.page.as_str()}, "timestamp": stamped.ms(),
                "optout": {"login_id": self.person.login.as_str()}
            })
        } else {
            self.reply(stamped, "STOP!")
        };
        let told = at.plus(delay(dice));
        self.comes(dice, told, &event, Fact::Stop { person: self.number, at: stamped });
    }

    fn reply(&self, at: Timestamp, text: &str) -> Value {
        json!({
            "sender": {"id": self.person.psid.as_str()}, "recipient": {"id": self.person.page.as_str()},
            "timestamp": at.ms(), "message": {"mid": format!("m_in_{}", at.ms()), "text": text},
            "prior_message": {"source": "login_connect", "identifier": self.person.login.as_str()}
        })
    }

    fn echo(&self, at: Timestamp, message: &Value) -> Value {
        json!({
            "sender": {"id": self.person.page.as_str()}, "recipient": {"id": self.person.psid.as_str()},
            "timestamp": at.ms(), "message": message
        })
    }

    fn foreign_echo(&self, at: Timestamp) -> Value {
        let at = at.plus(self.scenario.ahead);
        let mid = format!("m_other_{}", at.ms());
        let mut event = self.echo(at, &json!({"is_echo": true, "app_id": "777", "mid": mid, "text": "Hi"}));
        event["prior_message"] = json!({"source": "login_connect", "identifier": self.person.login.as_str()});
        event
    }

    /// What follows from a message that arrived: an echo, an answer, a stop.
    pub(crate) fn got_it(&self, dice: &mut Dice, attempt: AttemptId, tokens: &Tokens, now: Timestamp) {
        if self.scenario.crowded {
            return;
        }
        let token = tokens.mint(attempt);
        if self.scenario.echoes && dice.happens(0.8) {
            let mid = format!("m_{}", attempt.0);
            let mut message = json!({"is_echo": true, "app_id": APP, "mid": mid, "text": "Welcome"});
            if dice.happens(0.7) {
                message["metadata"] = json!(token);
            }
            let (event, told) = (self.echo(now.plus(self.scenario.ahead), &message), now.plus(delay(dice)));
            self.comes(dice, told, &event, Fact::Nothing);
        }
        if dice.happens(0.35) {
            let most = *dice.one(&[3000, MINUTE, 10 * HOUR]);
            let later = now.plus(dice.ms(1, most));
            self.answers(dice, later, attempt, &token);
        }
        if dice.happens(0.1) {
            let most = *dice.one(&[3000, 10 * MINUTE]);
            let later = now.plus(dice.ms(1, most));
            self.stop(dice, later);
        }
    }

    fn answers(&self, dice: &mut Dice, later: Timestamp, attempt: AttemptId, token: &str) {
        let at = later.plus(self.scenario.ahead);
        let fact = Fact::Reply { person: self.number, at };
        match dice.below(3) {
            0 => {
                let postback = json!({"title": "Start", "payload": format!("YES#fw={token}")});
                let mut event = self.reply(at, "");
                event["postback"] = postback;
                for part in ["message", "prior_message"] {
                    event.as_object_mut().unwrap().remove(part);
                }
                self.comes(dice, later, &event, fact);
            }
            1 => self.comes(dice, later, &self.reply(at, "hello"), fact),
            _ => {
                let mut event = self.reply(at, "hello");
                event.as_object_mut().unwrap().remove("prior_message");
                event["message"]["reply_to"] = json!({"mid": format!("m_{}", attempt.0)});
                // A message's id is known only if its answer was: this may name nobody.
                self.comes(dice, later, &event, Fact::Nothing);
            }
        }
    }
}
