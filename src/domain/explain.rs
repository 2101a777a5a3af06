//! What the platform's errors mean, in words an operator can act on. What is done about them is the verdict table's.

/// What an error means, by its words where its code has several meanings, else by code and subcode.
#[must_use]
pub fn platform_error(code: Option<i64>, subcode: Option<i64>, message: &str) -> Option<&'static str> {
    by_text(&message.to_lowercase()).or_else(|| by_code(code?, subcode))
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
                             that made the page token, the current one first, and reload.",
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

    #[test]
    fn words_tell_apart_what_shares_a_code() {
        let of = |code, subcode, message| platform_error(code, subcode, message).unwrap_or_default();
        assert!(
            of(Some(100), None, "(#100) Param recipient[id] must be a valid ID string").contains("pages_messaging")
        );
        assert!(of(Some(100), None, "Requires an appsecret_proof argument").contains("messenger.app_secret"));
        assert!(of(None, None, "Page ID is not valid").contains("role in the app"));
        assert!(
            of(Some(190), Some(460), "").contains("password") && of(Some(190), None, "").contains("not valid any more")
        );
        assert_eq!(platform_error(Some(424_242), None, "what?"), None);
        assert_eq!(platform_error(None, None, ""), None);
    }
}
