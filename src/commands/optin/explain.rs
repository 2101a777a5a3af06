//! What states, reasons and the platform's errors mean, in words an operator can act on.

use crate::commands::out::{away, time};
use crate::domain::optin::{OptIn, Reason, State};
use crate::domain::policy::Policy;
use crate::domain::time::Timestamp;
use crate::store::report::AttemptRow;

/// Who acts next, and until when.
pub(super) fn state(o: &OptIn, policy: &Policy, now: Timestamp) -> String {
    let stop = policy.window.hard_stop(o.opted_in_at);
    let until = || format!("until {} ({})", time(stop), away(stop, now));
    match o.state {
        State::New => format!("It waits to be admitted, {}.", until()),
        State::Pending => format!("It waits for its turn, {}.", until()),
        State::Retrying => {
            let at = o.next_attempt_at.map_or_else(String::new, |at| format!(" {}", away(at, now)));
            format!("An attempt failed; the next one follows{at}, {}.", until())
        }
        State::Sending => "A request is on its way.".to_owned(),
        State::Uncertain => "A message may have arrived. It is not sent again by itself, so that nobody gets two; a \
                             reply, a receipt or an operator settles it."
            .to_owned(),
        State::Sent => {
            let over = o.state_since.plus(policy.answer_window);
            format!("The message was accepted. A reply is waited for until {}.", time(over))
        }
        State::Answered => "The person replied; the PSID is the way to reach them from now on.".to_owned(),
        State::Expired => "No reply came in time. A late one still counts.".to_owned(),
        State::Missed => "The window closed before a message could leave. Fresh consent starts anew.".to_owned(),
        State::Unavailable => "The platform says this person cannot be reached.".to_owned(),
        State::OptedOut => "The person said stop. Nothing is sent any more.".to_owned(),
        State::Cancelled => "An operator cancelled it.".to_owned(),
        State::Refused => "This person was greeted once before.".to_owned(),
    }
}

/// What a reason adds, where its word does not say it.
pub(super) const fn reason(reason: Reason) -> Option<&'static str> {
    Some(match reason {
        Reason::ArrivedLate => "The opt-in reached us when its window was already over.",
        Reason::UnknownPage => "Its page is not in the configuration: add it, or the opt-in will be missed.",
        Reason::UnknownId => {
            "The platform does not know this login_id on this page: it may belong to another page or app."
        }
        Reason::LeaseExpired => "The process that sent the request died or froze before it could write down the end.",
        Reason::Timeout => "The platform did not answer in time; it may have delivered all the same.",
        Reason::Reset => "The connection broke after the request had left; it may have been delivered.",
        Reason::ServerError => "The platform failed in a way that does not say whether it delivered.",
        Reason::StartedElsewhere => "Another app of the page wrote first; let one app send the first message.",
        Reason::Deauthorized => "The person removed the app.",
        _ => return None,
    })
}

/// What an attempt's error means.
pub(super) fn attempt(a: &AttemptRow) -> Option<&'static str> {
    let detail = a.detail.as_deref().unwrap_or_default().to_lowercase();
    by_text(&detail).or_else(|| by_code(a.code?, a.subcode))
}

/// Errors that share a code with others and are known by their words only. The text is in lower case.
fn by_text(detail: &str) -> Option<&'static str> {
    let known = [
        (
            "must be a valid id string",
            "The app lacks the permission pages_messaging for this page, or `id` was used in place of `login_id` \
             (firstword always uses `login_id`): grant the permission and make a new page token.",
        ),
        (
            "page id is not valid",
            "The person has no role in the app: while the app is in development, add them as a tester; or take it live.",
        ),
        (
            "appsecret_proof",
            "The app demands a proof of its secret: set messenger.app_secret to the secret of the app \
                             that made the page token.",
        ),
    ];
    known.into_iter().find_map(|(words, meaning)| detail.contains(words).then_some(meaning))
}

const UNREACHABLE: &str = "This person cannot be reached: they blocked the page, turned its messages off, or left. The \
                           platform does not say which.";
const THROTTLED: &str = "Too many requests. The page waits as long as the platform asks; lower rate_per_second if it \
                         happens often.";
const NOT_KNOWN: &str = "The platform knows nobody by this login_id with this token. If it happens to everybody, the \
                         token belongs to another page or app.";
