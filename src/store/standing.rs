//! Whether this process may claim here: its version, and whether the database is still the one it was.

use super::Store;
use super::engine::{Columns, FromColumns};
use super::error::Result;
use super::sql;
use crate::domain::time::Timestamp;

/// This version's number as a claimer. The claim itself compares it, in SQL, with what the schema asks for.
pub const CLAIMER: i64 = 1;

/// What stands against claiming, for every page at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The oldest version that may claim.
    pub claimer_min: i64,
    /// Since when the store is known to have gone back, until an operator accepts what was lost.
    pub rewound_at: Option<Timestamp>,
}

impl Standing {
    /// Nothing stands against it.
    pub const GOOD: Self = Self { claimer_min: CLAIMER, rewound_at: None };

    /// Whether a newer version has changed what a claim must observe: this one records, and claims nothing.
    #[must_use]
    pub const fn is_outdated(&self) -> bool {
        self.claimer_min > CLAIMER
    }
}

impl Store {
    /// Whether this process may claim here.
    pub async fn standing(&self) -> Result<Standing> {
        let standing = self.pool.reader().await?.row(sql::standing::STANDING, &[]).await?;
        Ok(standing.unwrap_or(Standing::GOOD))
    }
}

impl FromColumns for Standing {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        let claimer_min = c.maybe_int()?.max(c.maybe_int()?).unwrap_or(CLAIMER);
        Ok(Self { claimer_min, rewound_at: c.maybe_int()?.map(Timestamp::from_ms) })
    }
}
