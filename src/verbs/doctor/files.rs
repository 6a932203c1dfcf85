//! Checks of the files and folders along the path of a session: owners, modes, kinds.

use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::look::Look;
use super::{Finding, word};
use crate::config::Config;
use crate::files::{self, exposed};
use crate::store;
use crate::sys;

/// The folders that decide where tokens go, and both configs.
pub fn folders(look: &Look<'_>) -> Vec<Finding> {
    let home = match look.host.home() {
        Ok(home) => home,
        Err(e) => return vec![Finding::error(&e, &look.given)],
    };
    if !home.is_dir() {
        return vec![Finding::wrong(
            format!("the home folder {} does not exist", home.display()),
            "set HOME to your home folder",
        )];
    }
    let dir = look.dir();
    let mut paths = vec![look.oci_config.path.clone(), home.join(".oci")];
    paths.extend(dir.iter().map(|dir| dir.path.clone()));
    paths.extend(look.config.as_ref().ok().and_then(Config::manager_path));
    let mut found: Vec<Finding> = paths
        .iter()
        .filter_map(|path| not_of_its_kind(path, dir.as_ref().map(|dir| &*dir.path), home))
        .collect();
    let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    found.extend(exposed::can_be_changed(&paths, home).into_iter().map(|open| match open.is_of_another {
        true => Finding::doubtful(open.to_string(), open.advice()),
        false => Finding::wrong(open.to_string(), open.advice()),
    }));
    if let Some(dir) = dir {
        found.extend(not_private(&dir.path));
    }
    if found.is_empty() {
        found.push(Finding::good("folders and configs: nobody else can change them"));
    }
    found
}

/// What stands in the place of a folder or a config and is none.
fn not_of_its_kind(path: &Path, session: Option<&Path>, home: &Path) -> Option<Finding> {
    let is_folder = Some(path) == session || path == home.join(".oci");
    let about = match fs::metadata(path) {
        Ok(about) => about,
        // What woci writes makes the file that a link names.
        Err(_) if is_folder && path.is_symlink() => {
            let what = format!("{} is a symbolic link to a folder that does not exist", path.display());
            return Some(Finding::wrong(what, format!("make that folder, or run `rm {}`", word(path))));
        }
        Err(_) => return None,
    };
    if is_folder && !about.is_dir() {
        return Some(Finding::wrong(
            format!("{} is {}, and not a folder", path.display(), kind(&about)),
            "move it away",
        ));
    }
    if !is_folder && !about.is_file() {
        return Some(Finding::wrong(
            format!("{} is {}, and not a regular file", path.display(), kind(&about)),
            "put a regular file in its place",
        ));
    }
    None
}

/// The session folder, if others may enter it.
fn not_private(folder: &Path) -> Option<Finding> {
    let about = fs::metadata(folder).ok().filter(Metadata::is_dir)?;
    let mode = about.permissions().mode() & 0o7777;
    // If others can write, that was said already.
    if mode & 0o077 == 0 || exposed::access_of_others(&about) & 0o022 != 0 {
        return None;
    }
    let what = format!("other users can look into {} (mode {mode:04o})", folder.display());
    Some(Finding::doubtful(what, format!("run `chmod 700 {}`", word(folder))))
}

/// Each file of the session folder.
pub fn session(look: &Look<'_>) -> Vec<Finding> {
    let Some(dir) = look.dir() else { return Vec::new() };
    let entries = match fs::read_dir(&dir.path) {
        Ok(entries) => entries,
        // The check of the token says that there is no session.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(e) => {
            let why = files::io_reason(&e);
            return vec![Finding::wrong(
                format!("cannot read the folder {}: {why}", dir.path.display()),
                "give yourself access to it",
            )];
        }
    };
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    let owners = [Some(sys::user()), look.host.home().ok().and_then(exposed::owner_of_home)];
    let is_open = fs::metadata(&dir.path).is_ok_and(|about| exposed::access_of_others(&about) & 0o011 != 0);
    let mut found = Vec::new();
    let mut strays = Vec::new();
    for name in &names {
        if store::is_of_session(name) {
            found.extend(file(&dir.path.join(name), name, &owners, is_open));
        } else {
            strays.push(name.as_str());
        }
    }
    found.extend(stray(&dir.path, &strays, look));
    if found.is_empty() {
        found.push(Finding::good(format!("session files, which only you can read: {}", dir.path.display())));
    }
    found
}