const ATTACHMENT: &str = "The message's attachment was refused: check its address, size and type in the message file.";
const PERMISSION: &str = "A permission is missing: the app needs pages_messaging for this page, with Advanced Access \
                          for people who have no role in the app.";
const BLOCKED: &str = "The platform blocked the page or the app for a while for breaking a policy: look at the page's \
                       quality and support inbox.";

fn by_code(code: i64, subcode: Option<i64>) -> Option<&'static str> {
    Some(match (code, subcode) {
        (1, Some(1_357_046)) => {
            "An error with which the platform is known to deliver all the same, so it is not sent again."
        }
        (1, _) => "The platform failed without saying how; the message may have been delivered.",
        (2, _) => "A temporary problem of the platform, or this person blocked the page: the second time decides.",
        (4 | 9 | 17 | 32 | 341 | 613 | 80_006, _) => THROTTLED,
        (10, Some(2_018_065 | 2_018_278 | 2_534_022)) => "The platform says that the window is over.",
        (10, Some(2_018_108)) | (200, Some(1_545_041)) | (551, _) => UNREACHABLE,
        (10, Some(2_018_300)) => "Another app controls the conversation: look at the page's handover settings.",
        (10, Some(1_893_063)) | (368 | 2022, _) => BLOCKED,
        (100, Some(33 | 2_018_001)) | (2_018_218, _) => NOT_KNOWN,
        (100, Some(1_893_061)) => "A message tag was used; they are retired. The first message carries none.",
        (100, Some(2_018_008 | 2_018_047 | 2_018_074 | 2_018_109 | 2_018_294 | 2_534_015 | 2_534_037))
        | (36_000, _) => ATTACHMENT,
        (100, _) => "The platform refused a part of the request; its words stand beside the attempt.",
        (102, _) => "The token is not accepted: make a new page token.",
        (105 | 194, _) => "The message has too many or too few elements: check the message file.",
        (190, Some(458)) => "The token's owner removed the app: let somebody with a role in the page make a new token.",
        (190, Some(460)) => "The token's owner changed the password: make a new page token.",
        (190, Some(463)) => "The page token has expired: make a new one.",
        (190, _) => "The page token is not valid any more: make a new one, put it in place and reload.",
        (200, Some(2_018_027 | 2_018_028)) => "The app is not live: only people with a role in it can be written to.",
        (3 | 10 | 200..=299 | 2_018_247 | 2_018_321, _) => PERMISSION,
        (1200, _) => "A temporary failure of the platform; it is tried again.",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{LoginId, PageId};

    fn row(code: Option<i64>, subcode: Option<i64>, detail: &str) -> AttemptRow {
        AttemptRow {
            attempt: 1,
            cycle: 1,
            number: 1,
            node: "n".to_owned(),
            started_at: Timestamp::from_ms(0),
            ended_at: None,
            outcome: None,
            http_status: None,
            code,
            subcode,
            fbtrace_id: None,
            message_id: None,
            detail: Some(detail.to_owned()),
            evidence: None,
            evidence_at: None,
        }
    }

    #[test]
    fn the_questions_of_the_faq_are_answered() {
        let said =
            attempt(&row(Some(100), None, "(#100) Param recipient[id] must be a valid ID string (e.g., \"123\")"));
        assert!(said.is_some_and(|said| said.contains("pages_messaging") && said.contains("login_id")), "{said:?}");
        let said = attempt(&row(None, None, "Page ID is not valid"));
        assert!(said.is_some_and(|said| said.contains("role in the app")), "{said:?}");
        let said = attempt(&row(Some(551), Some(1_545_041), "(#551) This person isn't available right now."));
        assert!(said.is_some_and(|said| said.contains("blocked")), "{said:?}");
        assert_eq!(attempt(&row(Some(424_242), None, "what?")), None);
        assert_eq!(attempt(&row(None, None, "")), None);
    }

    #[test]
    fn every_state_says_what_is_next() {
        let now = Timestamp::parse("2026-06-01T12:00:00Z").unwrap();
        let mut o = OptIn::unborn(PageId::new("1").unwrap(), LoginId::new("a").unwrap(), now, now);
        for each in State::ALL {
            o.state = *each;
            assert!(state(&o, &Policy::default(), now).ends_with('.'), "{each}");
        }
        o.state = State::Pending;
        assert!(state(&o, &Policy::default(), now).contains("in 23h 54m"));
    }
}
