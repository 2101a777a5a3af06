//! What the Send API answers: the error object in the platform's exact shape, the success, the usage headers.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::json;

/// One way of saying no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    status: u16,
    /// 0 for an answer without a Graph error object.
    code: u32,
    subcode: Option<u32>,
    message: &'static str,
    transient: bool,
}

impl Refusal {
    const fn new(status: u16, code: u32, subcode: Option<u32>, message: &'static str) -> Self {
        Self { status, code, subcode, message, transient: false }
    }

    const fn transient(self) -> Self {
        Self { transient: true, ..self }
    }

    /// Invalid parameter.
    pub(super) const fn parameter(message: &'static str) -> Self {
        Self::new(400, 100, None, message)
    }

    /// The name under which it is counted: `code` or `code/subcode`.
    pub(super) fn key(&self) -> String {
        match (self.code, self.subcode) {
            (0, _) => format!("http {}", self.status),
            (code, None) => code.to_string(),
            (code, Some(subcode)) => format!("{code}/{subcode}"),
        }
    }

    /// The answer's body.
    fn body(&self, trace: &str) -> String {
        let mut error = json!({
            "message": self.message,
            "type": "OAuthException",
            "code": self.code,
            "fbtrace_id": trace,
        });
        if let Some(fields) = error.as_object_mut() {
            if let Some(subcode) = self.subcode {
                fields.insert("error_subcode".to_owned(), subcode.into());
            }
            if self.transient {
                fields.insert("is_transient".to_owned(), true.into());
            }
        }
        json!({"error": error}).to_string()
    }

    /// The answer; `trace` is what support would ask for.
    pub(super) fn answer(&self, trace: &str) -> Response<Body> {
        match self.code {
            0 => plain(self.status, "text/html", self.message.to_owned()),
            _ => plain(self.status, "application/json", self.body(trace)),
        }
    }
}

pub(super) const NO_TOKEN: Refusal = Refusal::new(401, 190, None, "Invalid OAuth access token.");
pub(super) const NO_PROOF: Refusal =
    Refusal::parameter("API calls from the server require an appsecret_proof argument");
pub(super) const BAD_PROOF: Refusal = Refusal::parameter("Invalid appsecret_proof provided in the API argument");
pub(super) const WRONG_PAGE: Refusal = Refusal::new(
    400,
    100,
    Some(33),
    "Unsupported request. Object does not exist, cannot be loaded due to missing permissions, or does not support this operation.",
);
pub(super) const BAD_PATH: Refusal = Refusal::new(400, 2500, None, "Unknown path components");
pub(super) const BAD_ID: Refusal = Refusal::parameter("(#100) Param recipient[id] must be a valid ID string");
pub(super) const RETIRED_TAG: Refusal = Refusal::new(400, 100, Some(1_893_061), "(#100) Invalid parameter");
pub(super) const TOO_MANY: Refusal = Refusal::new(400, 105, None, "(#105) Parameter has too many elements");
pub(super) const TOO_FEW: Refusal = Refusal::new(400, 194, None, "(#194) Parameter has too few elements");
pub(super) const UNKNOWN_PERSON: Refusal = Refusal::new(400, 100, Some(2_018_001), "(#100) No matching user found");
pub(super) const UNAVAILABLE: Refusal =
    Refusal::new(403, 551, Some(1_545_041), "(#551) This person isn't available right now.");
pub(super) const OUTSIDE_WINDOW: Refusal =
    Refusal::new(403, 10, Some(2_018_278), "(#10) This message is sent outside of allowed window.");
/// What `strict` says to a second message. The platform has no answer of its own for that.
pub(super) const SECOND_MESSAGE: Refusal =
    Refusal::new(403, 10, Some(2_018_065), "(#10) This person already got a message for this opt-in.");
/// What `strict` says to a message after a stop.
pub(super) const AFTER_STOP: Refusal =
    Refusal::new(403, 10, Some(2_018_108), "(#10) This person cannot receive messages from you right now.");
pub(super) const RATE_LIMIT: Refusal =
    Refusal::new(400, 613, None, "(#613) Calls to this API have exceeded the rate limit.");

/// The faults before acceptance.
pub(super) const BEFORE: [Refusal; 2] = [
    Refusal::new(500, 2, None, "(#2) Service temporarily unavailable").transient(),
    Refusal::new(500, 1200, None, "(#1200) Temporary send message failure. Please try again later.").transient(),
];

/// The faults that ask for less.
pub(super) const THROTTLES: [Refusal; 4] = [
    RATE_LIMIT,
    Refusal::new(400, 80_006, None, "(#80006) There have been too many calls to this Messenger account."),
    Refusal::new(429, 613, None, "(#613) Calls to this API have exceeded the rate limit."),
    Refusal::new(429, 0, None, "<html><body><h1>429 Too Many Requests</h1></body></html>"),
];

/// Code 1, which the platform was seen to answer to messages that it had delivered.
pub(super) const DELIVERED_ALL_THE_SAME: Refusal =
    Refusal::new(500, 1, Some(1_357_046), "(#1) Received invalid JSON reply");

/// An answer with these bytes.
pub(super) fn plain(status: u16, content_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// The success. It names no recipient: the PSID comes with the reply.
pub(super) fn accepted(message_id: &str) -> Response<Body> {
    plain(200, "application/json", format!("{{\"message_id\":\"{message_id}\"}}"))
}

/// The usage headers of one page at `percent`, with the time to regain access in minutes.
pub(super) fn usage(page: &str, percent: u8, regain: u64) -> [(HeaderName, Option<HeaderValue>); 2] {
    let app = json!({"call_count": percent, "total_time": percent / 2, "total_cputime": percent / 2});
    let page_use = json!({page: [{
        "type": "messenger",
        "call_count": percent,
        "total_cputime": percent / 2,
        "total_time": percent / 2,
        "estimated_time_to_regain_access": regain,
    }]});
    let value = |json: &serde_json::Value| HeaderValue::try_from(json.to_string()).ok();
    [
        (HeaderName::from_static("x-app-usage"), value(&app)),
        (HeaderName::from_static("x-business-use-case-usage"), value(&page_use)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn an_error_has_the_captured_shape() {
        let expected: Value = serde_json::from_str(
            r#"{"error":{"message":"(#551) This person isn't available right now.","type":"OAuthException","code":551,
                "error_subcode":1545041,"fbtrace_id":"G3GRmtpZiq6"}}"#,
        )
        .unwrap();
        assert_eq!(serde_json::from_str::<Value>(&UNAVAILABLE.body("G3GRmtpZiq6")).unwrap(), expected);
        assert_eq!(UNAVAILABLE.key(), "551/1545041");
        assert_eq!(RATE_LIMIT.key(), "613");
        assert_eq!(THROTTLES[3].key(), "http 429");
        let transient: Value = serde_json::from_str(&BEFORE[0].body("t")).unwrap();
        assert_eq!((&transient["error"]["code"], &transient["error"]["is_transient"]), (&2.into(), &true.into()));
    }

    #[test]
    fn usage_is_one_object_for_the_app_and_a_list_by_page() {
        let [app, page] = usage("42", 28, 3).map(|(_, value)| value.unwrap().to_str().unwrap().to_owned());
        let app: Value = serde_json::from_str(&app).unwrap();
        assert_eq!(app["call_count"], 28);
        let page: Value = serde_json::from_str(&page).unwrap();
        assert_eq!(
            (&page["42"][0]["type"], &page["42"][0]["estimated_time_to_regain_access"]),
            (&"messenger".into(), &3.into())
        );
    }
}
