//! What states, reasons and the platform's errors mean, in words an operator can act on.

use crate::commands::out::{away, time};
use crate::domain::explain::platform_error;
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
        State::Uncertain => {
            "A message may have arrived. A reply, an echo, a receipt or an operator settles it.".to_owned()
        }
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
        Reason::StoreRewound => "The database lost what was done for a while; a message may have been sent then.",
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
    platform_error(a.code, a.subcode, a.detail.as_deref().unwrap_or_default())
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
