//! The outbox: notices on their way to the operator and to the site.

use crate::store::batch::{Batch, Kind::Int, Kind::Text};
use crate::store::sql::statements;

macro_rules! due {
    () => {
        "channel = $1 AND due_at <= $2
         AND NOT EXISTS (SELECT 1 FROM outbox AS p WHERE p.channel = o.channel AND p.subject = o.subject AND p.id < o.id)"
    };
}

statements! {
    /// Queues a notice of an alert, unless an earlier one waits and this one only says that it lasts. $1: channel,
    /// $2: subject, $3: body, $4: now, $5: 1 where it only says so.
    TELL = "outbox_tell" {
        both: ["INSERT INTO outbox (channel, subject, body, created_at, due_at)
                SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS BIGINT), CAST($4 AS BIGINT)
                WHERE CAST($5 AS BIGINT) = 0 OR NOT EXISTS (SELECT 1 FROM outbox WHERE channel = $1 AND subject = $2)"]
    }
    /// How many notices are due. $1: channel, $2: now.
    DUE = "outbox_due" {
        both: ["SELECT count(*) FROM (SELECT 1 FROM outbox AS o WHERE ", due!(), " LIMIT 1) AS due"]
    }
    /// Takes notices: number, attempt, event, body, when made. $1: channel, $2: now, $3: end of the lease, $4: how many.
    TAKE = "outbox_take" {
        sqlite: ["UPDATE outbox SET attempts = attempts + 1, due_at = $3
                  WHERE id IN (SELECT id FROM outbox AS o WHERE ", due!(), " ORDER BY due_at, id LIMIT $4)
                  RETURNING id, attempts, event, body, created_at"],
        postgres: ["UPDATE outbox SET attempts = attempts + 1, due_at = $3
                    WHERE id IN (SELECT id FROM outbox AS o WHERE ", due!(), " ORDER BY due_at, id LIMIT $4
                                 FOR UPDATE SKIP LOCKED)
                    RETURNING id, attempts, event, body, created_at"]
    }
    /// A notice arrived, or is given up. $1: id, $2: attempt.
    DONE = "outbox_done" { both: ["DELETE FROM outbox WHERE id = $1 AND attempts = $2"] }
    /// A notice is tried again. $1: id, $2: attempt, $3: when, $4: why.
    LATER = "outbox_later" { both: ["UPDATE outbox SET due_at = $3, error = $4 WHERE id = $1 AND attempts = $2"] }
    /// Erases what waits about people. $1: JSON array of opt-in ids.
    ERASE = "outbox_erase" {
        sqlite: ["DELETE FROM outbox WHERE optin_id IN (SELECT value FROM json_each($1))"],
        postgres: ["DELETE FROM outbox WHERE optin_id = ANY (ARRAY(SELECT json_array_elements_text($1::json)::bigint))"]
    }
    /// What waits: channel, how many, the oldest, the latest reason why not.
    WAITING = "outbox_waiting" {
        both: ["SELECT channel, count(*), min(created_at), max(error) FROM outbox GROUP BY channel ORDER BY channel"]
    }
}

/// Queues what the site is told. An event has one name, so that a list may repeat its last row.
pub(in crate::store) static TELL_SITE: Batch = Batch::new(
    "outbox_tell_site",
    "INSERT INTO outbox ({columns}) VALUES {values} ON CONFLICT (event) DO NOTHING",
    &[
        ("channel", Text),
        ("subject", Text),
        ("event", Text),
        ("optin_id", Int),
        ("body", Text),
        ("created_at", Int),
        ("due_at", Int),
    ],
);
