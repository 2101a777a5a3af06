//! Opt-ins: found, locked, inserted, saved.

use crate::store::batch::{Batch, Kind::Int, Kind::Text};
use crate::store::sql::{optin_columns, statements};

statements! {
    /// Locks rows in the order of their ids. $1: JSON array of ids.
    LOCK = "optins_lock" {
        sqlite: ["SELECT ", optin_columns!(), " FROM optins WHERE id IN (SELECT value FROM json_each($1)) ORDER BY id"],
        postgres: ["SELECT ", optin_columns!(), " FROM optins
                    WHERE id = ANY (ARRAY(SELECT json_array_elements_text($1::json)::bigint)) ORDER BY id FOR UPDATE"]
    }
    /// One row. $1: id.
    GET = "optins_get" { both: ["SELECT ", optin_columns!(), " FROM optins WHERE id = $1"] }
    /// Rows a person may mean. $1: `login_id`, $2: page or empty.
    NAMED = "optins_named" {
        both: ["SELECT ", optin_columns!(), " FROM optins WHERE login_id = $1 AND ($2 = '' OR page_id = $2) ORDER BY id LIMIT 10"]
    }
    /// Rows of a PSID. $1: psid, $2: page or empty.
    OF_PSID = "optins_of_psid" {
        both: ["SELECT ", optin_columns!(), " FROM optins WHERE psid = $1 AND ($2 = '' OR page_id = $2) ORDER BY id LIMIT 10"]
    }
    /// A page of the list, by number. $1: after this id, $2: state or empty, $3: page or empty, $4: how many.
    LIST = "optins_list" {
        both: ["SELECT ", optin_columns!(), " FROM optins
                WHERE id > $1 AND ($2 = '' OR state = $2) AND ($3 = '' OR page_id = $3) ORDER BY id LIMIT $4"]
    }
}

/// The numbers of stored people.
pub(in crate::store) static IDS_BY_LOGIN: Batch = Batch::new(
    "optins_ids_by_login",
    "WITH k ({columns}) AS (VALUES {values}) SELECT o.id FROM k, optins AS o WHERE o.page_id = k.page_id AND o.login_id = k.login_id",
    &[("page_id", Text), ("login_id", Text)],
);

/// The numbers of people known by PSID.
pub(in crate::store) static IDS_BY_PSID: Batch = Batch::new(
    "optins_ids_by_psid",
    "WITH k ({columns}) AS (VALUES {values}) SELECT o.id FROM k, optins AS o WHERE o.page_id = k.page_id AND o.psid = k.psid",
    &[("page_id", Text), ("psid", Text)],
);

macro_rules! insert {
    () => {
        "INSERT INTO optins ({columns}) VALUES {values} ON CONFLICT (page_id, login_id) DO NOTHING"
    };
}

/// New rows. Whoever another transaction stored first is left out of what it returns: on PostgreSQL id, page and
/// `login_id` of each; on SQLite, where each row that crosses from its thread wakes somebody up, the last id of a list and
/// how many it is the last of. They follow each other as the rows do.
pub(in crate::store) static INSERT: Batch = Batch::each(
    "optins_insert",
    concat!(insert!(), ";\nSELECT last_insert_rowid(), changes()"),
    concat!(insert!(), " RETURNING id, page_id, login_id"),
    &[
        ("page_id", Text),
        ("login_id", Text),
        ("state", Text),
        ("state_since", Int),
        ("cycle", Int),
        ("opted_in_at", Int),
        ("renewed_at", Int),
        ("maybe_greeted_at", Int),
        ("opted_out_at", Int),
        ("greeted_elsewhere", Int),
        ("psid", Text),
        ("message_id", Text),
        ("reason", Text),
        ("sent_at", Int),
        ("replied_at", Int),
        ("locale", Text),
        ("reference", Text),
    ],
);

/// Everything of a row that the state machine may have changed.
pub(in crate::store) static SAVE: Batch = Batch::new(
    "optins_save",
    "WITH v ({columns}) AS (VALUES {values})
     UPDATE optins SET state = v.state, state_since = v.state_since, cycle = v.cycle, opted_in_at = v.opted_in_at,
         renewed_at = v.renewed_at, maybe_greeted_at = v.maybe_greeted_at, opted_out_at = v.opted_out_at,
         greeted_elsewhere = v.greeted_elsewhere, psid = v.psid, message_id = v.message_id, reason = v.reason,
         attempts = v.attempts, doubtful = v.doubtful, next_attempt_at = v.next_attempt_at,
         lease_until = v.lease_until, fence = v.fence, sent_at = v.sent_at, replied_at = v.replied_at,
         locale = v.locale, reference = v.reference, variant = v.variant,
         resent_at = v.resent_at
     FROM v WHERE optins.id = v.id",
    &[
        ("id", Int),
        ("state", Text),
        ("state_since", Int),
        ("cycle", Int),
        ("opted_in_at", Int),
        ("renewed_at", Int),
        ("maybe_greeted_at", Int),
        ("opted_out_at", Int),
        ("greeted_elsewhere", Int),
        ("psid", Text),
        ("message_id", Text),
        ("reason", Text),
        ("attempts", Int),
        ("doubtful", Int),
        ("next_attempt_at", Int),
        ("lease_until", Int),
        ("fence", Int),
        ("sent_at", Int),
        ("replied_at", Int),
        ("locale", Text),
        ("reference", Text),
        ("variant", Text),
        ("resent_at", Int),
    ],
);
