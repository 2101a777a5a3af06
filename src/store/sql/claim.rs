//! The claim. On PostgreSQL one statement that locks the page and the opt-ins and re-checks everything on the locked
//! rows; on SQLite, where one transaction writes at a time, four statements sent as one: each trip to its thread costs
//! more than the statements.

use crate::store::sql::{server, statements};

/// What must hold of a page to be claimed for; one that is held lets a probe through, claimed under its generation. The
/// 1 is [`CLAIMER`](crate::store::standing::CLAIMER), this version.
macro_rules! open {
    () => {
        "paused_until <= $2 AND stopped_until <= $2 AND rewound_at IS NULL AND claimer_min <= 1
           AND CASE WHEN held_since IS NULL THEN $12 = 0
                    ELSE generation = abs(CAST($12 AS BIGINT)) AND (probe IS NULL OR probe_until <= $2) END
           AND NOT EXISTS (SELECT 1 FROM credentials AS c
                           WHERE c.page_id = $1 AND c.credential = $9 AND c.refused_at IS NOT NULL)"
    };
}

/// SQLite: how many may start; no row where something stops the page.
macro_rules! room {
    () => {
        concat!(
            "SELECT CASE WHEN arrival_us > $2 * 1000 + $6 THEN 0
                     ELSE min($4, CASE WHEN held_since IS NULL THEN $4 ELSE 1 END,
                              ($6 - (max($2 * 1000, arrival_us) - $2 * 1000)) / $5 + 1) END AS starts
         FROM pages WHERE page_id = $1 AND ",
            open!()
        )
    };
}

