//! What a time brought, counted over every row: for a report once a day, and for people.

use crate::store::sql::statements;

macro_rules! tally {
    ($walk:literal) => {
        concat!(
            "SELECT page_id, variant,
                    sum(CASE WHEN opted_in_at >= $1 THEN 1 ELSE 0 END),
                    sum(CASE WHEN sent_at >= $1 THEN 1 ELSE 0 END),
                    sum(CASE WHEN sent_at >= $1 AND replied_at IS NOT NULL THEN 1 ELSE 0 END),
                    sum(CASE WHEN state = 'missed' AND state_since >= $1 THEN 1 ELSE 0 END),
                    sum(CASE WHEN opted_out_at >= $1 THEN 1 ELSE 0 END),
                    sum(CASE WHEN state IN ('new', 'pending', 'retrying', 'sending') THEN 1 ELSE 0 END),
                    sum(CASE WHEN state = 'uncertain' THEN 1 ELSE 0 END)
             FROM optins",
            $walk,
            " GROUP BY page_id, variant ORDER BY page_id, variant"
        )
    };
}

statements! {
    /// Page, variant, and since a time: opted in, sent, answered of those, missed, opted out; and now: waiting,
    /// uncertain. $1: since. Read from end to end, as the counts of a report are.
    TALLY = "tally" { sqlite: [tally!(" NOT INDEXED")], postgres: [tally!("")] }
}
