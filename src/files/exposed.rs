//! Files and folders that other users can read or change, although they decide where tokens go.

use std::fmt;
use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::error::quoted;
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

/// A file or folder that another user can change.
pub struct Changeable {
    pub path: PathBuf,
    /// It belongs to another user. Otherwise its mode lets others write.
    pub is_of_another: bool,
}

impl Changeable {
    /// The command that ends it.
    pub fn advice(&self) -> String {
        let path = quoted(&self.path.display().to_string());
        match self.is_of_another {
            true => format!("run `chown {} {path}` if it is yours", sys::user()),
            false => format!("run `chmod go-w {path}`"),
        }
    }
}

impl fmt::Display for Changeable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why =
            if self.is_of_another { "belongs to another user" } else { "can be written by other users" };
        write!(f, "{} {why}, who could then decide where tokens go", self.path.display())
    }
}

/// The paths, and folders above them, that another user can change. `home` is the home folder: if root runs woci
/// there, its owner counts as oneself.
pub fn can_be_changed(paths: &[&Path], home: &Path) -> Vec<Changeable> {
    let own = [Some(0), Some(sys::user()), owner_of_home(home)];
    let mut found = Vec::new();
    let mut add =
        |path: &Path, is_of_another| found.push(Changeable { path: path.to_owned(), is_of_another });
    let mut all: Vec<&Path> = paths.iter().flat_map(|path| path.ancestors()).collect();
    all.sort_unstable();
    all.dedup();
    for path in all {
        let Ok(about) = fs::metadata(path) else { continue };
        if !own.contains(&Some(about.uid())) {
            add(path, true);
        } else if access_of_others(&about) & 0o022 != 0 && !is_sticky_folder(&about) {
            add(path, false);
        }
    }
    found
}

/// If root runs woci in the home of another user: that user.
pub fn owner_of_home(home: &Path) -> Option<u32> {
    if sys::user() == 0 { fs::metadata(home).ok().map(|about| about.uid()) } else { None }
}

/// The permissions of others. Those of a group count too, unless it is the private group that many systems
/// give each user, with the same number.
pub fn access_of_others(about: &Metadata) -> u32 {
    let others = if about.gid() == about.uid() { 0o007 } else { 0o077 };
    about.permissions().mode() & others
}

/// As /tmp, where nobody can replace the file of another.
fn is_sticky_folder(about: &Metadata) -> bool {
    about.is_dir() && about.permissions().mode() & STICKY != 0
}
