//! Changes keys in one section of woci_manager.ini, and keeps every other byte of it.

use std::path::Path;

use super::manager::Manager;
use crate::error::{Error, Result};
use crate::files::shared::Shared;
use crate::ini::{self, Change};

/// A key, with its new value; `None` removes the key.
pub type Edit<'a> = (&'a str, Option<&'a str>);

/// What was done.
pub struct Changed {
    /// The value that each key had in the section, in the order of the edits.
    pub old: Vec<Option<String>>,
    /// The section was there before.
    pub had_section: bool,
}

/// Sets and removes keys. `may` is asked under the lock, with whether the section is there; if it refuses, nothing is
/// written. A file that does not exist is made, with mode 0600 from its first byte.
///
/// # Errors
/// The file is one that woci refuses, or cannot be written.
pub fn change(
    path: &Path,
    section: &str,
    edits: &[Edit<'_>],
    may: impl FnOnce(bool) -> Result<()>,
) -> Result<Changed> {
    let shared = Shared::lock(path)?;
    let bytes = shared.read()?;
    let refused = |fault: ini::Fault| Error::ManagerConfig {
        path: path.to_owned(),
        why: format!("line {}: {}", fault.line, fault.why),
    };
    let manager = Manager::read(path, &bytes).map_err(refused)?;
    let had_section = manager.sections.iter().any(|name| name == section);
    may(had_section)?;
    let values = manager.sections_of(section);
    let is_own = |value: &&super::manager::Value| !value.is_common || section == super::COMMON;
    let old = edits.iter().map(|(key, _)| values.get(key).filter(is_own).map(|value| value.text.clone()));
    let old = old.collect();
    let changes: Vec<(&str, Change<'_>)> =
        edits.iter().map(|(key, value)| (*key, value.map_or(Change::Remove, Change::Set))).collect();
    let text = ini::text(&bytes).map_err(refused)?;
    let new = ini::edit(text, section, &changes).map_err(refused)?;
    if new != text {
        shared.replace(new.as_bytes())?;
    }
    Ok(Changed { old, had_section })
}
