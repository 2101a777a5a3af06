//! What is remembered beside the rows: tombstones, what could not be understood.

use crate::store::sql::statements;

statements! {
    /// Tombstones: name, possibly greeted, opted out at, erased. $1: JSON array of names.
    TOMBSTONES = "tombstones_find" {
        sqlite: ["SELECT name, maybe_greeted, erased, opted_out_at FROM tombstones WHERE name IN (SELECT value FROM json_each($1))"],
        postgres: ["SELECT name, maybe_greeted, erased, opted_out_at FROM tombstones
                    WHERE name = ANY (ARRAY(SELECT json_array_elements_text($1::json)))"]
    }
    /// PostgreSQL: locks PSIDs by the first byte of their tombstone's name. $1: JSON array of bytes, in order.
    LOCK_PSIDS = "people_lock_psids" {
        sqlite: ["SELECT 0 WHERE $1 IS NULL"],
        postgres: ["SELECT count(pg_advisory_xact_lock(26990, byte::int))
                    FROM (SELECT json_array_elements_text($1::json) AS byte) AS bytes"]
    }
    /// Remembers a person. $1: name, $2: now, $3: possibly greeted, $4: opted out at, $5: erased on request.
    BURY = "tombstones_put" {
        both: ["INSERT INTO tombstones (name, at, maybe_greeted, opted_out_at, erased) VALUES ($1, $2, $3, $4, $5)
                ON CONFLICT (name) DO UPDATE SET at = excluded.at,
                    maybe_greeted = CASE WHEN tombstones.maybe_greeted > excluded.maybe_greeted
                                         THEN tombstones.maybe_greeted ELSE excluded.maybe_greeted END,
                    opted_out_at = CASE WHEN tombstones.opted_out_at > excluded.opted_out_at THEN tombstones.opted_out_at
                                        ELSE COALESCE(excluded.opted_out_at, tombstones.opted_out_at) END,
                    erased = CASE WHEN tombstones.erased > excluded.erased THEN tombstones.erased ELSE excluded.erased END"]
    }
    /// Keeps what could not be understood. $1: now, $2: page, $3: raw.
    KEEP_UNPARSED = "unparsed_put" { both: ["INSERT INTO unparsed (at, page_id, raw) VALUES ($1, $2, $3)"] }
    /// Forgets what is old. $1: before, $2: how many.
    DROP_UNPARSED = "unparsed_drop" {
        both: ["DELETE FROM unparsed WHERE id IN (SELECT id FROM unparsed WHERE at < $1 LIMIT $2)"]
    }
    /// Notes how a reply said what it answers; returns it where it is new. $1: source, $2: now.
    NOTE_SOURCE = "reply_sources_put" {
        both: ["INSERT INTO reply_sources (source, first_at) VALUES ($1, $2) ON CONFLICT (source) DO NOTHING RETURNING source"]
    }
    /// Whether a page has messages out that nobody is linked to, and never had a person linked. $1: page.
    UNLINKED = "people_unlinked" {
        both: ["SELECT count(*) FROM pages
                WHERE page_id = $1 AND NOT EXISTS (SELECT 1 FROM optins WHERE page_id = $1 AND psid IS NOT NULL)
                  AND EXISTS (SELECT 1 FROM optins WHERE state IN ('sent', 'uncertain') AND state = 'sent' AND page_id = $1)"]
    }
}
