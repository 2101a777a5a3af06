//! Echoes: what silence is worth. Nothing here costs anything while no echo ever comes.

use crate::store::batch::{Batch, Kind::Int, Kind::Text};
use crate::store::sql::statements;

macro_rules! counted_to {
    () => {
        "SELECT value FROM settings WHERE key = $1"
    };
}

statements! {
    /// The first attempt that was echoed.
    FIRST = "echoes_first" { both: ["SELECT attempt_id FROM echoes ORDER BY attempt_id LIMIT 1"] }
    /// Up to which attempt it was counted whose messages were echoed, locked. $1: the setting's key.
    COUNTED_TO = "echoes_counted_to" { sqlite: [counted_to!()], postgres: [counted_to!(), " FOR UPDATE"] }
    /// The next attempts, with what became of them: id, page, started, outcome, ended, echoed. $1: after this one,
    /// $2: how many.
    NEXT = "echoes_next" {
        both: ["SELECT a.id, COALESCE((SELECT page_id FROM optins WHERE optins.id = a.optin_id), ''), a.started_at, a.outcome,
                       a.ended_at, (SELECT echoed_at FROM echoes WHERE echoes.attempt_id = a.id)
                FROM attempts AS a WHERE a.id > $1 ORDER BY a.id LIMIT $2"]
    }
    /// An accepted message of the page was not echoed in time. $1: page, $2: attempt, $3: when accepted.
    UNECHOED = "echoes_unechoed" { both: ["UPDATE pages SET unechoed = $2, unechoed_at = $3 WHERE page_id = $1"] }
    /// A second message was proved. $1: page, $2: now.
    REFUTE = "echoes_refute" { both: ["UPDATE pages SET refuted_at = $2 WHERE page_id = $1 AND refuted_at IS NULL"] }
    /// Silence may count again, measured anew. $1: page, $2: now.
    TRUST = "echoes_trust" {
        both: ["UPDATE pages SET refuted_at = NULL, unechoed_at = $2,
                       unechoed = (SELECT id FROM attempts ORDER BY id DESC LIMIT 1)
                WHERE page_id = $1 AND refuted_at IS NOT NULL"]
    }
    /// The measure of a page: how many in a row, when the oldest of them was accepted, when the latest that was not
    /// echoed, since when it is refuted. $1: page, $2: how many at most.
    MEASURE = "echoes_measure" {
        both: ["SELECT (SELECT count(*) FROM (SELECT 1 FROM echoes AS e
                                  WHERE e.page_id = p.page_id AND e.accepted_at IS NOT NULL AND e.attempt_id > COALESCE(p.unechoed, 0)
                                  ORDER BY e.attempt_id DESC LIMIT $2) AS sample),
                       (SELECT min(accepted_at) FROM (SELECT e.accepted_at FROM echoes AS e
                                  WHERE e.page_id = p.page_id AND e.accepted_at IS NOT NULL AND e.attempt_id > COALESCE(p.unechoed, 0)
                                  ORDER BY e.attempt_id DESC LIMIT $2) AS sample),
                       p.unechoed_at, p.refuted_at
                FROM pages AS p WHERE p.page_id = $1"]
    }
    /// How many messages accepted after a time were echoed. $1: page, $2: after this attempt, $3: after this time,
    /// $4: how many at most.
    SINCE = "echoes_since" {
        both: ["SELECT count(*) FROM (SELECT 1 FROM echoes AS e JOIN attempts AS a ON a.id = e.attempt_id
                                      WHERE e.page_id = $1 AND e.attempt_id > $2 AND a.outcome = 'accepted' AND a.ended_at > $3
                                      ORDER BY e.attempt_id LIMIT $4) AS since"]
    }
    /// Events that could not be understood, of a page or of none. $1: page, $2: since.
    UNPARSED = "echoes_unparsed" {
        both: ["SELECT count(*) FROM unparsed WHERE at >= $2 AND (page_id IS NULL OR page_id = $1)"]
    }
    /// Times of intake that touch a span: node, since, until. $1: from, $2: to.
    INTAKE = "intake_times_touching" {
        both: ["SELECT node, since, until FROM intake_times WHERE until >= $1 AND since <= $2 ORDER BY until"]
    }
    /// The intake is still up. $1: its row, $2: now, $3: and was at least then.
    INTAKE_ON = "intake_times_on" { both: ["UPDATE intake_times SET until = $2 WHERE id = $1 AND until >= $3 RETURNING id"] }
    /// The intake is up again. $1: node, $2: now.
    INTAKE_UP = "intake_times_up" {
        both: ["INSERT INTO intake_times (node, since, until) VALUES ($1, $2, $2) RETURNING id"]
    }
    /// Forgets old echoes. $1: before, $2: how many.
    DROP = "echoes_drop" {
        both: ["DELETE FROM echoes WHERE attempt_id IN (SELECT attempt_id FROM echoes WHERE echoed_at < $1 LIMIT $2)"]
    }
    /// Forgets old times of intake. $1: before, $2: how many.
    DROP_INTAKE = "intake_times_drop" {
        both: ["DELETE FROM intake_times WHERE id IN (SELECT id FROM intake_times WHERE until < $1 LIMIT $2)"]
    }
}

/// Attempts that an echo named by our token; the first one counts.
pub(in crate::store) static HEARD: Batch = Batch::new(
    "echoes_heard",
    "INSERT INTO echoes ({columns}) VALUES {values} ON CONFLICT (attempt_id) DO NOTHING",
    &[("attempt_id", Int), ("page_id", Text), ("echoed_at", Int)],
);

/// Messages that count in the sample: accepted then, and echoed in time.
pub(in crate::store) static COUNTED: Batch = Batch::new(
    "echoes_counted",
    "WITH v ({columns}) AS (VALUES {values})
     UPDATE echoes SET accepted_at = v.accepted_at FROM v WHERE echoes.attempt_id = v.attempt_id",
    &[("attempt_id", Int), ("accepted_at", Int)],
);
