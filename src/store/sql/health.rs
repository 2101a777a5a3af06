//! How the database and its connections to the world are doing.

use crate::store::sql::statements;

statements! {
    /// Engine version, how it writes ahead, the newest migration.
    ENGINE = "health_engine" {
        sqlite: ["SELECT sqlite_version(), (SELECT journal_mode FROM pragma_journal_mode), (SELECT max(version) FROM _sqlx_migrations)"],
        postgres: ["SELECT current_setting('server_version'), current_setting('synchronous_commit'),
                           (SELECT max(version) FROM _sqlx_migrations)"]
    }
    /// The last webhook, the first attempt, the latest acceptance. $1: the setting of the first.
    HEARD = "health_heard" {
        both: ["SELECT (SELECT value FROM settings WHERE key = $1), (SELECT started_at FROM attempts ORDER BY id LIMIT 1),
                       (SELECT max(accepted_at) FROM acceptances)"]
    }
    /// The delivery loop of a node went round. $1: node, $2: now.
    BEAT = "health_beat" {
        both: ["INSERT INTO beats (node, at) VALUES ($1, $2)
                ON CONFLICT (node) DO UPDATE SET at = excluded.at WHERE beats.at < excluded.at"]
    }
    /// When the delivery loop of any node last went round.
    LAST_BEAT = "health_last_beat" { both: ["SELECT max(at) FROM beats HAVING max(at) IS NOT NULL"] }
    /// Forgets nodes. $1: silent since before.
    DROP_BEATS = "health_drop_beats" { both: ["DELETE FROM beats WHERE at < $1"] }
    /// The latest attempt that ended badly, if it is one of the newest, and no acceptance of the page came after it:
    /// when, outcome, code, subcode, what was said. $1: page, $2: how many attempts count as new.
    LATEST_FAILURE = "health_latest_failure" {
        both: ["SELECT a.started_at, a.outcome, a.code, a.subcode, a.detail
                FROM attempts AS a JOIN optins AS o ON o.id = a.optin_id
                WHERE a.id > (SELECT COALESCE(max(id), 0) FROM attempts) - $2 AND o.page_id = $1
                  AND a.outcome IS NOT NULL AND a.outcome <> 'accepted'
                  AND NOT EXISTS (SELECT 1 FROM acceptances AS s WHERE s.page_id = $1 AND s.accepted_at >= a.started_at)
                ORDER BY a.id DESC LIMIT 1"]
    }
}
