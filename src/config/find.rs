//! Where the file is looked for.

use std::path::{Path, PathBuf};

use super::{Environment, Fault, Faults};

const SYSTEM_WIDE: &str = "/etc/firstword/firstword.toml";

/// The file to read: `--config`, else `$FIRSTWORD_CONFIG`, else `./firstword.toml`, else
/// `/etc/firstword/firstword.toml`.
///
/// # Errors
/// Says where a named file is missing, or where it was looked for.
pub fn find(explicit: Option<&Path>, environment: &Environment) -> Result<PathBuf, Faults> {
    if let Some(path) = explicit {
        return named(path, "--config", "name a file that is there");
    }
    if let Some(path) = environment.get("FIRSTWORD_CONFIG").filter(|path| !path.is_empty()) {
        return named(Path::new(path), "$FIRSTWORD_CONFIG", "name a file that is there, or unset the variable");
    }
    let here = environment.dir.join("firstword.toml");
    let places = [here, PathBuf::from(SYSTEM_WIDE)];
    places.into_iter().find(|path| path.is_file()).ok_or_else(|| {
        let what = format!("is neither here nor at {SYSTEM_WIDE}");
        let remedy = "name it with --config FILE, or make one: firstword config sample > firstword.toml";
        Fault::new("firstword.toml", "", what, remedy).into()
    })
}

fn named(path: &Path, by: &str, remedy: &str) -> Result<PathBuf, Faults> {
    if path.exists() && !path.is_dir() {
        return Ok(path.to_owned());
    }
    let what = if path.is_dir() { "is a directory" } else { "does not exist" };
    Err(Fault::new(&path.display().to_string(), "", format!("{what}, but {by} names it"), remedy).into())
}
