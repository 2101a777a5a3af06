//! Whether a process may claim here.

use crate::store::sql::statements;

statements! {
    /// The oldest version that may claim, and since when the store is known to have gone back.
    STANDING = "standing" {
        both: ["SELECT (SELECT CAST(value AS BIGINT) FROM settings WHERE key = 'claimer_min'),
                       (SELECT max(claimer_min) FROM pages), (SELECT min(rewound_at) FROM pages)"]
    }
}
