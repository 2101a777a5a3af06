//! One daemon a SQLite file.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use super::sqlite;
use crate::store::error::{Error, Result};

/// Held by the one daemon that may run on a SQLite file.
#[derive(Debug)]
pub struct DaemonLock(#[expect(dead_code, reason = "the lock lives as long as the open file")] Option<File>);

/// Makes sure no other daemon runs on the same SQLite file. On PostgreSQL many may.
///
/// # Errors
/// [`Error::Unfit`] if one does, or if the lock file cannot be made.
pub fn lock_for_daemon(url: &str) -> Result<DaemonLock> {
    if !url.starts_with("sqlite:") {
        return Ok(DaemonLock(None));
    }
    // By its real name: two daemons may have come by different links.
    let named = sqlite::file(url)?;
    let database = named.canonicalize().unwrap_or(named);
    let path = lock_path(&database);
    let cannot = |error| Error::Unfit(format!("cannot make the lock file {}: {error}", path.display()));
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(cannot)?;
    match file.try_lock() {
        Ok(()) => Ok(DaemonLock(Some(file))),
        Err(TryLockError::Error(error)) => Err(cannot(error)),
        Err(TryLockError::WouldBlock) => Err(Error::Unfit(format!(
            "another firstword runs on {}; stop it first, or use PostgreSQL where several nodes share the work",
            database.display()
        ))),
    }
}

fn lock_path(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".run");
    PathBuf::from(name)
}
