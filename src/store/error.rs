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
            error => Self::Unavailable(error),
        }
    }
}

impl Error {
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
