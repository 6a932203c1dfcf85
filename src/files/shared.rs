//! Configs that a person edits too and other programs read: a change waits for other writers, follows symbolic links,
//! and keeps the file's owner, mode and ACL.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::lock::{Lock, Purpose};
use super::{make_folder, read, remove_strays, replace_keeping_access};
use crate::error::Result;

/// One lock for all configs of a folder, since its holder removes the temporary files that killed runs left there.
const LOCK: &str = ".woci-config.lock";
/// A few reads and one write: the limit is for a disk that hangs.
const WRITING: Purpose = Purpose { word: "write", limit: Duration::from_secs(60) };

/// A file that no other woci changes until this is dropped.
pub struct Shared {
    target: PathBuf,
    _lock: Lock,
}

impl Shared {
    /// Waits for the other writers of its folder. The folder is made if there is none.
    pub fn lock(path: &Path) -> Result<Self> {
        let target = followed(path);
        let folder = target.parent().unwrap_or(Path::new("/"));
        make_folder(folder)?;
        let lock = Lock::acquire(&folder.join(LOCK), WRITING)?;
        remove_strays(folder);
        Ok(Self { target, _lock: lock })
    }

    /// The content; empty if there is no file.
    pub fn read(&self) -> Result<Vec<u8>> {
        Ok(read(&self.target)?.unwrap_or_default())
    }

    /// Replaces the content. A new file has mode 0600.
    pub fn replace(&self, bytes: &[u8]) -> Result<()> {
        replace_keeping_access(&self.target, bytes)
    }
}

/// The file that a path leads to through symlinks. That file need not exist yet.
fn followed(path: &Path) -> PathBuf {
    const LINKS_AT_MOST: usize = 40;
    let mut file = path.to_owned();
    for _ in 0..LINKS_AT_MOST {
        match fs::read_link(&file) {
            Ok(target) => file = file.with_file_name("").join(target),
            Err(_) => break,
        }
    }
    file
}
