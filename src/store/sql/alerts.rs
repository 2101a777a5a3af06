//! Alerts: raised, counted, ended, told.

use crate::store::sql::statements;

macro_rules! raise {
    ($times:literal) => {
        concat!(
            "INSERT INTO alerts (kind, cause, detail, first_at, last_at, times) VALUES ($1, $2, $3, $4, $4, $5)
             ON CONFLICT (kind, cause) WHERE resolved_at IS NULL
             DO UPDATE SET last_at = excluded.last_at, times = ",
            $times,
            ", detail = CASE WHEN excluded.detail = '' THEN alerts.detail ELSE excluded.detail END"
        )
    };
}

macro_rules! untold {
    () => {
        "SELECT id, kind, cause, detail, first_at, last_at, times, resolved_at, told_at FROM alerts
         WHERE told_end = 0 AND (told_at IS NULL OR resolved_at IS NOT NULL OR told_at <= $1) ORDER BY id LIMIT 100"
    };
}

statements! {
    /// Raises an alert, or counts it again. $1: kind, $2: cause, $3: detail, $4: now, $5: how often.
    RAISE = "alerts_raise" { both: [raise!("alerts.times + excluded.times")] }
    /// Raises an alert, or says anew how many it concerns. $1: kind, $2: cause, $3: detail, $4: now, $5: how many.
    RESTATE = "alerts_restate" { both: [raise!("excluded.times")] }
    /// Puts down what is told once and is over at once. $1: kind, $2: cause, $3: detail, $4: now, $5: how many.
    REPORT = "alerts_report" {
        both: ["INSERT INTO alerts (kind, cause, detail, first_at, last_at, times, resolved_at)
                VALUES ($1, $2, $3, $4, $4, $5, $4)"]
    }
    /// Ends an alert. $1: kind, $2: cause, $3: now.
    RESOLVE = "alerts_resolve" {
        both: ["UPDATE alerts SET resolved_at = $3 WHERE kind = $1 AND cause = $2 AND resolved_at IS NULL"]
    }
    /// Ends the alerts of a kind that have none of these causes. $1: kind, $2: JSON array of causes, $3: now.
    RESOLVE_OTHERS = "alerts_resolve_others" {
        sqlite: ["UPDATE alerts SET resolved_at = $3 WHERE kind = $1 AND resolved_at IS NULL
                    AND cause NOT IN (SELECT value FROM json_each($2))"],
        postgres: ["UPDATE alerts SET resolved_at = $3 WHERE kind = $1 AND resolved_at IS NULL
                      AND cause <> ALL (ARRAY(SELECT json_array_elements_text($2::json)))"]
    }
    /// Ends what tells of single moments and was not raised since. $1: JSON array of kinds, $2: since, $3: now.
    RESOLVE_PASSED = "alerts_resolve_passed" {
        sqlite: ["UPDATE alerts SET resolved_at = $3 WHERE resolved_at IS NULL AND last_at <= $2
                    AND kind IN (SELECT value FROM json_each($1))"],
        postgres: ["UPDATE alerts SET resolved_at = $3 WHERE resolved_at IS NULL AND last_at <= $2
                      AND kind = ANY (ARRAY(SELECT json_array_elements_text($1::json)))"]
    }
    /// Ends alerts whose page is no longer held. $1: kind, $2: now.
    RESOLVE_LIFTED = "alerts_resolve_lifted" {
        both: ["UPDATE alerts SET resolved_at = $2 WHERE kind = $1 AND resolved_at IS NULL
                AND NOT EXISTS (SELECT 1 FROM pages WHERE page_id = cause AND (held_since IS NOT NULL OR stopped_until > $2))"]
    }
    /// Ends alerts of pages that were unknown and for which nobody waits any more. $1: kind, $2: now.
    RESOLVE_KNOWN = "alerts_resolve_known" {
        both: ["UPDATE alerts SET resolved_at = $2 WHERE kind = $1 AND resolved_at IS NULL
                AND NOT EXISTS (SELECT 1 FROM optins WHERE state = 'new' AND page_id = cause AND reason = 'unknown_page')"]
    }
    /// Open alerts: kind, cause, detail, first, last, times.
    OPEN = "alerts_open" {
        both: ["SELECT kind, cause, detail, first_at, last_at, times FROM alerts WHERE resolved_at IS NULL ORDER BY id"]
    }
    /// Alerts of which something is to be told, locked. $1: those told up to then are told again.
    UNTOLD = "alerts_untold" {
        sqlite: [untold!()],
        postgres: [untold!(), " FOR UPDATE SKIP LOCKED"]
    }
    /// How many there are. $1: those told up to then are told again.
    COUNT_UNTOLD = "alerts_count_untold" {
        both: ["SELECT count(*) FROM alerts
                WHERE told_end = 0 AND (told_at IS NULL OR resolved_at IS NOT NULL OR told_at <= $1)"]
    }
    /// Notes what was told of an alert. $1: id, $2: now, $3: whether it was its end.
    TOLD = "alerts_told" { both: ["UPDATE alerts SET told_at = $2, told_end = $3 WHERE id = $1"] }
    /// Forgets ended alerts. $1: ended before, $2: how many.
    FORGET = "alerts_forget" {
        both: ["DELETE FROM alerts WHERE id IN (SELECT id FROM alerts WHERE resolved_at < $1 AND told_end = 1 LIMIT $2)"]
    }
}
