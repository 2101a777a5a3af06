//! What can go wrong with the store, by what the caller can do about it.

/// A store error.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database does not answer, or refused; trying again later may help. A COMMIT of unknown end is one of these.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
    /// Another transaction stored the same person first; running again sees it.
    #[error("another transaction stored the same row first")]
    Conflict,
    /// The database holds something that makes no sense.
    #[error("the database holds something that makes no sense: {what}")]
    Corrupt {
        /// Where and what.
        what: String,
    },
    /// The database cannot be used by this version, and what to do.
    #[error("{0}")]
    Unfit(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

/// A store result.
pub type Result<T> = std::result::Result<T, Error>;

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolClosed => Self::Closed,
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Self::Corrupt { what: error.to_string() },
            // A deadlock or a serialization failure: the database chose us to run again.
            error if has_code(&error, &["40P01", "40001"]) => Self::Conflict,
            error => Self::Unavailable(error),
        }
    }
}

/// Codes by which PostgreSQL refuses data: SQLSTATE classes.
const DATA_CLASSES: &[&str] = &["21", "22", "23"];
/// Codes by which SQLite does: too big, constraint, mismatch, range.
const DATA_CODES: &[i32] = &[18, 19, 20, 25];
/// PostgreSQL's codes for a statement that ran, or waited for a lock, too long.
const TIMEOUTS: &[&str] = &["57014", "55P03"];

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).map(std::borrow::Cow::into_owned)
}

fn has_code(error: &sqlx::Error, codes: &[&str]) -> bool {
    code(error).is_some_and(|code| codes.contains(&code.as_str()))
}

/// SQLite's primary code: the extended ones carry more in their upper bytes.
pub(super) fn sqlite_code(error: &sqlx::Error) -> Option<i32> {
    // A SQLSTATE has five characters, and SQLite's codes never have: the two cannot be taken for each other.
    code(error).filter(|code| code.len() < 5).and_then(|code| code.parse::<i32>().ok()).map(|code| code & 0xff)
}

impl Error {
    /// Whether the database works and would not have this data, or these rows at this moment: others may fare better.
    pub(super) fn concerns_one(&self) -> bool {
        match self {
            Self::Unavailable(error) => {
                let class = code(error).is_some_and(|code| DATA_CLASSES.iter().any(|class| code.starts_with(class)));
                sqlite_code(error).map_or(class, |code| DATA_CODES.contains(&code))
            }
            Self::Conflict | Self::Corrupt { .. } => true,
            Self::Unfit(_) | Self::Closed => false,
        }
    }

    /// Whether something took too long: one caller's locked row, or everybody's.
    pub(super) fn is_timeout(&self) -> bool {
        matches!(self, Self::Unavailable(error) if has_code(error, TIMEOUTS))
    }

    /// The same error for somebody else it also befell.
    pub(super) fn again(&self) -> Self {
        match self {
            Self::Unavailable(error) => Self::Unavailable(sqlx::Error::Io(std::io::Error::other(error.to_string()))),
            Self::Conflict => Self::Conflict,
            Self::Corrupt { what } => Self::Corrupt { what: what.clone() },
            Self::Unfit(text) => Self::Unfit(text.clone()),
            Self::Closed => Self::Closed,
        }
    }

    /// The error and what caused it, in one line.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        text
    }
}
