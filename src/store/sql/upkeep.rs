//! The scans: whose time has come. Each finds numbers by a partial index; the state machine decides on the locked row.

use crate::store::sql::statements;

macro_rules! ended {
    () => {
        "SELECT id, page_id, login_id, maybe_greeted_at, opted_out_at FROM optins
         WHERE state IN ('expired', 'missed', 'unavailable', 'opted_out', 'cancelled', 'refused') AND state_since <= $1
         ORDER BY state_since, id LIMIT $2"
    };
}

statements! {
    /// Rows that wait for admission. $1: after this id, $2: how many.
    NEW = "scan_new" { both: ["SELECT id FROM optins WHERE state = 'new' AND id > $1 ORDER BY id LIMIT $2"] }
    /// Retries that are due. $1: now, $2: how many.
    DUE = "scan_due" {
        both: ["SELECT id FROM optins WHERE state = 'retrying' AND next_attempt_at <= $1 ORDER BY next_attempt_at, id LIMIT $2"]
    }
    /// When the next retry is due.
    NEXT_DUE = "scan_next_due" {
        both: ["SELECT next_attempt_at FROM optins WHERE state = 'retrying' AND next_attempt_at IS NOT NULL
                ORDER BY next_attempt_at, id LIMIT 1"]
    }
    /// Leases that ran out: opt-in, attempt. $1: now, $2: how many.
    LAPSED = "scan_lapsed" {
        both: ["SELECT id, fence FROM optins WHERE state = 'sending' AND lease_until <= $1 ORDER BY lease_until, id LIMIT $2"]
    }
    /// Pending rows whose hard stop has passed. $1: page, $2: cut-off, $3: how many.
    MISSED = "scan_missed" {
        both: ["SELECT id FROM optins WHERE page_id = $1 AND state = 'pending' AND opted_in_at <= $2
                ORDER BY opted_in_at, id LIMIT $3"]
    }
    /// Rows in doubt since before a time. $1: page or empty, $2: before, $3: after this id, $4: how many.
    IN_DOUBT = "scan_in_doubt" {
        both: ["SELECT id FROM optins WHERE state IN ('sent', 'uncertain') AND state = 'uncertain' AND state_since < $2
                  AND ($1 = '' OR page_id = $1) AND id > $3 ORDER BY id LIMIT $4"]
    }
    /// Rows whose answer window is over. $1: entered their state before, $2: how many.
    UNANSWERED = "scan_unanswered" {
        both: ["SELECT id FROM optins WHERE state IN ('sent', 'uncertain') AND state_since <= $1
                ORDER BY state_since, id LIMIT $2"]
    }
    /// Ended rows their retention has outlived: what their tombstones need. Locked, because fresh consent may reopen
    /// one until it is deleted; whoever has one locked now is about to. $1: ended before, $2: how many.
    ENDED = "scan_ended" {
        sqlite: [ended!()],
        postgres: [ended!(), " FOR UPDATE SKIP LOCKED"]
    }
    /// Deletes rows. $1: JSON array of ids.
    DELETE_OPTINS = "purge_optins" {
        sqlite: ["DELETE FROM optins WHERE id IN (SELECT value FROM json_each($1))"],
        postgres: ["DELETE FROM optins WHERE id = ANY (ARRAY(SELECT json_array_elements_text($1::json)::bigint))"]
    }
    /// Deletes the messages that rows do not name. $1: JSON array of opt-in ids.
    DELETE_MESSAGES = "purge_messages" {
        sqlite: ["DELETE FROM other_messages WHERE optin_id IN (SELECT value FROM json_each($1))"],
        postgres: ["DELETE FROM other_messages
                    WHERE optin_id = ANY (ARRAY(SELECT json_array_elements_text($1::json)::bigint))"]
    }
    /// Deletes their attempts. $1: JSON array of opt-in ids.
    DELETE_ATTEMPTS = "purge_attempts" {
        sqlite: ["DELETE FROM attempts WHERE optin_id IN (SELECT value FROM json_each($1))"],
        postgres: ["DELETE FROM attempts WHERE optin_id = ANY (ARRAY(SELECT json_array_elements_text($1::json)::bigint))"]
    }
}
