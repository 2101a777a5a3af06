//! Who still waits, counted in buckets of time: for the forecast, on a reader, never on the way of a send.

use crate::store::sql::statements;

macro_rules! counted {
    () => {
        "SELECT t + $4, (SELECT count(*) FROM optins
                         WHERE page_id = $1 AND state = 'pending' AND opted_in_at > t AND opted_in_at <= t + $4)
         FROM buckets"
    };
}

/// People of one state, in buckets. The index names them; there are few, but for an outage.
macro_rules! apart {
    ($state:literal, $index:literal) => {
        concat!(
            "SELECT page_id, (opted_in_at - $1) / $2 AS bucket, count(*) FROM optins ",
            $index,
            " WHERE state = ",
            $state,
            " AND opted_in_at > $1 GROUP BY 1, 2"
        )
    };
}

statements! {
    /// Pending people of a page: the end of each bucket, how many. One walk of the claim's index, cut into ranges: a
    /// GROUP BY would sort a million rows. $1: page, $2: after, $3: up to, $4: width of a bucket.
    PENDING = "backlog_pending" {
        sqlite: [
            "WITH RECURSIVE buckets (t) AS (SELECT $2 UNION ALL SELECT t + $4 FROM buckets WHERE t + $4 < $3) ",
            counted!()
        ],
        postgres: [
            "WITH buckets (t) AS (SELECT generate_series($2::bigint, $3::bigint - 1, $4::bigint)) ",
            counted!()
        ]
    }
    /// Everybody else who can still be missed: page, bucket counted from $1, how many. $1: after, $2: width of a bucket.
    APART = "backlog_apart" {
        sqlite: [
            apart!("'new'", "INDEXED BY optins_new"), " UNION ALL ",
            apart!("'retrying' AND next_attempt_at IS NOT NULL", "INDEXED BY optins_due"), " UNION ALL ",
            apart!("'sending'", "INDEXED BY optins_lease")
        ],
        postgres: [
            apart!("'new'", ""), " UNION ALL ",
            apart!("'retrying' AND next_attempt_at IS NOT NULL", ""), " UNION ALL ",
            apart!("'sending'", "")
        ]
    }
    /// What became of the latest attempts: page, how many ended, how many of them were accepted, when the first of them
    /// began. $1: how many attempts at most, $2: none that began before.
    RECENT = "backlog_recent" {
        both: ["SELECT o.page_id, count(a.ended_at), COALESCE(sum(CASE WHEN a.outcome = 'accepted' THEN 1 ELSE 0 END), 0), min(a.started_at)
                FROM (SELECT optin_id, started_at, ended_at, outcome FROM attempts ORDER BY id DESC LIMIT $1) AS a
                JOIN optins AS o ON o.id = a.optin_id WHERE a.started_at >= $2 GROUP BY o.page_id"]
    }
    /// Since when the most urgent pending person of a page waits. $1: page, $2: cut-off.
    LONGEST = "backlog_longest" {
        both: ["SELECT state_since FROM optins WHERE page_id = $1 AND state = 'pending' AND opted_in_at > $2
                ORDER BY opted_in_at, id LIMIT 1"]
    }
}
