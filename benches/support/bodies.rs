//! What the platform posts, signed, as whole requests.

use std::sync::Arc;

use firstword::domain::keyed::hmac_sha256;
use firstword::domain::time::Timestamp;
use serde_json::{Value, json};

use super::load::Requests;
use super::support::{PAGE, login};

/// The secret the bodies are signed with.
pub(crate) const SECRET: &str = "bench-secret";
/// How many events a body of many has.
pub(crate) const MANY: usize = 100;
/// How many opt-ins are among the events of a mixed body, and how many of our messages the rest tells of.
pub(crate) const OPT_INS: usize = 5;

/// Somebody who has had our message.
pub(crate) struct Greeted {
    /// Who.
    pub(crate) login: String,
    /// The message.
    pub(crate) message: String,
    /// Its token.
    pub(crate) token: String,
}

/// Makes bodies; nobody in them opts in twice.
pub(crate) struct Bodies {
    next: usize,
    /// Of whom mixed bodies tell; each is told of once.
    greeted: std::vec::IntoIter<Greeted>,
    now: Timestamp,
}

impl Bodies {
    /// Bodies of now. The people in them have numbers from `first` up.
    pub(crate) fn new(first: usize, greeted: Vec<Greeted>, now: Timestamp) -> Self {
        Self { next: first, greeted: greeted.into_iter(), now }
    }

    /// `count` bodies of `each` new opt-ins.
    pub(crate) fn opt_ins(&mut self, count: usize, each: usize) -> Requests {
        self.requests(count, |bodies| (0..each).map(|_| bodies.opt_in()).collect())
    }

    /// `count` bodies of a hundred events: 5 opt-ins; 5 people who had our message, which is echoed, delivered and read,
    /// and whom 3 answer; the rest is what else happens on a page.
    pub(crate) fn mixed(&mut self, count: usize) -> Requests {
        self.requests(count, |bodies| {
            let mut events: Vec<Value> = (0..OPT_INS).map(|_| bodies.opt_in()).collect();
            for place in 0..OPT_INS {
                let greeted = bodies.greeted.next().unwrap();
                events.extend(bodies.of_ours(place, &greeted));
            }
            for place in 0.. {
                if events.len() == MANY {
                    break;
                }
                events.push(bodies.of_others(place));
            }
            events
        })
    }

    fn requests(&mut self, count: usize, mut events: impl FnMut(&mut Self) -> Vec<Value>) -> Requests {
        let mut requests = Vec::with_capacity(count);
        for _ in 0..count {
            let events = events(self);
            let body = json!({
                "object": "page", "entry": [{ "id": PAGE, "time": self.now.ms(), "messaging": events }]
            });
            requests.push(request(&body.to_string()));
        }
        Arc::new(requests)
    }

    fn opt_in(&mut self) -> Value {
        self.next += 1;
        json!({ "recipient": { "id": PAGE }, "timestamp": self.now.ms(), "optin": { "login_id": login(self.next) } })
    }

    fn of_ours(&self, place: usize, greeted: &Greeted) -> Vec<Value> {
        let (psid, at) = (psid(), self.now.ms());
        let Greeted { login, message, token } = greeted;
        let mut events = vec![
            json!({ "sender": { "id": PAGE }, "recipient": { "id": psid }, "timestamp": at, "message": {
                "is_echo": true, "app_id": 1, "metadata": token, "mid": message, "text": "Hello, welcome!" } }),
            self.by(&psid, "delivery", &json!({ "mids": [message], "watermark": at })),
            self.by(&psid, "read", &json!({ "watermark": at })),
        ];
        if place < 3 {
            events.push(json!({ "sender": { "id": psid }, "recipient": { "id": PAGE }, "timestamp": at,
                "message": { "mid": format!("m_in_{psid}"), "text": "Thank you" },
                "prior_message": { "source": "login_connect", "identifier": login } }));
        }
        events
    }

    fn of_others(&self, place: usize) -> Value {
        let (psid, at) = (psid(), self.now.ms());
        let mid = format!("m_{psid}_{:032}", 0);
        match place % 10 {
            0..=2 => self.by(&psid, "delivery", &json!({ "mids": [mid], "watermark": at })),
            3..=5 => self.by(&psid, "read", &json!({ "watermark": at })),
            6..=7 => self.by(&psid, "message", &json!({ "mid": mid, "text": "When do you open on Sunday?" })),
            8 => self.by(&psid, "reaction", &json!({ "mid": mid, "action": "react", "emoji": "\u{2764}" })),
            _ => self.by(&psid, "game_play", &json!({ "game_id": "1", "player_id": psid })),
        }
    }

    fn by(&self, psid: &str, part: &str, value: &Value) -> Value {
        json!({ "sender": { "id": psid }, "recipient": { "id": PAGE }, "timestamp": self.now.ms(), part: value })
    }
}

fn psid() -> String {
    format!("7{:015}", fastrand::u64(..1_000_000_000_000_000))
}

/// A whole request. The platform writes letters beyond ASCII as escapes; the signature covers them so.
fn request(body: &str) -> Vec<u8> {
    let signature = hex::encode(hmac_sha256(SECRET.as_bytes(), &[body.as_bytes()]));
    let head = format!(
        "POST /webhook HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nX-Hub-Signature-256: \
         sha256={signature}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body.as_bytes()].concat()
}
