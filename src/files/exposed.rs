//! Files and folders that other users can read or change, although they decide where tokens go.

use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use crate::sys;

const STICKY: u32 = 0o1000;

/// Whether users other than its owner can read a file.
pub fn can_be_read(path: &Path) -> bool {
    mode_if_readable(path).is_some()
}

/// The mode of a file that users other than its owner can read.
pub fn mode_if_readable(path: &Path) -> Option<u32> {
    let about = fs::metadata(path).ok().filter(|about| access_of_others(about) & 0o044 != 0)?;
    Some(about.permissions().mode() & 0o7777)
}

/// The paths, and folders above them, that another user can change, each with the reason in words. `home` is the
/// home folder: if root runs woci there, its owner counts as oneself.
pub fn can_be_changed(paths: &[&Path], home: &Path) -> Vec<String> {
    let own = [Some(0), Some(sys::user()), owner_of_home(home)];
    let mut found = Vec::new();
    let mut all: Vec<&Path> = paths.iter().flat_map(|path| path.ancestors()).collect();
    all.sort_unstable();
    all.dedup();
    for path in all {
        let Ok(about) = fs::metadata(path) else { continue };
        if !own.contains(&Some(about.uid())) {
            found.push(format!("{} belongs to another user", path.display()));
        } else if access_of_others(&about) & 0o022 != 0 && !is_sticky_folder(&about) {
            found.push(format!("{} can be written by other users", path.display()));
        }
    }
    found
}

fn owner_of_home(home: &Path) -> Option<u32> {
    if sys::user() == 0 { fs::metadata(home).ok().map(|about| about.uid()) } else { None }
}

/// The permissions of others. Those of a group count too, unless it is the private group that many systems
/// give each user, with the same number.
fn access_of_others(about: &Metadata) -> u32 {
    let others = if about.gid() == about.uid() { 0o007 } else { 0o077 };
    about.permissions().mode() & others
}

/// As /tmp, where nobody can replace the file of another.
fn is_sticky_folder(about: &Metadata) -> bool {
    about.is_dir() && about.permissions().mode() & STICKY != 0
}
