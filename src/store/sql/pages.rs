//! Pages: what is configured, paused, held, accepted.

use crate::store::sql::statements;

statements! {
    /// Makes sure a configured page has its row. $1: page.
    ENSURE = "pages_ensure" { both: ["INSERT INTO pages (page_id) VALUES ($1) ON CONFLICT (page_id) DO NOTHING"] }
    /// All pages: id, paused until, held since, held until, held for.
    LIST = "pages_list" {
        both: ["SELECT page_id, paused_until, held_since, held_until, held_for FROM pages ORDER BY page_id"]
    }
    /// The platform asked the page to wait. $1: page, $2: until.
    PAUSE = "pages_pause" { both: ["UPDATE pages SET paused_until = $2 WHERE page_id = $1 AND paused_until < $2"] }
    /// The page cannot send. $1: page, $2: now, $3: until, $4: for what. A hold that still runs is left as it is.
    HOLD = "pages_hold" {
        both: ["UPDATE pages SET held_since = $2, held_until = $3, held_for = $4, holds = holds + 1
                WHERE page_id = $1 AND (held_since IS NULL OR held_until <= $2)"]
    }
    /// How often a page was held in a row. $1: page.
    HOLDS = "pages_holds" { both: ["SELECT holds FROM pages WHERE page_id = $1"] }
    /// A message was accepted, so nothing holds the page. $1: page.
    LIFT = "pages_lift" {
        both: ["UPDATE pages SET held_since = NULL, held_until = NULL, held_for = NULL, holds = 0
                WHERE page_id = $1 AND holds > 0"]
    }
    /// Notes the time of an acceptance, at most once a second. $1: page, $2: now.
    ACCEPTED = "pages_accepted" {
        both: ["INSERT INTO acceptances (page_id, accepted_at) VALUES ($1, $2)
                ON CONFLICT (page_id) DO UPDATE SET accepted_at = excluded.accepted_at
                WHERE acceptances.accepted_at < excluded.accepted_at - 1000"]
    }
    /// Whether the page had an acceptance since the claim of an attempt. $1: page, $2: attempt.
    ACCEPTED_SINCE = "pages_accepted_since" {
        both: ["SELECT count(*) FROM acceptances, attempts
                WHERE acceptances.page_id = $1 AND attempts.id = $2 AND accepted_at >= started_at"]
    }
}
