//! Attempts: found by number or message, noted, told.

use crate::store::batch::{Batch, Kind::Int, Kind::Text};
use crate::store::sql::statements;

statements! {
    /// Attempts by number: id, opt-in, cycle. $1: JSON array of ids.
    BY_ID = "attempts_by_id" {
        sqlite: ["SELECT id, optin_id, cycle FROM attempts WHERE id IN (SELECT value FROM json_each($1))"],
        postgres: ["SELECT id, optin_id, cycle FROM attempts
                    WHERE id = ANY (ARRAY(SELECT json_array_elements_text($1::json)::bigint))"]
    }
    /// The story of one opt-in. $1: opt-in.
    OF_OPTIN = "attempts_of_optin" {
        both: ["SELECT id, cycle, number, node, started_at, ended_at, outcome, http_status, code, subcode, fbtrace_id,
                       message_id, detail, evidence, evidence_at
                FROM attempts WHERE optin_id = $1 ORDER BY id"]
    }
    /// Attempts by node, of those that were accepted.
    ACCEPTED_BY_NODE = "attempts_accepted_by_node" {
        both: ["SELECT node, count(*) FROM attempts WHERE outcome = 'accepted' GROUP BY node ORDER BY node"]
    }
}

/// Attempts by the message they sent: message, id, opt-in, cycle. The row names its message, or another table does. Where
/// SQLite may choose what comes first it begins with all attempts, and builds an index of them for each list.
pub(in crate::store) static BY_MESSAGE: Batch = Batch::new(
    "attempts_by_message",
    "WITH k ({columns}) AS (VALUES {values}),
     named (message_id, optin_id) AS (
         SELECT k.message_id, o.id FROM k CROSS JOIN optins AS o WHERE o.message_id = k.message_id
         UNION ALL SELECT k.message_id, m.optin_id FROM k CROSS JOIN other_messages AS m WHERE m.message_id = k.message_id
     )
     SELECT a.message_id, a.id, a.optin_id, a.cycle FROM named CROSS JOIN attempts AS a
     WHERE a.optin_id = named.optin_id AND a.message_id = named.message_id",
    &[("message_id", Text)],
);

/// Messages that their rows do not name.
pub(in crate::store) static NAME_MESSAGES: Batch = Batch::new(
    "attempts_name_messages",
    "INSERT INTO other_messages ({columns}) VALUES {values} ON CONFLICT DO NOTHING",
    &[("message_id", Text), ("optin_id", Int)],
);

/// What became known of attempts. A later report of the same attempt wins; the first evidence stays.
pub(in crate::store) static NOTE: Batch = Batch::new(
    "attempts_note",
    "WITH v ({columns}) AS (VALUES {values})
     UPDATE attempts SET ended_at = COALESCE(v.ended_at, attempts.ended_at), outcome = COALESCE(v.outcome, attempts.outcome),
         http_status = COALESCE(v.http_status, attempts.http_status), code = COALESCE(v.code, attempts.code),
         subcode = COALESCE(v.subcode, attempts.subcode), fbtrace_id = COALESCE(v.fbtrace_id, attempts.fbtrace_id),
         message_id = COALESCE(v.message_id, attempts.message_id), detail = COALESCE(v.detail, attempts.detail),
         evidence = COALESCE(attempts.evidence, v.evidence), evidence_at = COALESCE(attempts.evidence_at, v.evidence_at)
     FROM v WHERE attempts.id = v.id AND (v.outcome IS NOT NULL OR attempts.evidence IS NULL)",
    &[
        ("id", Int),
        ("ended_at", Int),
        ("outcome", Text),
        ("http_status", Int),
        ("code", Int),
        ("subcode", Int),
        ("fbtrace_id", Text),
        ("message_id", Text),
        ("detail", Text),
        ("evidence", Text),
        ("evidence_at", Int),
    ],
);
