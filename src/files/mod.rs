//! Whole files: a read that is bounded, and a replacement that is old or new and never half.
#![expect(clippy::disallowed_methods, reason = "this is the one home of these calls")]

pub mod lock;

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::host;
use crate::sys;

/// Of nobody but their owner.
const PRIVATE_FILE: u32 = 0o600;
const PRIVATE_FOLDER: u32 = 0o700;

/// Larger than any file woci reads, but for the OCI config of somebody with tens of thousands of profiles.
const LARGEST: u64 = 16 << 20;

/// The whole file, or `None` where there is none.
///
/// Refuses what is not a regular file (a named pipe would wait for ever) and what is absurdly large.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    read_io(path).map_err(|e| file_error("read", path, &e))
}

fn read_io(path: &Path) -> io::Result<Option<Vec<u8>>> {
    // Without O_NONBLOCK the open itself waits where `path` is a named pipe.
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

/// Makes a folder and those above it, for their owner alone; one that exists is left as it is.
pub fn make_folder(path: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(PRIVATE_FOLDER)
        .create(path)
        .map_err(|e| file_error("make the folder", path, &e))
}

/// Takes away what others may do with a folder that woci keeps secrets in.
pub fn make_private(folder: &Path) -> Result<()> {
    let about = fs::metadata(folder).map_err(|e| file_error("look at", folder, &e))?;
    if about.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(PRIVATE_FOLDER))
        .map_err(|e| file_error("make private", folder, &e))
}

/// Takes away what others may do with a file of secrets. One reached by a link is not woci's to change.
pub fn make_private_file(path: &Path) -> Result<()> {
    let close = || {
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            file.set_permissions(fs::Permissions::from_mode(PRIVATE_FILE))?;
        }
        Ok(())
    };
    close().map_err(|e| file_error("make private", path, &e))
}

/// A file opened for locking or for a log: made if absent, never truncated or replaced.
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

/// Whether a process holds the lock of this file. The look itself holds it for a moment, which others
/// that only look do not see.
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

/// Replaces `path` whole: a temporary file beside it, fsync, rename. 0600 from the first byte.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    Replacement::begin(path, PRIVATE_FILE)?.finish(bytes)
}

/// Like [`replace`], keeping the permissions that the file has.
pub fn replace_keeping_mode(path: &Path, bytes: &[u8]) -> Result<()> {
    let mode = match fs::metadata(path) {
        Ok(about) => about.permissions().mode() & 0o777,
        Err(_) => PRIVATE_FILE,
    };
    Replacement::begin(path, mode)?.finish(bytes)
}

/// Removes the temporary files that killed runs left in a folder. Only its lock's holder may.
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

pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(file_error("remove", path, &e)),
        _ => Ok(()),
    }
}

/// The successor of a file, already on disk under a temporary name.
///
/// Dropped unfinished, it leaves nothing behind and the old file as it was.
pub struct Replacement {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
    filled: usize,
    done: bool,
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
        let this = Self { file, temporary, path: path.to_owned(), filled: 0, done: false };
        if mode != PRIVATE_FILE {
            this.file
                .set_permissions(fs::Permissions::from_mode(mode))
                .map_err(|e| file_error("write", path, &e))?;
        }
        Ok(this)
    }

    /// Takes `room` bytes of disk beforehand, so that no later write of up to that many can fail for
    /// want of space. They are filled with blanks, which stay behind the bytes that are stored:
    /// cutting them off would be one more step between a rotated token and its safety.
    pub fn reserve(path: &Path, room: usize) -> Result<Self> {
        let mut this = Self::begin(path, PRIVATE_FILE)?;
        let filled = this
            .file
            .write_all(&blanks(room))
            .and_then(|()| sys::sync(&this.file))
            .and_then(|()| this.file.seek(SeekFrom::Start(0)));
        match filled {
            Ok(_) => this.filled = room,
            Err(e) => return Err(file_error("write", path, &e)),
        }
        Ok(this)
    }

    /// Write, fsync, rename: nothing else, and in this order.
    pub fn finish(mut self, bytes: &[u8]) -> Result<()> {
        let padded;
        let bytes = if bytes.len() < self.filled {
            padded = [bytes, &blanks(self.filled - bytes.len())].concat();
            &padded
        } else {
            bytes
        };
        self.file
            .write_all(bytes)
            .and_then(|()| sys::sync(&self.file))
            .and_then(|()| fs::rename(&self.temporary, &self.path))
            .map_err(|e| file_error("write", &self.path, &e))?;
        self.done = true;
        Ok(())
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if !self.done {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Spaces that end in a newline, so that a terminal shows none of them.
fn blanks(count: usize) -> Vec<u8> {
    let mut blanks = vec![b' '; count];
    if let Some(last) = blanks.last_mut() {
        *last = b'\n';
    }
    blanks
}

pub fn file_error(doing: &'static str, path: &Path, e: &io::Error) -> Error {
    Error::File { doing, path: path.to_owned(), why: io_reason(e) }
}

/// The system's words without Rust's ` (os error 13)`.
pub fn io_reason(e: &io::Error) -> String {
    let text = e.to_string();
    match text.find(" (os error ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}
