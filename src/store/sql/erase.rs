//! Erasure: everything that holds something of a person, and what stays.

use super::{outbox, upkeep};
use crate::store::engine::Sql;
use crate::store::sql::statements;

/// What is deleted by the numbers of a person's opt-ins, in this order. $1: JSON array of ids.
///
/// Whoever adds a table that holds something of a person adds its statement here, or to [`BY_TEXT`].
pub(in crate::store) const BY_OPTIN: &[&Sql] =
    &[upkeep::DELETE_MESSAGES, upkeep::DELETE_ATTEMPTS, outbox::ERASE, upkeep::DELETE_OPTINS];

/// What is deleted because it holds a text. $1: the text.
pub(in crate::store) const BY_TEXT: &[&Sql] = &[DROP_RAW];

statements! {
    /// PostgreSQL: how long a lock is waited for in the rest of this transaction. Everybody who wants to write waits
    /// behind whoever waits for all of them, so that wait must be short. $1: how long.
    PATIENCE = "erase_patience" {
        sqlite: ["SELECT $1 WHERE false"],
        postgres: ["SELECT set_config('lock_timeout', $1, true)"]
    }
    /// PostgreSQL: waits until no other group is under way, and lets none begin: one that has looked for a tombstone
    /// already would else store the person again. Every group holds the other side of this lock from its beginning.
    ALONE = "erase_alone" {
        sqlite: ["SELECT 0 WHERE false"],
        postgres: ["SELECT count(pg_advisory_xact_lock(26992, 0))"]
    }
    /// Raw events that hold a text. $1: the text.
    DROP_RAW = "erase_raw" {
        sqlite: ["DELETE FROM unparsed WHERE instr(raw, $1) > 0"],
        postgres: ["DELETE FROM unparsed WHERE strpos(raw, $1) > 0"]
    }
    /// Remembers that a request was carried out. $1: code, $2: now.
    NOTE_DELETION = "deletions_put" {
        both: ["INSERT INTO deletions (code, at) VALUES ($1, $2) ON CONFLICT (code) DO NOTHING"]
    }
    /// When a request was carried out. $1: code.
    DELETION = "deletions_get" { both: ["SELECT at FROM deletions WHERE code = $1"] }
    /// Every page that was ever configured or ever had an opt-in. Walks from page to page, not from row to row.
    PAGES = "erase_pages" {
        both: ["WITH RECURSIVE p (id) AS (
                    SELECT min(page_id) FROM optins
                    UNION ALL
                    SELECT (SELECT min(page_id) FROM optins WHERE page_id > p.id) FROM p WHERE p.id IS NOT NULL
                )
                SELECT id FROM p WHERE id IS NOT NULL UNION SELECT page_id FROM pages"]
    }
}
