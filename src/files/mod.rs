//! Reads and writes whole files: reads have a size limit, and a replacement is atomic.
#![expect(clippy::disallowed_methods, reason = "every file is read and written here")]

pub mod lock;

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::host;
use crate::sys;

/// Modes that give access to the owner only.
const PRIVATE_FILE: u32 = 0o600;
const PRIVATE_FOLDER: u32 = 0o700;

/// In bytes. Enough for an OCI config with tens of thousands of profiles, the largest file woci reads.
const LARGEST: u64 = 16 << 20;

/// The content of a file, or `None` if it does not exist.
///
/// # Errors
/// [`Error::File`] if it is larger than 16 MiB, or is not a regular file: the read of a named pipe could
/// wait forever.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    read_io(path).map_err(|e| file_error("read", path, &e))
}

fn read_io(path: &Path) -> io::Result<Option<Vec<u8>>> {
    // Without O_NONBLOCK, opening a named pipe waits for a writer.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = match file {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let about = file.metadata()?;
    if about.is_dir() {
        return Err(io::Error::other("it is a folder"));
    }
    if !about.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(about.len().min(LARGEST)).unwrap_or(0));
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::other("it is larger than 16 MiB"));
    }
    Ok(Some(bytes))
}

/// Creates a folder of mode 0700, and its parents if needed. An existing folder is not changed.
pub fn make_folder(path: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(PRIVATE_FOLDER)
        .create(path)
        .map_err(|e| file_error("make the folder", path, &e))
}

/// Like [`make_folder`], and returns the folders that this call made, the innermost first.
pub fn make_folders(path: &Path) -> Result<Vec<PathBuf>> {
    let create = || DirBuilder::new().mode(PRIVATE_FOLDER).create(path);
    let mut made = Vec::new();
    let mut created = create();
    if created.as_ref().is_err_and(|e| e.kind() == ErrorKind::NotFound)
        && let Some(parent) = path.parent()
    {
        made = make_folders(parent)?;
        created = create();
    }
    match created {
        Ok(()) => made.insert(0, path.to_owned()),
        // It is there already, or another process took its parent away: make it, or say why not.
        Err(_) => make_folder(path)?,
    }
    Ok(made)
}

/// Whether a folder holds no file but this one.
pub fn holds_only(folder: &Path, name: &str) -> bool {
    fs::read_dir(folder)
        .is_ok_and(|mut entries| entries.all(|entry| entry.is_ok_and(|entry| entry.file_name() == name)))
}

/// Removes these folders, as long as they are empty.
pub fn remove_empty(folders: &[PathBuf]) {
    for folder in folders {
        if fs::remove_dir(folder).is_err() {
            return;
        }
    }
}

/// Whether an open file is the one at `path`.
pub fn is_file_at(file: &File, path: &Path) -> bool {
    let inode = |about: fs::Metadata| (about.dev(), about.ino());
    let (open, there) = (file.metadata().map(inode), fs::symlink_metadata(path).map(inode));
    open.ok().zip(there.ok()).is_some_and(|(open, there)| open == there)
}

/// Sets a folder to mode 0700 if the group or others have any access to it.
pub fn make_private(folder: &Path) -> Result<()> {
    let about = fs::metadata(folder).map_err(|e| file_error("look at", folder, &e))?;
    if about.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(PRIVATE_FOLDER))
        .map_err(|e| file_error("make private", folder, &e))
}

/// Sets a file to mode 0600 if the group or others have any access to it.
///
/// # Errors
/// [`Error::File`] if `path` is a symbolic link: the file it leads to may belong to another program.
pub fn make_private_file(path: &Path) -> Result<()> {
    let set_mode = || {
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            file.set_permissions(fs::Permissions::from_mode(PRIVATE_FILE))?;
        }
        Ok(())
    };
    set_mode().map_err(|e| file_error("make private", path, &e))
}

/// Opens a file for locking or for a log: created with mode 0600 if absent, not truncated, and not opened
/// through a symbolic link.
pub fn open_kept(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(PRIVATE_FILE)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
        .map_err(|e| file_error("open", path, &e))
}

/// Whether a process holds an exclusive lock on this file. The test takes a shared lock for a moment,
/// so that concurrent tests do not disturb each other.
pub fn is_locked(path: &Path) -> Result<bool> {
    let file = match OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(file_error("open", path, &e)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(e)) => Err(file_error("lock", path, &e)),
    }
}

