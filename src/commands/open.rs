//! The configuration and the database, as every command opens them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::exit::Misuse;
use crate::cli::Global;
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config, Environment};
use crate::store::Store;

/// Reads the configuration.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(global: &Global) -> Result<Config, config::Faults> {
    let environment = Environment::of_process();
    let file = config::find(global.config.as_deref(), &environment)?;
    config::load(&file, &environment)
}

/// Opens the database, making it or bringing its schema up to date if need be, and governs it by the configuration.
///
/// # Errors
/// Where root would leave files behind that the service cannot open, and where the database cannot be opened.
pub async fn open_store(config: &Config) -> anyhow::Result<Store> {
    if let Some(file) = sqlite_file(&config.database.url) {
        refuse_as_root(&file)?;
    }
    let store = Store::open(config.database.access())
        .await
        .with_context(|| format!("cannot open the database {}", config.database.shown()))?;
    store.govern(config.policy, config.pages.iter().map(|page| page.id.clone())).await?;
    store.tell_site(config.site.told());
    Ok(store)
}

/// Opens the database to look at it: one that is not there is not made.
///
/// # Errors
/// As [`open_store`], and where there is no SQLite file.
pub async fn open_existing(config: &Config) -> anyhow::Result<Store> {
    if let Some(file) = sqlite_file(&config.database.url).filter(|file| !file.exists()) {
        anyhow::bail!("there is no database at {}; `firstword run` or `firstword migrate` makes it", file.display());
    }
    open_store(config).await
}

/// A clock that shows store time.
///
/// # Errors
/// Where the database cannot be asked.
pub async fn store_clock(store: &Store) -> anyhow::Result<SystemClock> {
    let clock = SystemClock::new();
    if store.is_shared() {
        clock.adopt(store.time().await?, clock.boot());
    }
    Ok(clock)
}

/// The file behind a `sqlite://` address.
#[must_use]
pub fn sqlite_file(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("sqlite://")?;
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        let code = (byte == b'%').then(|| Some((digit(ahead.next()?)?, digit(ahead.next()?)?))).flatten();
        if let Some((high, low)) = code {
            bytes.push(high * 16 + low);
            rest = ahead;
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok().map(PathBuf::from)
}

fn digit(byte: u8) -> Option<u8> {
    u8::try_from(char::from(byte).to_digit(16)?).ok()
}

/// Root may write anywhere, but what it makes belongs to root: the service could not open its own database again.
pub(super) fn refuse_as_root(file: &Path) -> Result<(), Misuse> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let owner = file.ancestors().find_map(|path| fs::metadata(path).ok()).map_or(0, |found| found.uid());
    if owner == 0 {
        return Ok(());
    }
    let user = user_named(owner, &fs::read_to_string("/etc/passwd").unwrap_or_default());
    let words: Vec<_> = std::env::args_os().skip(1).map(|word| quoted(&word.to_string_lossy())).collect();
    Err(Misuse(format!(
        "{} belongs to the user {user}, and root would leave files there that {user} cannot open; run: sudo -u {user} \
         firstword {}",
        file.display(),
        words.join(" ")
    )))
}

/// The user's name, or `#NUMBER`, which sudo takes too.
fn user_named(uid: u32, passwd: &str) -> String {
    let name = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    });
    name.map_or_else(|| format!("'#{uid}'"), str::to_owned)
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_=./:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_out_of_addresses() {
        let cases = [
            ("sqlite:///srv/x.db", Some("/srv/x.db")),
            ("sqlite:///srv/100%25%3Fx.db", Some("/srv/100%?x.db")),
            ("sqlite:///srv/50%", Some("/srv/50%")),
            ("postgres://me@db/x", None),
        ];
        for (url, file) in cases {
            assert_eq!(sqlite_file(url), file.map(PathBuf::from), "{url}");
        }
    }

    #[test]
    fn users_have_names() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nfirstword:x:998:998::/:/usr/sbin/nologin\n";
        assert_eq!(user_named(998, passwd), "firstword");
        assert_eq!(user_named(42, passwd), "'#42'");
    }

    #[test]
    fn words_survive_the_shell() {
        assert_eq!(quoted("--config=/a/b.toml"), "--config=/a/b.toml");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
