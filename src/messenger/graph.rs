//! Harmless questions about a page: whose token it is, when it ends, who gets the webhooks. Three GETs, nothing changes.
//!
//! | call | asks | with |
//! |---|---|---|
//! | `/me?fields=id` | whose token this is | the page's token |
//! | `/{page}/subscribed_apps` | who gets the page's webhooks | the page's token |
//! | `/debug_token?input_token=..` | when the token ends, what it may do | the app's token if the app is known, else the page's |
//!
//! Whoever calls stands in the Authorization header, with an `appsecret_proof` for it in the query. The token that
//! `debug_token` looks at has no place but the query: the platform documents no other. It is never logged, and what the
//! platform answers is cleared of it.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Response, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::wire::GraphError;
use super::{Messenger, Sender, date, describe, read};
use crate::domain::checkup::{Asked, Clocks, Look, Refusal, Subscriber, Token};
use crate::domain::keyed::appsecret_proof;
use crate::domain::time::Timestamp;

/// The longest text of a refusal that is passed on, in characters.
const LONGEST_WORDS: usize = 300;
/// Half of the second that the header `Date` counts in.
const HALF_SECOND: Duration = Duration::from_millis(500);
/// The header by which the platform says which version answered.
const SERVED: &str = "facebook-api-version";

/// One answer: what it says, and what its headers tell beside.
struct Reply {
    said: Asked<Value>,
    clocks: Option<Clocks>,
    served: Option<String>,
}

impl Messenger {
    /// Asks everything that can be asked about a page. Takes three requests' time at most.
    pub async fn look(&self, sender: &Sender, app_id: Option<&str>) -> Look {
        let token = &sender.token;
        let (owner, clocks, served) = self.whose(sender).await;
        let (subscribers, about) = if matches!(owner, Asked::Said(_)) {
            let path = format!("{}/subscribed_apps", sender.page);
            (self.ask(&path, &[], token, sender).await.said, self.debug(sender, app_id).await)
        } else {
            (not_asked(), not_asked())
        };
        Look {
            owner,
            token: about.then(|value| Some(read_token(value.get("data")?, token)), "the answer has no data"),
            subscribers: subscribers.then(read_subscribers, "the answer has no list"),
            clocks,
            served,
        }
    }

    /// Whose token a page's is: the cheapest question that tells whether it holds.
    pub async fn owner(&self, sender: &Sender) -> Asked<String> {
        self.whose(sender).await.0
    }

    async fn whose(&self, sender: &Sender) -> (Asked<String>, Option<Clocks>, Option<String>) {
        let Reply { said, clocks, served } = self.ask("me", &[("fields", "id")], &sender.token, sender).await;
        (said.then(|value| text(value.get("id")?), "the answer names no id"), clocks, served)
    }

    /// What is known of a token. Only its app, or one of the app's developers, may ask; where our app is not known,
    /// the token is asked about itself, which the platform may refuse.
    async fn debug(&self, sender: &Sender, app_id: Option<&str>) -> Asked<Value> {
        let token = &sender.token;
        let asker = match (app_id, &sender.app_secret) {
            (Some(id), Some(secret)) => SecretString::from(format!("{id}|{}", secret.expose_secret())),
            _ => token.clone(),
        };
        self.ask("debug_token", &[("input_token", token.expose_secret())], &asker, sender).await.said
    }

    async fn ask(&self, path: &str, query: &[(&str, &str)], bearer: &SecretString, sender: &Sender) -> Reply {
        let nothing = |why: String| Reply { said: Asked::Nothing(why), clocks: None, served: None };
        let (Some(url), Some(authorization)) = (self.question(path, query, bearer, sender), in_header(bearer)) else {
            return nothing("the token or the page's id cannot be part of a request".to_owned());
        };
        let asked = (self.clock.now(), self.clock.boot());
        let whole = async {
            let answer: Response = self.http.get(url).header(AUTHORIZATION, authorization).send().await?;
            let taken = self.clock.boot().saturating_sub(asked.1);
            Ok::<_, reqwest::Error>((read(answer).await?, taken))
        };
        match tokio::time::timeout(self.settings.request_timeout, whole).await {
            Ok(Ok(((status, headers, body), taken))) => Reply {
                said: understood(status, &body, sender),
                clocks: compared(&headers, asked.0, taken),
                served: headers.get(SERVED).and_then(|value| value.to_str().ok()).map(str::to_owned),
            },
            Ok(Err(error)) => nothing(describe(&error)),
            Err(_) => nothing("no answer in time".to_owned()),
        }
    }

    fn question(&self, path: &str, query: &[(&str, &str)], asker: &SecretString, sender: &Sender) -> Option<Url> {
        let mut url = Url::parse(&format!("{}/{}/{path}", self.settings.graph_url, self.settings.api_version)).ok()?;
        let proof = sender.app_secret.as_ref();
        let proof = proof.map(|secret| appsecret_proof(secret.expose_secret(), asker.expose_secret()));
        let proof = proof.as_deref().map(|proof| ("appsecret_proof", proof));
        url.query_pairs_mut().extend_pairs(query.iter().copied().chain(proof));
        Some(url)
    }
}

