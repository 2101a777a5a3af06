//! Attempts of unknown end.

use crate::store::sql::statements;

statements! {
    /// How many are in doubt by page: page, all, those whose lease ended before a time, the oldest. $1: that time.
    COUNT = "doubt_count" {
        both: ["SELECT page_id, count(*), count(*) FILTER (WHERE lease_until IS NULL OR lease_until <= $1), min(state_since)
                FROM optins WHERE state = 'uncertain' GROUP BY page_id ORDER BY page_id"]
    }
    /// Whether a page has any: one of them. $1: page.
    ANY = "doubt_any" {
        both: ["SELECT id FROM optins WHERE page_id = $1 AND state = 'uncertain' ORDER BY lease_until, id LIMIT 1"]
    }
    /// Doubts that policy may settle by one more message, oldest lease first: opt-in, attempt, when it began, the end of
    /// its lease. $1: page, $2: lease ended by, $3: opted in after, $4 and $5: after this lease and id, $6: how many.
    OPEN = "doubt_open" {
        both: ["SELECT o.id, o.fence, a.started_at, o.lease_until FROM optins AS o JOIN attempts AS a ON a.id = o.fence
                WHERE o.page_id = $1 AND o.state = 'uncertain' AND o.lease_until <= $2 AND (o.lease_until, o.id) > ($4, $5)
                  AND o.resent_at IS NULL AND o.opted_out_at IS NULL AND o.greeted_elsewhere = 0 AND o.opted_in_at > $3
                ORDER BY o.lease_until, o.id LIMIT $6"]
    }
    /// How many attempts of one consent are known to have arrived. $1: opt-in, $2: cycle.
    ARRIVED = "doubt_arrived" {
        both: ["SELECT count(*) FROM attempts
                WHERE optin_id = $1 AND cycle = $2 AND (outcome = 'accepted' OR evidence IS NOT NULL)"]
    }
}