/// SQLite: writes an attempt for each of the most urgent people; their numbers are the fences.
macro_rules! attempts {
    () => {
        concat!(
            "INSERT OR FAIL INTO attempts (optin_id, cycle, number, node, credential, started_at)
             SELECT id, cycle, attempts + 1, $8, $9, $2 FROM optins
             WHERE page_id = $1 AND state = 'pending' AND opted_out_at IS NULL AND opted_in_at > $3
               AND opted_in_at <= $10 AND (+opted_in_at <= $11 OR attempts > 0)
               AND ($12 <= 0 OR fence IS NULL OR fence < (SELECT tried_from FROM pages WHERE page_id = $1))
             ORDER BY opted_in_at, id LIMIT COALESCE((SELECT starts FROM (",
            room!(),
            ")), 0)"
        )
    };
}

/// SQLite: gives the rows to their attempts: as many of the last ones as were just inserted. With none inserted, the
/// last row's number is another table's, and nobody must be found by it. The plus signs keep its planner from walking everybody who waits.
macro_rules! take {
    () => {
        "UPDATE OR FAIL optins SET state = 'sending', state_since = $2, reason = NULL, next_attempt_at = NULL,
                attempts = optins.attempts + 1, fence = a.id, lease_until = $7
         FROM attempts AS a
         WHERE changes() > 0 AND a.id > last_insert_rowid() - changes() AND optins.id = a.optin_id AND +optins.page_id = $1
           AND +optins.state = 'pending' AND optins.opted_out_at IS NULL AND +optins.opted_in_at > $3"
    };
}

/// SQLite: what was taken, all in one row: each row that crosses from its thread wakes somebody up.
macro_rules! tell {
    () => {
        concat!(
            "SELECT max($2 * 1000, min(arrival_us, $2 * 1000 + $6 + $5)) + changes() * $5,
                (SELECT json_group_array(json_array(o.id, o.fence, o.login_id, o.opted_in_at, o.attempts, o.locale))
                             FROM attempts AS a CROSS JOIN optins AS o ON o.id = a.optin_id
                             WHERE changes() > 0 AND a.id > last_insert_rowid() - changes() AND o.fence = a.id)
         FROM pages WHERE page_id = $1 AND ",
            open!()
        )
    };
}

statements! {
    /// The part of the claim that finds people, by itself for its plan. On PostgreSQL $1: page, $2: cut-off, $3: how many,
    /// $4: nobody who opted in later, $5: of those later than this only whoever was tried before.
    ATTEMPTS = "claim_attempts" {
        sqlite: [attempts!()],
        postgres: ["SELECT id FROM optins
                    WHERE page_id = $1 AND state = 'pending' AND opted_out_at IS NULL AND opted_in_at > $2
                      AND opted_in_at <= $4 AND (opted_in_at <= $5 OR attempts > 0)
                    ORDER BY opted_in_at, id LIMIT $3 FOR UPDATE SKIP LOCKED"]
    }
    /// The part of the claim on SQLite that takes them, by itself for its plan.
    TAKE = "claim_take" { sqlite: [take!()], postgres: ["SELECT 1"] }
    /// All of it. The arithmetic is that of `domain::budget`; the conformance suite holds them together. Its one row
    /// holds the page's arrival time afterwards and the people, as a JSON array; no row where something stops the page.
    /// $1: page, $2: now, $3: cut-off, $4: how many, $5: interval, $6: slack, $7: lease, $8: node, $9: credential,
    /// $10: nobody who opted in later, $11: of those later than this only whoever was tried before,
    /// $12: 0, or the generation of a hold for its probe: of somebody not tried since it began; negated, of anybody.
    WHOLE = "claim" {
        sqlite: [
            attempts!(), ";\n",
            take!(), ";\n",
            tell!(), ";\n",
            "UPDATE pages SET arrival_us = max($2 * 1000, min(arrival_us, $2 * 1000 + $6 + $5)) + changes() * $5,
                    probe = CASE WHEN held_since IS NULL THEN NULL ELSE last_insert_rowid() END,
                    probe_until = CASE WHEN held_since IS NULL THEN NULL ELSE $7 END
             WHERE page_id = $1 AND changes() > 0"
        ],
        postgres: ["
WITH page AS MATERIALIZED (
    SELECT page_id, held_since, tried_from, GREATEST($2::bigint * 1000, LEAST(arrival_us, $2::bigint * 1000 + $6::bigint + $5::bigint)) AS arrival
    FROM pages
    WHERE page_id = $1::text AND ", open!(), "
      AND (server IS NULL OR server = ", server!(), ")
    FOR UPDATE
), room AS MATERIALIZED (
    SELECT page_id, arrival,
           CASE WHEN arrival - $2::bigint * 1000 > $6::bigint THEN 0
                ELSE LEAST($4::bigint, CASE WHEN held_since IS NULL THEN $4::bigint ELSE 1 END, ($6::bigint - (arrival - $2::bigint * 1000)) / $5::bigint + 1) END AS starts
    FROM page
), due AS MATERIALIZED (
    SELECT id FROM optins
    WHERE page_id = $1::text AND state = 'pending' AND opted_out_at IS NULL AND opted_in_at > $3::bigint
      AND opted_in_at <= $10::bigint AND (opted_in_at <= $11::bigint OR attempts > 0)
      AND ($12::bigint <= 0 OR fence IS NULL OR fence < (SELECT tried_from FROM page))
    ORDER BY opted_in_at, id
    LIMIT COALESCE((SELECT starts FROM room), 0)
    FOR UPDATE SKIP LOCKED
), fenced AS MATERIALIZED (
    SELECT id, nextval('attempts_id_seq') AS fence FROM due
), taken AS (
    UPDATE optins SET state = 'sending', state_since = $2::bigint, reason = NULL, next_attempt_at = NULL,
           attempts = optins.attempts + 1, fence = fenced.fence, lease_until = $7::bigint
    FROM fenced WHERE optins.id = fenced.id
    RETURNING optins.id, optins.fence, optins.login_id, optins.opted_in_at, optins.attempts, optins.locale, optins.cycle
), written AS (
    INSERT INTO attempts (id, optin_id, cycle, number, node, credential, started_at)
    SELECT fence, id, cycle, attempts, $8::text, $9::text, $2::bigint FROM taken
), spent AS (
    UPDATE pages SET arrival_us = room.arrival + (SELECT count(*) FROM fenced) * $5::bigint,
           probe = CASE WHEN held_since IS NULL THEN NULL ELSE (SELECT max(fence) FROM fenced) END,
           probe_until = CASE WHEN held_since IS NULL THEN NULL ELSE $7::bigint END
    FROM room WHERE pages.page_id = room.page_id AND EXISTS (SELECT FROM fenced)
)
SELECT room.arrival + (SELECT count(*) FROM fenced) * $5::bigint,
       (SELECT COALESCE(json_agg(json_build_array(id, fence, login_id, opted_in_at, attempts, locale)), '[]')::text FROM taken)
FROM room"]
    }
}
