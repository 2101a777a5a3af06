use super::*;

const UNAVAILABLE: Outcome = Outcome::PersonUnavailable(Reason::Unavailable);
const UNKNOWN_ID: Outcome = Outcome::PersonUnavailable(Reason::UnknownId);
const DOUBT: Outcome = Outcome::Uncertain(Reason::ServerError);
const THROTTLED: Outcome = Outcome::Throttled { regain: None };

fn ending(status: u16, body: &str) -> Ending {
    judge(&Answer { status, body: body.as_bytes(), regain: None }, false)
}

fn outcome(status: u16, code: i64, subcode: Option<i64>) -> Outcome {
    let subcode = subcode.map_or(String::new(), |subcode| format!(r#","error_subcode":{subcode}"#));
    let body =
        format!(r#"{{"error":{{"message":"m","type":"OAuthException","code":{code}{subcode},"fbtrace_id":"T"}}}}"#);
    ending(status, &body).outcome
}

/// Every error that is known: (code, subcode, outcome).
fn rows() -> Vec<(i64, Option<i64>, Outcome)> {
    vec![
        (1, None, DOUBT),
        (1, Some(99), DOUBT),
        (1, Some(1_357_046), DOUBT),
        (2, None, Outcome::Retry(Then::Person)),
        (2, Some(2_018_344), Outcome::PageHold),
        (3, None, Outcome::PageHold),
        (4, None, THROTTLED),
        (4, Some(2_018_022), THROTTLED),
        (9, Some(2_018_352), THROTTLED),
        (10, None, Outcome::PageHold),
        (10, Some(2_018_065), Outcome::WindowClosed),
        (10, Some(2_018_278), Outcome::WindowClosed),
        (10, Some(2_534_022), Outcome::WindowClosed),
        (10, Some(2_018_108), UNAVAILABLE),
        (10, Some(2_018_300), Outcome::Retry(Then::Page)),
        (10, Some(1_893_063), Outcome::PageHold),
        (17, None, THROTTLED),
        (32, None, THROTTLED),
        (100, None, UNKNOWN_ID),
        (100, Some(33), UNKNOWN_ID),
        (100, Some(2_018_001), UNKNOWN_ID),
        (100, Some(1_893_061), Outcome::ContentHold),
        (100, Some(2_018_109), Outcome::ContentHold),
        (100, Some(2_018_008), Outcome::Retry(Then::Content)),
        (100, Some(2_018_047), Outcome::Retry(Then::Content)),
        (100, Some(2_018_294), Outcome::Retry(Then::Content)),
        (100, Some(2_018_074), Outcome::ContentHold),
        (100, Some(2_534_037), Outcome::ContentHold),
        (100, Some(2_534_015), Outcome::ContentHold),
        (102, None, Outcome::PageHold),
        (105, None, Outcome::ContentHold),
        (194, None, Outcome::ContentHold),
        (190, None, Outcome::PageHold),
        (190, Some(460), Outcome::PageHold),
        (190, Some(463), Outcome::PageHold),
        (200, None, Outcome::PageHold),
        (200, Some(1_545_041), UNAVAILABLE),
        (200, Some(2_018_028), Outcome::PageHold),
        (230, None, Outcome::PageHold),
        (299, None, Outcome::PageHold),
        (341, None, THROTTLED),
        (368, None, Outcome::PageHold),
        (551, None, UNAVAILABLE),
        (551, Some(1_545_041), UNAVAILABLE),
        (613, None, THROTTLED),
        (1200, None, Outcome::Retry(Then::Again)),
        (2022, None, Outcome::PageHold),
        (36_000, None, Outcome::ContentHold),
        (80_006, None, THROTTLED),
        (2_018_218, None, UNKNOWN_ID),
        (2_018_247, None, Outcome::PageHold),
        (2_018_321, None, Outcome::PageHold),
    ]
}

#[test]
fn known_errors() {
    let rows = rows();
    for (code, subcode, expected) in &rows {
        for status in [200, 400, 500] {
            assert_eq!(outcome(status, *code, *subcode), *expected, "{code}/{subcode:?} with HTTP {status}");
        }
    }
    let tried = |code| rows.iter().any(|(c, _, _)| *c == code);
    assert!(TABLE.iter().all(|(code, _, _)| tried(*code)), "a code of the table has no case here");
}

#[test]
fn errors_nobody_has_described() {
    assert_eq!(outcome(400, 987_654, None), Outcome::Retry(Then::Person));
    assert_eq!(outcome(500, 987_654, None), DOUBT);
    assert_eq!(outcome(200, 987_654, None), DOUBT);
    let transient = r#"{"error":{"code":987654,"is_transient":true}}"#;
    assert_eq!(ending(400, transient).outcome, Outcome::Retry(Then::Again));
    assert_eq!(ending(503, transient).outcome, DOUBT);
}

#[test]
fn success_is_a_message_id_and_nothing_else() {
    let accepted = ending(200, r#"{"message_id":"m_1"}"#).outcome;
    assert_eq!(accepted, Outcome::Accepted { message_id: "m_1".into(), psid: None });
    let psid = Psid::new("77").ok();
    let with_psid = ending(200, r#"{"recipient_id":"77","message_id":"m_1"}"#).outcome;
    assert_eq!(with_psid, Outcome::Accepted { message_id: "m_1".into(), psid });
    for empty in ["{}", "[]", "", "ok", r#"{"message_id":""}"#, r#"{"recipient_id":"77"}"#, "\u{0}", "{\"message_id\":"]
    {
        assert_eq!(ending(200, empty).outcome, DOUBT, "{empty}");
    }
}

#[test]
fn answers_without_an_error_object() {
    for (status, expected) in [
        (429, THROTTLED),
        (408, Outcome::Retry(Then::Again)),
        (307, Outcome::PageHold),
        (404, Outcome::PageHold),
        (500, DOUBT),
        (502, DOUBT),
        (504, DOUBT),
    ] {
        assert_eq!(ending(status, "<html>").outcome, expected, "{status}");
        assert!(ending(status, "<html>").detail.is_some());
    }
}

#[test]
fn what_the_platform_said_is_kept() {
    let body = r#"{"error":{"message":"(#551) This person isn't available right now.","type":"OAuthException","code":"551",
        "error_subcode":"1545041","fbtrace_id":"G3GRmtpZiq6"}}"#;
    let ending = ending(403, body);
    assert_eq!((ending.code, ending.subcode, ending.http_status), (Some(551), Some(1_545_041), Some(403)));
    assert_eq!(ending.fbtrace_id.as_deref(), Some("G3GRmtpZiq6"));
    assert_eq!(ending.outcome, UNAVAILABLE);
}

#[test]
fn transient_errors_may_be_doubted() {
    let judge = |body: &str| judge(&Answer { status: 500, body: body.as_bytes(), regain: None }, true).outcome;
    assert_eq!(judge(r#"{"error":{"code":2}}"#), DOUBT);
    assert_eq!(judge(r#"{"error":{"code":1200}}"#), DOUBT);
    assert_eq!(judge(r#"{"error":{"code":10,"error_subcode":2018300}}"#), Outcome::Retry(Then::Page));
}

#[test]
fn a_missing_permission_in_the_words_of_another_error_holds_the_page() {
    let body = r#"{"error":{"message":"(#100) Param recipient[id] must be a valid ID string (e.g., \"123\")","type":"OAuthException","code":100}}"#;
    assert_eq!(ending(400, body).outcome, Outcome::PageHold);
    assert_eq!(outcome(400, 100, None), UNKNOWN_ID, "in other words it is about the person");
}

/// Graph API, "Securing requests". Nobody is lost between the change of the secret there and here.
#[test]
fn a_proof_that_does_not_hold_or_is_missing_holds_the_page() {
    for words in [
        "Invalid appsecret_proof provided in the API argument",
        "API calls from the server require an appsecret_proof argument",
    ] {
        let body = format!(r#"{{"error":{{"message":"{words}","type":"GraphMethodException","code":100}}}}"#);
        assert_eq!(ending(400, &body).outcome, Outcome::PageHold, "{words}");
    }
}
