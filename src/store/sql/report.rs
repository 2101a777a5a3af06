//! What an operator wants to know.

use crate::store::sql::statements;

macro_rules! counts {
    ($walk:literal) => {
        concat!(
            "SELECT page_id, state, count(*), min(opted_in_at) FROM optins",
            $walk,
            " GROUP BY page_id, state ORDER BY page_id, state"
        )
    };
}

statements! {
    /// Page, state, how many, the earliest consent. SQLite would walk the index of login_ids, which begins with the
    /// page, and look every row up: five times as slow as reading the table from end to end.
    COUNTS = "report_counts" { sqlite: [counts!(" NOT INDEXED")], postgres: [counts!("")] }
    /// Who can still become missed and opted in up to a time: page, how many, the earliest consent. $1: up to.
    AT_RISK = "report_at_risk" {
        both: ["SELECT page_id, count(*), min(opted_in_at) FROM (",
               "SELECT o.page_id, o.opted_in_at FROM pages AS p, optins AS o
                WHERE o.page_id = p.page_id AND o.state = 'pending' AND o.opted_in_at <= $1 AND o.maybe_greeted_at IS NULL
                UNION ALL SELECT page_id, opted_in_at FROM optins
                WHERE state = 'new' AND opted_in_at <= $1 AND maybe_greeted_at IS NULL
                UNION ALL SELECT page_id, opted_in_at FROM optins
                WHERE state = 'retrying' AND opted_in_at <= $1 AND maybe_greeted_at IS NULL
                UNION ALL SELECT page_id, opted_in_at FROM optins
                WHERE state = 'sending' AND opted_in_at <= $1 AND maybe_greeted_at IS NULL) AS waiting
                GROUP BY page_id ORDER BY page_id"]
    }
    /// How many were missed after a time. $1: after.
    MISSES = "report_misses" {
        both: ["SELECT count(*) FROM optins
                WHERE state IN ('expired', 'missed', 'unavailable', 'opted_out', 'cancelled', 'refused') AND state = 'missed'
                  AND state_since > $1"]
    }
}
