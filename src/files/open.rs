//! Opening files: without waiting, only regular ones, and as root through no link of another user. What root
//! makes in another user's folder belongs to that user.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown,
};
use std::path::{Component, Path, PathBuf};

use super::{PRIVATE_FILE, PRIVATE_FOLDER};
use crate::sys;

const ROOT: u32 = 0;

/// Opens a path with the flags of open(2). Without O_NONBLOCK, opening a named pipe waits for its other end.
pub fn open(path: &Path, flags: libc::c_int, mode: u32) -> io::Result<File> {
    let flags = flags | libc::O_NONBLOCK | libc::O_NOCTTY;
    if sys::user() == ROOT {
        match sys::open_without_links(path, flags, mode) {
            // There is a link; or the system, or the filter of a container, does not know the call.
            Err(e) if matches!(e.raw_os_error(), Some(libc::ELOOP | libc::ENOSYS | libc::EPERM)) => {
                refuse_links(path)?;
            }
            opened => return opened,
        }
    }
    let access = flags & libc::O_ACCMODE;
    OpenOptions::new()
        .read(access != libc::O_WRONLY)
        .write(access != libc::O_RDONLY)
        .custom_flags(flags)
        .mode(mode)
        .open(path)
}

/// Opens a regular file.
pub fn open_regular(path: &Path, flags: libc::c_int) -> io::Result<(File, Metadata)> {
    let file = open(path, flags, 0)?;
    let about = file.metadata()?;
    if about.is_dir() {
        return Err(io::Error::other("it is a folder"));
    }
    if !about.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    Ok((file, about))
}

/// Opens a regular file that is written in place, as a lock or a log is. Refuses one with a second name: under
/// the other name it may be any file of the user.
pub fn open_in_place(path: &Path, flags: libc::c_int) -> io::Result<(File, Metadata)> {
    let (file, about) = open_regular(path, flags | libc::O_NOFOLLOW)?;
    if about.nlink() > 1 {
        return Err(io::Error::other("it has a second name (a hard link)"));
    }
    Ok((file, about))
}

/// Makes a file of mode 0600, whatever the umask.
pub fn create(path: &Path, flags: libc::c_int) -> io::Result<File> {
    let file = open(path, flags | libc::O_CREAT | libc::O_EXCL, PRIVATE_FILE)?;
    if file.metadata()?.permissions().mode() & PRIVATE_FILE != PRIVATE_FILE {
        file.set_permissions(Permissions::from_mode(PRIVATE_FILE))?;
    }
    give_to_owner_of_folder(path, &file)?;
    Ok(file)
}

/// Makes a folder of mode 0700, whatever the umask, and those above it if needed. An existing folder is not
/// changed.
pub fn create_folder(path: &Path) -> io::Result<()> {
    if sys::user() == ROOT {
        refuse_links(path)?;
    }
    match DirBuilder::new().mode(PRIVATE_FOLDER).create(path) {
        Ok(()) => {}
        Err(e) if e.kind() == ErrorKind::NotFound && path.parent().is_some() => {
            create_folder(folder_of(path))?;
            return create_folder(path);
        }
        Err(_) if path.is_dir() => return Ok(()),
        Err(e) => return Err(e),
    }
    if fs::symlink_metadata(path)?.permissions().mode() & PRIVATE_FOLDER != PRIVATE_FOLDER {
        fs::set_permissions(path, Permissions::from_mode(PRIVATE_FOLDER))?;
    }
    give_to_owner_of_folder(path, &open_folder(path)?)?;
    // Otherwise a power cut could take the folder with all that is flushed inside.
    open_folder(folder_of(path)).map_or(Ok(()), |folder| sync_folder(&folder))
}

pub fn open_folder(path: &Path) -> io::Result<File> {
    open(path, libc::O_RDONLY | libc::O_DIRECTORY, 0)
}

/// Flushes a folder, so that renames in it survive a power cut. Some file systems have no such call.
pub fn sync_folder(folder: &File) -> io::Result<()> {
    match sys::sync(folder) {
        Err(e) if matches!(e.raw_os_error(), Some(libc::EINVAL | libc::ENOTSUP | libc::EBADF)) => Ok(()),
        synced => synced,
    }
}

pub fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

/// As root in a folder of another user, gives what was made there to that user.
fn give_to_owner_of_folder(path: &Path, made: &File) -> io::Result<()> {
    if sys::user() != ROOT {
        return Ok(());
    }
    let folder = open_folder(folder_of(path))?.metadata()?;
    if folder.uid() == ROOT {
        return Ok(());
    }
    fchown(made, Some(folder.uid()), Some(folder.gid()))
}

/// Refuses a path that leads through a link of another user than root.
fn refuse_links(path: &Path) -> io::Result<()> {
    const LINKS_AT_MOST: u32 = 40;
    let parts = |path: &Path| path.components().map(|part| part.as_os_str().to_owned()).collect();
    let mut ahead: VecDeque<OsString> = parts(path);
    let mut at = PathBuf::new();
    let mut links = 0;
    while let Some(part) = ahead.pop_front() {
        if Path::new(&part).components().next() == Some(Component::ParentDir) {
            at.pop();
            continue;
        }
        at.push(part);
        let Ok(about) = fs::symlink_metadata(&at) else { return Ok(()) };
        if !about.is_symlink() {
            continue;
        }
        if about.uid() != ROOT {
            let link = at.display();
            return Err(io::Error::other(format!(
                "{link} is a symbolic link of another user, and root does not follow it"
            )));
        }
        links += 1;
        if links > LINKS_AT_MOST {
            return Err(io::Error::from_raw_os_error(libc::ELOOP));
        }
        let mut target: VecDeque<OsString> = parts(&fs::read_link(&at)?);
        at.pop();
        target.append(&mut ahead);
        ahead = target;
    }
    Ok(())
}