/// The body before the status: an error may come with 200.
fn understood(status: u16, body: &[u8], sender: &Sender) -> Asked<Value> {
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return Asked::Nothing(format!("HTTP {status}, and no JSON"));
    };
    match value.get("error") {
        Some(error) => Asked::Refused(refusal(error, sender)),
        None if (200..300).contains(&status) && value.is_object() => Asked::Said(value),
        None => Asked::Nothing(format!("HTTP {status}")),
    }
}

fn refusal(error: &Value, sender: &Sender) -> Refusal {
    let secrets = [Some(&sender.token), sender.app_secret.as_ref()].into_iter().flatten();
    cleared(error, secrets.map(ExposeSecret::expose_secret))
}

/// A Graph error without the secrets that the platform likes to repeat, as in "Malformed access token ..".
fn cleared<'a>(error: &Value, secrets: impl Iterator<Item = &'a str>) -> Refusal {
    let error: GraphError = serde_json::from_value(error.clone()).unwrap_or_default();
    let words = error.message.unwrap_or_else(|| "no reason was given".to_owned());
    let words = secrets.fold(words, |words, secret| words.replace(secret, "(hidden)"));
    let message = words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_WORDS).collect();
    Refusal { code: error.code, subcode: error.error_subcode, message }
}

fn not_asked<T>() -> Asked<T> {
    Asked::Nothing("not asked, because the token was refused".to_owned())
}

fn in_header(token: &SecretString) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The platform's clock beside ours. Its answer was made somewhere between question and arrival.
fn compared(headers: &HeaderMap, asked: Timestamp, taken: Duration) -> Option<Clocks> {
    let platform = date(headers)?.plus(HALF_SECOND);
    Some(Clocks { platform, ours: asked.plus(taken / 2), doubt: taken / 2 + HALF_SECOND })
}

fn read_token(data: &Value, token: &SecretString) -> Token {
    let scopes = data.get("scopes").and_then(Value::as_array);
    Token {
        is_valid: data.get("is_valid").and_then(Value::as_bool),
        app_id: data.get("app_id").and_then(|id| text(Some(id)?)),
        expires_at: data.get("expires_at").and_then(moment),
        data_access_expires_at: data.get("data_access_expires_at").and_then(moment),
        scopes: scopes.map(|scopes| scopes.iter().filter_map(text_of).collect()),
        error: data.get("error").map(|error| cleared(error, std::iter::once(token.expose_secret()))),
    }
}

fn read_subscribers(value: &Value) -> Option<Vec<Subscriber>> {
    let one = |app: &Value| {
        let fields = app.get("subscribed_fields").and_then(Value::as_array);
        let fields = fields.map(|fields| fields.iter().filter_map(text_of).collect()).unwrap_or_default();
        Some(Subscriber { app_id: text(app.get("id")?)?, fields })
    };
    Some(value.get("data")?.as_array()?.iter().filter_map(one).collect())
}

/// Seconds since 1970; zero means that there is no end.
fn moment(value: &Value) -> Option<Timestamp> {
    let seconds = value.as_i64().or_else(|| value.as_str()?.parse().ok()).filter(|seconds| *seconds > 0)?;
    Some(Timestamp::from_ms(seconds.checked_mul(1000)?))
}

/// An id, which some proxies turn into a number.
fn text(value: &Value) -> Option<String> {
    text_of(value).or_else(|| value.as_u64().map(|number| number.to_string()))
}

fn text_of(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

impl Asked<Value> {
    /// Reads an answer; where it does not hold what was asked for, says so.
    fn then<T>(self, read: impl FnOnce(&Value) -> Option<T>, otherwise: &str) -> Asked<T> {
        match self {
            Self::Said(value) => read(&value).map_or_else(|| Asked::Nothing(otherwise.to_owned()), Asked::Said),
            Self::Refused(refusal) => Asked::Refused(refusal),
            Self::Nothing(why) => Asked::Nothing(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn answers_as_seen_in_the_wild() {
        let token = SecretString::from("EAAB-token");
        let data = json!({"app_id": "77", "is_valid": true, "expires_at": 0, "data_access_expires_at": 1_790_000_000,
                          "scopes": ["pages_messaging"], "profile_id": "1001"});
        let read = read_token(&data, &token);
        assert_eq!((read.is_valid, read.app_id.as_deref(), read.expires_at), (Some(true), Some("77"), None));
        assert_eq!(read.data_access_expires_at, Some(Timestamp::from_ms(1_790_000_000_000)));
        assert_eq!(read_token(&json!({}), &token), Token::default());

        let list = json!({"data": [{"id": 77, "name": "x", "subscribed_fields": ["messages"]}, {"id": "5"}]});
        let told = read_subscribers(&list).unwrap();
        assert_eq!((told[0].app_id.as_str(), told[0].fields.len(), told[1].fields.len()), ("77", 1, 0));
        assert_eq!(read_subscribers(&json!({"data": {}})), None);
    }

    #[test]
    fn refusals_hold_no_secret() {
        let error = json!({"message": "Malformed access token EAAB-token\n", "code": "190", "error_subcode": 460});
        let refusal = cleared(&error, ["EAAB-token"].into_iter());
        assert_eq!((refusal.code, refusal.subcode), (Some(190), Some(460)));
        assert_eq!(refusal.message, "Malformed access token (hidden) ");
        assert_eq!(cleared(&json!("odd"), std::iter::empty()).message, "no reason was given");
    }
}
