//! The commonest end of an attempt, in one trip: its message was accepted and the row is still its own.
//!
//! It says in SQL what `domain::state` says for this one case, as the claim does for its own; the conformance suite
//! holds them together. Whoever is not found `sending` under the fence takes the long road over the desk; so does whose
//! row names another message already, and the probe of a held page, whose acceptance means more.

use crate::store::batch::{Batch, Kind::Int, Kind::Text};

/// The row's new contents. The state is asked for in a way that promises no index to the planner: on a young table
/// PostgreSQL would find each row by walking all that are sending, and would keep that plan while the table grows.
macro_rules! sent {
    () => {
        "state = 'sent', state_since = v.at, reason = NULL, lease_until = NULL, next_attempt_at = NULL,
         sent_at = COALESCE(optins.sent_at, v.at),
         maybe_greeted_at = CASE WHEN optins.maybe_greeted_at < v.at THEN optins.maybe_greeted_at ELSE v.at END,
         message_id = v.message_id, variant = COALESCE(v.variant, optins.variant)
         FROM v WHERE optins.id = v.id AND CASE optins.state WHEN 'sending' THEN optins.fence = v.fence END
           AND COALESCE(optins.message_id, v.message_id) = v.message_id
           AND NOT EXISTS (SELECT 1 FROM pages WHERE pages.probe = v.fence)"
    };
}

/// The attempt's.
macro_rules! noted {
    () => {
        "ended_at = v.at, outcome = 'accepted', http_status = v.http_status, message_id = v.message_id
         FROM v WHERE attempts.id = v.fence"
    };
}

/// When the pages last had a message accepted, at most once a second.
macro_rules! pages {
    ($found:literal) => {
        concat!(
            "INSERT INTO acceptances (page_id, accepted_at) ",
            $found,
            " ON CONFLICT (page_id) DO UPDATE SET accepted_at = excluded.accepted_at
              WHERE acceptances.accepted_at < excluded.accepted_at - 1000"
        )
    };
}

/// Records acceptances. Returns how many rows it found as they should be.
///
/// On SQLite `OR FAIL`, here and in the claim: what fails is undone with its transaction, so nothing need be copied
/// beforehand to undo one statement alone.
pub(in crate::store) static ACCEPT: Batch = Batch::each(
    "accept",
    concat!(
        "WITH v ({columns}) AS (VALUES {values}) UPDATE OR FAIL optins SET ",
        sent!(),
        ";\n",
        "SELECT changes(), NULL;\n",
        "WITH v ({columns}) AS (VALUES {values}) UPDATE OR FAIL attempts SET ",
        noted!(),
        ";\n",
        "WITH v (id) AS (VALUES {keys}) ",
        pages!(
            "SELECT DISTINCT optins.page_id, optins.state_since FROM v CROSS JOIN optins
             WHERE optins.id = v.id AND +optins.state = 'sent' ORDER BY 1, 2"
        ),
        ";\n",
        // An acceptance ends the runs of failures before it.
        "WITH v (id) AS (VALUES {keys}) DELETE FROM failure_runs
         WHERE EXISTS (SELECT 1 FROM v, optins WHERE optins.id = v.id AND optins.page_id = failure_runs.page_id)"
    ),
    concat!(
        "WITH v ({columns}) AS (VALUES {values}),
         done AS (UPDATE optins SET ",
        sent!(),
        " RETURNING optins.page_id, v.at),
         noted AS (UPDATE attempts SET ",
        noted!(),
        "),
         accepted AS (",
        pages!("SELECT page_id, max(at) FROM done GROUP BY page_id ORDER BY 1"),
        " RETURNING page_id),
         cleared AS (DELETE FROM failure_runs WHERE page_id IN (SELECT page_id FROM done) AND ",
        // The acceptances are locked before the runs, as everywhere: without this PostgreSQL begins with the last part.
        "(SELECT count(*) FROM accepted) >= 0)
         SELECT count(*) FROM done"
    ),
    &[("id", Int), ("fence", Int), ("message_id", Text), ("http_status", Int), ("at", Int), ("variant", Text)],
);
