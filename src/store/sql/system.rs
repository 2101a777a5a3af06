//! The database itself: its clock and its settings.

use crate::store::sql::statements;

statements! {
    /// The database's clock, in milliseconds.
    NOW = "system_now" {
        sqlite: ["SELECT CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER)"],
        postgres: ["SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"]
    }
    /// A setting. $1: key.
    SETTING = "settings_get" { both: ["SELECT value FROM settings WHERE key = $1"] }
    /// Keeps a setting. $1: key, $2: value.
    SET = "settings_put" {
        both: ["INSERT INTO settings (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value"]
    }
    /// Tells other nodes. $1: what.
    NOTIFY = "system_notify" { sqlite: ["SELECT $1 WHERE false"], postgres: ["SELECT pg_notify('firstword', $1)::text"] }
}
