//! Whether the database is the one it was; holding everything where it is not; going on where an operator says so.

use crate::store::sql::{server, statements};

macro_rules! remembered {
    () => {
        "(SELECT value FROM settings WHERE key = 'store_accepted'), (SELECT value FROM settings WHERE key = 'store_nonce'),
         (SELECT value FROM settings WHERE key = 'store_origin'), (SELECT value FROM settings WHERE key = 'store_server'),
         (SELECT min(rewound_at) FROM pages), (SELECT value FROM settings WHERE key = 'store_rewound'),
         (SELECT value FROM settings WHERE key = 'store_fence')"
    };
}

statements! {
    /// The database now: system, server, log position, highest attempt that may have been given, highest committed; then
    /// what it remembers: accepted, nonce, origin, server, since when it is held, why, the highest attempt it forgot.
    PRESENT = "lineage_present" {
        sqlite: ["SELECT 'sqlite', 0, 0, COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'attempts'), 0),
                         COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'attempts'), 0), ", remembered!()],
        postgres: ["SELECT (SELECT system_identifier::text FROM pg_control_system()), ", server!(), ",
                           (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint, (SELECT last_value FROM attempts_id_seq),
                           (SELECT COALESCE(max(id), 0) FROM attempts), ", remembered!()]
    }
    /// The pages may be claimed for from this server. $1: server.
    RECOGNISE = "lineage_recognise" {
        both: ["UPDATE pages SET server = $1 WHERE server IS NULL OR server <> $1"]
    }
    /// The store went back: nothing is claimed. $1: now.
    HOLD = "lineage_hold" { both: ["UPDATE pages SET rewound_at = $1 WHERE rewound_at IS NULL"] }
    /// An operator has accepted it.
    LIFT = "lineage_lift" { both: ["UPDATE pages SET rewound_at = NULL"] }
    /// Attempts go on above this number: those that were lost have messages with tokens out there. $1: the number.
    SKIP = "lineage_skip" {
        sqlite: ["INSERT INTO sqlite_sequence (name, seq)
                  SELECT 'attempts', $1 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'attempts')"],
        postgres: ["SELECT setval('attempts_id_seq', $1)"]
    }
    /// The same where the number exists. $1: the number.
    SKIP_ON = "lineage_skip_on" {
        sqlite: ["UPDATE sqlite_sequence SET seq = $1 WHERE name = 'attempts'"],
        postgres: ["SELECT 1 WHERE $1::bigint IS NULL"]
    }
    /// Opt-ins that may have been sent to in the time that was lost, by number. $1: consent before, $2: and after,
    /// $3: after this id, $4: how many.
    OPEN = "lineage_open" {
        both: ["SELECT id FROM optins WHERE id > $3 AND state IN ('new', 'pending', 'retrying', 'sending')
                  AND opted_in_at < $1 AND opted_in_at > $2 ORDER BY id LIMIT $4"]
    }
    /// How many they are: page, state, count. $1: consent before, $2: and after.
    COUNT = "lineage_count" {
        both: ["SELECT page_id, state, count(*) FROM optins WHERE state IN ('new', 'pending', 'retrying', 'sending')
                  AND opted_in_at < $1 AND opted_in_at > $2 GROUP BY page_id, state ORDER BY page_id, state"]
    }
}
