//! What an operator wants to know.

use crate::store::sql::statements;

statements! {
    /// Page, state, how many, the earliest consent.
    COUNTS = "report_counts" {
        both: ["SELECT page_id, state, count(*), min(opted_in_at) FROM optins GROUP BY page_id, state ORDER BY page_id, state"]
    }
    /// How many wait with a hard stop at risk: consent between two times. $1: after, $2: up to, $3: page.
    AT_RISK = "report_at_risk" {
        both: ["SELECT count(*) FROM optins WHERE page_id = $3 AND state = 'pending' AND opted_in_at > $1 AND opted_in_at <= $2"]
    }
    /// Rows that were missed since a time: opt-in, page, reason. $1: after this time, $2: after this id, $3: how many.
    MISSED_SINCE = "report_missed_since" {
        both: ["SELECT id, page_id, reason, state_since FROM optins
                WHERE state IN ('expired', 'missed', 'unavailable', 'opted_out', 'cancelled', 'refused') AND state = 'missed'
                  AND (state_since, id) > ($1, $2)
                ORDER BY state_since, id LIMIT $3"]
    }
}