/// What is odd about a file of the session.
fn file(path: &Path, name: &str, owners: &[Option<u32>], folder_is_open: bool) -> Option<Finding> {
    let about = fs::symlink_metadata(path).ok()?;
    let shown = path.display();
    let mode = about.permissions().mode() & 0o7777;
    let is_in_place = store::is_in_place(name);
    if about.is_symlink() {
        let what = format!("{shown} is a symbolic link");
        return Some(match is_in_place {
            true => Finding::wrong(
                format!("{what}, which woci does not follow here"),
                format!("run `rm {}`", word(path)),
            ),
            false => Finding::doubtful(
                format!("{what}: the next renewal puts a file in its place"),
                "put the file itself there",
            ),
        });
    }
    if !about.is_file() {
        let what = format!("{shown} is {}, and not a regular file", kind(&about));
        return Some(Finding::wrong(what, "move it away"));
    }
    if !owners.contains(&Some(about.uid())) {
        let what = format!("{shown} belongs to another user (number {})", about.uid());
        return Some(Finding::wrong(what, format!("run `chown {} {}`", sys::user(), word(path))));
    }
    if about.nlink() > 1 {
        let what = format!("{shown} has a second name (a hard link)");
        return Some(match is_in_place {
            true => {
                Finding::wrong(format!("{what}, and woci refuses it"), format!("run `rm {}`", word(path)))
            }
            false => Finding::doubtful(what, "remove the other name, which is a copy of a secret"),
        });
    }
    let others = exposed::access_of_others(&about);
    // Whoever may write in a shared folder may take its locks.
    if others & 0o022 != 0 && !name.ends_with(".lock") {
        let what = format!("other users can write {shown} (mode {mode:04o})");
        return Some(Finding::wrong(what, format!("run `chmod 600 {}`", word(path))));
    }
    if others & 0o044 != 0 && store::is_secret(name) {
        let what = format!("other users can read {shown} (mode {mode:04o})");
        let remedy = format!("run `chmod 600 {}`", word(path));
        return Some(match folder_is_open {
            true => Finding::wrong(what, remedy),
            false => Finding::doubtful(format!("{what}, if they can enter its folder"), remedy),
        });
    }
    None
}

/// Files that are not those of a session.
fn stray(folder: &Path, names: &[&str], look: &Look<'_>) -> Vec<Finding> {
    let renew = look.command("session refresh");
    let is_next = |name: &&&str| name.starts_with('.') && name.ends_with(".woci-next");
    let is_temporary = |name: &&&str| files::is_temporary(name);
    let next: Vec<&str> = names.iter().filter(is_next).copied().collect();
    let temporary: Vec<&str> = names.iter().filter(is_temporary).copied().collect();
    let others: Vec<&str> =
        names.iter().filter(|name| !is_next(name) && !is_temporary(name)).copied().collect();
    let folder = folder.display();
    let mut found = Vec::new();
    if !next.is_empty() {
        found.push(Finding::doubtful(
            format!(
                "{folder} holds a refresh token that could not be put in its place ({})",
                next.join(", ")
            ),
            format!("run {renew}, which takes it up"),
        ));
    }
    if !temporary.is_empty() {
        found.push(Finding::doubtful(
            format!("{folder} holds what a killed run left ({})", temporary.join(", ")),
            format!("run {renew}, which removes it"),
        ));
    }
    if !others.is_empty() {
        found.push(Finding::doubtful(
            format!("{folder} holds files that are neither woci's nor oci's: {}", others.join(", ")),
            "remove them if they are copies of the session",
        ));
    }
    found
}

fn kind(about: &Metadata) -> &'static str {
    let kind = about.file_type();
    if kind.is_dir() {
        "a folder"
    } else if kind.is_file() {
        "a file"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}
