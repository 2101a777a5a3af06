//! Every statement the store can send, by what it is about. Each has a name, which is its first comment line; the
//! test that prepares them all on both engines takes them from [`all`] and [`batches()`].

use super::batch::Batch;
use super::engine::Sql;

pub(super) mod accept;
pub(super) mod alerts;
pub(super) mod attempts;
pub(super) mod backlog;
pub(super) mod batches;
pub(super) mod claim;
pub(super) mod doubt;
pub(super) mod echoes;
pub(super) mod erase;
pub(super) mod health;
pub(super) mod holds;
pub(super) mod jobs;
pub(super) mod lineage;
pub(super) mod optins;
pub(super) mod outbox;
pub(super) mod pages;
pub(super) mod people;
pub(super) mod report;
pub(super) mod standing;
pub(super) mod system;
pub(super) mod tally;
pub(super) mod upkeep;

/// Declares statements: `NAME = "label" { both: text }` or `{ sqlite: text, postgres: text }`, where a text is one or
/// more literals in brackets, joined.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $label:literal { $($text:tt)* })*) => {
        $($(#[$doc])* pub(in crate::store) const $name: &$crate::store::engine::Sql = &$crate::store::sql::statement!($label, $($text)*);)*
        /// All statements of this file.
        pub(in crate::store) const ALL: &[&$crate::store::engine::Sql] = &[$($name),*];
    };
}

macro_rules! statement {
    ($label:literal, both: [$($text:expr),+]) => {
        $crate::store::engine::Sql {
            name: $label,
            sqlite: concat!("-- ", $label, "\n", $($text),+),
            postgres: concat!("-- ", $label, "\n", $($text),+),
        }
    };
    ($label:literal, sqlite: [$($sqlite:expr),+], postgres: [$($postgres:expr),+]) => {
        $crate::store::engine::Sql {
            name: $label,
            sqlite: concat!("-- ", $label, "\n", $($sqlite),+),
            postgres: concat!("-- ", $label, "\n", $($postgres),+),
        }
    };
}

/// The columns of an opt-in, in the order in which `row.rs` reads them.
macro_rules! optin_columns {
    () => {
        "id, page_id, login_id, state, state_since, cycle, opted_in_at, renewed_at, maybe_greeted_at, opted_out_at, \
         greeted_elsewhere, psid, message_id, reason, attempts, doubtful, next_attempt_at, lease_until, fence, sent_at, \
         replied_at, locale, reference, variant, resent_at"
    };
}

/// PostgreSQL: the running server in one number: the timeline that is written now, and when the server was started, in
/// milliseconds. A standby that takes over begins a new timeline, and so does a restored archive.
macro_rules! server {
    () => {
        "((('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint << 42)
          + (extract(epoch FROM pg_postmaster_start_time()) * 1000)::bigint)"
    };
}

pub(in crate::store) use {optin_columns, server, statement, statements};

/// Every statement.
pub(super) fn all() -> impl Iterator<Item = &'static Sql> {
    [
        alerts::ALL,
        attempts::ALL,
        backlog::ALL,
        batches::ALL,
        claim::ALL,
        doubt::ALL,
        echoes::ALL,
        erase::ALL,
        health::ALL,
        holds::ALL,
        lineage::ALL,
        jobs::ALL,
        optins::ALL,
        outbox::ALL,
        pages::ALL,
        people::ALL,
        report::ALL,
        standing::ALL,
        system::ALL,
        tally::ALL,
        upkeep::ALL,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// Every statement over many rows.
pub(super) fn batches() -> [&'static Batch; 11] {
    [
        &accept::ACCEPT,
        &attempts::BY_MESSAGE,
        &attempts::NAME_MESSAGES,
        &attempts::NOTE,
        &echoes::COUNTED,
        &echoes::HEARD,
        &optins::IDS_BY_LOGIN,
        &optins::IDS_BY_PSID,
        &optins::INSERT,
        &optins::SAVE,
        &outbox::TELL_SITE,
    ]
}
