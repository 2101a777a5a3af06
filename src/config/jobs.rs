//! `[jobs]`: where job files are.

use std::path::PathBuf;

use super::section::Section;

/// Where job files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jobs {
    /// The directory whose files replace the built-in ones, as an absolute path.
    pub dir: Option<PathBuf>,
}

pub(super) fn read(section: &mut Section<'_>) -> Jobs {
    let dir = section.path("dir");
    if let Some(missing) = dir.as_ref().filter(|dir| !dir.is_dir()) {
        let what = format!("is no directory: {}", missing.display());
        section.fault("dir", what, "name a directory with job files, or leave the key out");
    }
    Jobs { dir }
}