/// Replaces a file atomically: writes a temporary file of mode 0600 beside it, syncs and renames it.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    Replacement::begin(path, PRIVATE_FILE)?.finish(bytes)
}

/// Like [`replace`], but keeps the mode of an existing file.
pub fn replace_keeping_mode(path: &Path, bytes: &[u8]) -> Result<()> {
    let mode = match fs::metadata(path) {
        Ok(about) => about.permissions().mode() & 0o777,
        Err(_) => PRIVATE_FILE,
    };
    Replacement::begin(path, mode)?.finish(bytes)
}

/// Removes the temporary files that killed runs left in a folder. The caller has to hold the folder's
/// lock, since the temporary files of running processes look the same.
pub fn remove_strays(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if is_temporary(&entry.file_name().to_string_lossy()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn is_temporary(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(".woci-tmp")
}

/// Removes a file, if it exists.
/// Removes a file, if it exists.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(file_error("remove", path, &e)),
        _ => Ok(()),
    }
}

/// The new version of a file, open under a temporary name. If it is dropped before [`Self::finish`], the
/// temporary file is removed and the old file is unchanged.
pub struct Replacement {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
    /// Bytes of disk space that [`Self::reserve`] has written.
    reserved: usize,
    is_finished: bool,
}

impl Replacement {
    fn begin(path: &Path, mode: u32) -> Result<Self> {
        let name = path.file_name().expect("a file to replace has a name").to_string_lossy();
        let suffix = u64::from_ne_bytes(host::random()?);
        let temporary = path.with_file_name(format!(".{name}.{suffix:016x}.woci-tmp"));
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(PRIVATE_FILE)
            .open(&temporary)
            .map_err(|e| file_error("write", path, &e))?;
        let this = Self { file, temporary, path: path.to_owned(), reserved: 0, is_finished: false };
        if mode != PRIVATE_FILE {
            this.file
                .set_permissions(fs::Permissions::from_mode(mode))
                .map_err(|e| file_error("write", path, &e))?;
        }
        Ok(this)
    }

    /// Reserves `room` bytes of disk space in advance, so that [`Self::finish`] with at most that many
    /// bytes cannot fail for lack of space. The reserved bytes are spaces and a newline. Those after the
    /// content remain in the file: truncating it would be one more step that can fail while the rotated
    /// token is not stored.
    pub fn reserve(path: &Path, room: usize) -> Result<Self> {
        let mut this = Self::begin(path, PRIVATE_FILE)?;
        let filled = this
            .file
            .write_all(&blanks(room))
            .and_then(|()| sys::sync(&this.file))
            .and_then(|()| this.file.seek(SeekFrom::Start(0)));
        match filled {
            Ok(_) => this.reserved = room,
            Err(e) => return Err(file_error("write", path, &e)),
        }
        Ok(this)
    }

    /// Writes the content, syncs the file and renames it, in this order and with no other step.
    pub fn finish(mut self, bytes: &[u8]) -> Result<()> {
        let padded;
        let bytes = if bytes.len() < self.reserved {
            padded = [bytes, &blanks(self.reserved - bytes.len())].concat();
            &padded
        } else {
            bytes
        };
        self.file
            .write_all(bytes)
            .and_then(|()| sys::sync(&self.file))
            .and_then(|()| fs::rename(&self.temporary, &self.path))
            .map_err(|e| file_error("write", &self.path, &e))?;
        self.is_finished = true;
        Ok(())
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if !self.is_finished {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Spaces with a newline at the end, which are invisible in a terminal.
fn blanks(count: usize) -> Vec<u8> {
    let mut blanks = vec![b' '; count];
    if let Some(last) = blanks.last_mut() {
        *last = b'\n';
    }
    blanks
}

/// [`Error::File`] for a failed system call: cannot `doing` `path`.
/// [`Error::File`] for a failed system call: cannot `doing` `path`.
pub fn file_error(doing: &'static str, path: &Path, e: &io::Error) -> Error {
    Error::File { doing, path: path.to_owned(), why: io_reason(e) }
}

/// The system's error message, without the ` (os error 13)` that Rust adds.
pub fn io_reason(e: &io::Error) -> String {
    let text = e.to_string();
    match text.find(" (os error ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}
