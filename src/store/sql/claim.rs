//! The claim. On PostgreSQL one statement that locks the page and the opt-ins and re-checks everything on the locked
//! rows; on SQLite, where one transaction writes at a time, the same in four.

use crate::store::sql::statements;

statements! {
    /// The page, if nothing stops it. $1: page, $2: now.
    PAGE = "claim_page" {
        both: ["SELECT arrival_us FROM pages
                WHERE page_id = $1 AND paused_until <= $2 AND (held_since IS NULL OR held_until <= $2)"]
    }
    /// SQLite: writes an attempt for each of the most urgent people; their numbers are the fences.
    /// $1: page, $2: cut-off, $3: how many, $4: node, $5: credential, $6: now.
    ATTEMPTS = "claim_attempts" {
        both: ["INSERT INTO attempts (optin_id, cycle, number, node, credential, started_at)
                SELECT id, cycle, attempts + 1, $4, $5, $6 FROM optins
                WHERE page_id = $1 AND state = 'pending' AND opted_out_at IS NULL AND opted_in_at > $2
                ORDER BY opted_in_at, id LIMIT $3
                RETURNING id"]
    }
    /// SQLite: gives the rows to their attempts. The plus signs keep its planner from walking everybody who waits.
    /// $1: first fence, $2: now, $3: lease, $4: page, $5: cut-off.
    TAKE = "claim_take" {
        sqlite: ["UPDATE optins SET state = 'sending', state_since = $2, reason = NULL, next_attempt_at = NULL,
                         attempts = optins.attempts + 1, fence = a.id, lease_until = $3
                  FROM attempts AS a
                  WHERE a.id >= $1 AND optins.id = a.optin_id AND +optins.page_id = $4 AND +optins.state = 'pending'
                    AND optins.opted_out_at IS NULL AND +optins.opted_in_at > $5
                  RETURNING optins.id, optins.fence, optins.login_id, optins.opted_in_at, optins.attempts, optins.locale"],
        postgres: ["SELECT $1::bigint, $2::bigint, $3::bigint, $4::text, $5::bigint WHERE false"]
    }
    /// SQLite: spends the budget. $1: page, $2: theoretical arrival time.
    SPEND = "claim_spend" { both: ["UPDATE pages SET arrival_us = $2 WHERE page_id = $1"] }
    /// PostgreSQL: all of it. The arithmetic is that of `domain::budget`; the conformance suite holds them together.
    /// $1: page, $2: now, $3: cut-off, $4: how many, $5: interval, $6: slack, $7: lease, $8: node, $9: credential.
    WHOLE = "claim" {
        sqlite: ["SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9 WHERE false"],
        postgres: ["
WITH page AS MATERIALIZED (
    SELECT page_id, GREATEST($2::bigint * 1000, LEAST(arrival_us, $2::bigint * 1000 + $6::bigint + $5::bigint)) AS arrival
    FROM pages
    WHERE page_id = $1::text AND paused_until <= $2::bigint AND (held_since IS NULL OR held_until <= $2::bigint)
    FOR UPDATE
), room AS MATERIALIZED (
    SELECT page_id, arrival,
           CASE WHEN arrival - $2::bigint * 1000 > $6::bigint THEN 0
                ELSE LEAST($4::bigint, ($6::bigint - (arrival - $2::bigint * 1000)) / $5::bigint + 1) END AS starts
    FROM page
), due AS MATERIALIZED (
    SELECT id FROM optins
    WHERE page_id = $1::text AND state = 'pending' AND opted_out_at IS NULL AND opted_in_at > $3::bigint
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
    UPDATE pages SET arrival_us = room.arrival + (SELECT count(*) FROM fenced) * $5::bigint
    FROM room WHERE pages.page_id = room.page_id AND EXISTS (SELECT FROM fenced)
)
SELECT room.arrival, room.starts, taken.id, taken.fence, taken.login_id, taken.opted_in_at, taken.attempts, taken.locale
FROM room LEFT JOIN taken ON true"]
    }
}
