//! Reads and writes whole files: reads have a size limit, and a replacement is atomic.
#![expect(clippy::disallowed_methods, reason = "every file is read and written here")]

mod access;
pub mod exposed;
pub mod lock;
mod open;
pub mod shared;

use std::fs::{self, File, Permissions, TryLockError};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

pub use self::open::open_folder;
use self::open::{create, create_folder, folder_of, open_in_place, open_regular, sync_folder};
use crate::error::{Error, Result};
use crate::host;
use crate::log;
use crate::sys;

/// Modes that give access to the owner only.
const PRIVATE_FILE: u32 = 0o600;
const PRIVATE_FOLDER: u32 = 0o700;

/// In bytes. Enough for an OCI config with tens of thousands of profiles, the largest file woci reads.
const LARGEST: usize = 16 << 20;

/// The content of a file, or `None` if it does not exist.
///
/// # Errors
/// [`Error::File`] if it is larger than 16 MiB, or is not a regular file: the read of a named pipe could
/// wait forever.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    let bytes = read_start(path, LARGEST)?;
    match bytes.as_ref().is_some_and(|bytes| bytes.len() > LARGEST) {
        true => Err(file_error("read", path, &io::Error::other("it is larger than 16 MiB"))),
        false => Ok(bytes),
    }
}

/// The content of a file, or `None` if it does not exist. Of one that is larger, only `most` bytes and one more are
/// read: no such file is what it should be.
pub fn read_start(path: &Path, most: usize) -> Result<Option<Vec<u8>>> {
    let read = || {
        let (file, about) = match open_regular(path, libc::O_RDONLY) {
            Ok(opened) => opened,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let most = most as u64 + 1;
        let mut bytes = Vec::with_capacity(usize::try_from(about.len().min(most)).unwrap_or(0));
        file.take(most).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    };
    read().map_err(|e| file_error("read", path, &e))
}

/// Creates a folder of mode 0700, and its parents if needed. An existing folder is not changed.
pub fn make_folder(path: &Path) -> Result<()> {
    create_folder(path).map_err(|e| file_error("make the folder", path, &e))
}

/// Like [`make_folder`], and returns the folders that did not exist before, the innermost first.
pub fn make_folders(path: &Path) -> Result<Vec<PathBuf>> {
    let missing = path.ancestors().take_while(|folder| !folder.exists()).map(Path::to_owned).collect();
    make_folder(path)?;
    Ok(missing)
}

/// Whether a folder holds no file but these.
pub fn holds_only(folder: &Path, names: &[&str]) -> bool {
    let is_named = |entry: &fs::DirEntry| names.iter().any(|name| entry.file_name() == *name);
    fs::read_dir(folder)
        .is_ok_and(|mut entries| entries.all(|entry| entry.is_ok_and(|entry| is_named(&entry))))
}

/// The files of a folder, if they are nothing but lock files.
pub fn only_locks(folder: &Path) -> Option<Vec<PathBuf>> {
    let locks: io::Result<Vec<PathBuf>> =
        fs::read_dir(folder).ok()?.map(|entry| entry.map(|entry| entry.path())).collect();
    let is_lock = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "lock");
    locks.ok().filter(|locks| locks.iter().all(is_lock))
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

/// Sets a folder of this user to mode 0700 if the group or others have any access to it.
pub fn make_private(folder: &Path) -> Result<()> {
    let set_mode = || {
        let folder = open_folder(folder)?;
        let about = folder.metadata()?;
        if about.uid() == sys::user() && about.permissions().mode() & 0o077 != 0 {
            folder.set_permissions(Permissions::from_mode(PRIVATE_FOLDER))?;
        }
        Ok(())
    };
    set_mode().map_err(|e| file_error("make private", folder, &e))
}

/// Sets a file to mode 0600 if the group or others have any access to it.
///
/// # Errors
/// [`Error::File`] if `path` is a symbolic link: the file it leads to may belong to another program.
pub fn make_private_file(path: &Path) -> Result<()> {
    let set_mode = || {
        let (file, about) = open_regular(path, libc::O_RDONLY | libc::O_NOFOLLOW)?;
        if about.permissions().mode() & 0o077 != 0 {
            file.set_permissions(Permissions::from_mode(PRIVATE_FILE))?;
        }
        Ok(())
    };
    set_mode().map_err(|e| file_error("make private", path, &e))
}

/// Opens a file that is written in place, such as a log: created with mode 0600 if absent, not truncated,
/// and not opened through a symbolic link.
pub fn open_kept(path: &Path) -> Result<File> {
    let opened = open_or_create(path).map(|(file, _)| file);
    opened.map_err(|e| file_error("open", path, &e))
}

/// Opens a lock file as [`open_kept`] does. Whoever may write in its folder may take the lock: where users
/// share a folder, each of them has to.
fn open_lock(path: &Path) -> io::Result<File> {
    let (file, is_own) = open_or_create(path)?;
    if is_own {
        let folder = fs::metadata(folder_of(path))?;
        // Write permission of the folder, as read and write permission of the file.
        let writers = folder.permissions().mode() & 0o022;
        let mode = PRIVATE_FILE | writers | (writers << 1);
        let about = file.metadata()?;
        if mode != PRIVATE_FILE && about.permissions().mode() & mode != mode {
            if about.gid() != folder.gid() {
                fchown(&file, None, Some(folder.gid()))?;
            }
            file.set_permissions(Permissions::from_mode(mode))?;
        }
    }
    Ok(file)
}

/// The file, and whether it belongs to this user.
fn open_or_create(path: &Path) -> io::Result<(File, bool)> {
    const FLAGS: libc::c_int = libc::O_RDWR | libc::O_APPEND;
    let existing = || open_in_place(path, FLAGS).map(|(file, about)| (file, about.uid() == sys::user()));
    match existing() {
        Err(e) if e.kind() == ErrorKind::NotFound => match create(path, FLAGS | libc::O_NOFOLLOW) {
            Ok(file) => Ok((file, true)),
            // Another process was faster.
            Err(e) if e.kind() == ErrorKind::AlreadyExists => existing(),
            Err(e) => Err(e),
        },
        opened => opened,
    }
}

/// Whether a process holds an exclusive lock on this file. The test takes a shared lock for a moment,
/// so that concurrent tests do not disturb each other.
pub fn is_locked(path: &Path) -> Result<bool> {
    let file = match open_in_place(path, libc::O_RDONLY) {
        Ok((file, _)) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(file_error("open", path, &e)),
    };
    match try_lock(|| file.try_lock_shared()) {
        Ok(taken) => Ok(!taken),
        Err(e) => Err(file_error("lock", path, &e)),
    }
}

/// Whether a lock was taken; false if another process holds it. A call that a signal has interrupted is made again.
pub fn try_lock(lock: impl Fn() -> std::result::Result<(), TryLockError>) -> io::Result<bool> {
    loop {
        match lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(e)) if e.kind() == ErrorKind::Interrupted => {}
            Err(TryLockError::Error(e)) => return Err(e),
        }
    }
}

/// Whether a path names something that is neither a regular file nor a folder. To be asked before a library is
/// given the path, which would open it and wait.
pub fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|about| !about.is_file() && !about.is_dir())
}

/// Replaces a file atomically: writes a temporary file of mode 0600 beside it, syncs and renames it.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    Replacement::begin(path)?.finish(bytes)
}

/// Replaces a file that others may use too: owner, group, mode and ACL stay as they are. If the file belongs to
/// another user, who lets this one write it, it is written in place, since a new file would lock its owner out.
///
/// # Errors
/// [`Error::File`] also if the file belongs to another user and cannot be written in place.
pub fn replace_keeping_access(path: &Path, bytes: &[u8]) -> Result<()> {
    let access = access::Access::of(path).map_err(|e| file_error("look at", path, &e))?;
    let new = Replacement::begin(path)?;
    let keeps_owner = access.map_or(Ok(true), |access| access.give_to(&new.file));
    if keeps_owner.map_err(|e| file_error("write", path, &e))? {
        return new.finish(bytes);
    }
    drop(new);
    let write = || {
        let (mut file, _) = open_in_place(path, libc::O_WRONLY)?;
        file.write_all(bytes)?;
        file.set_len(bytes.len() as u64)?;
        sys::sync(&file)
    };
    write().map_err(|e| {
        let why = format!("it belongs to another user, and {}", io_reason(&e));
        Error::File { doing: "write", path: path.to_owned(), why }
    })
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

/// A temporary name beside `path`. [`remove_strays`] removes such a file if its process was killed.
pub fn temporary_beside(path: &Path, suffix: &str) -> PathBuf {
    path.with_file_name(format!(".{}.{suffix}.woci-tmp", name_of(path)))
}

/// Whether a name is one of those that [`remove_strays`] removes.
pub fn is_temporary(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(".woci-tmp")
}

/// Removes a file, if it exists.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(file_error("remove", path, &e)),
        _ => Ok(()),
    }
}

/// The ending of a file that [`Replacement::reserve`] prepared, or that holds a content which could not be
/// put in the place of its file. [`remove_strays`] leaves it alone.
const NEXT: &str = "woci-next";

/// Files beside `path` that hold a next content of it, the oldest first, or were prepared for one.
pub fn next_of(path: &Path) -> Vec<PathBuf> {
    let start = format!(".{}.", name_of(path));
    let entries = fs::read_dir(folder_of(path)).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with(&start) && name.ends_with(&format!(".{NEXT}"))
        })
        .map(|entry| entry.path())
        .collect();
    found.sort_by_key(|path| modified(path));
    found
}

/// When a file was last written; `None` if there is none.
pub fn modified(path: &Path) -> Option<SystemTime> {
    fs::symlink_metadata(path).and_then(|about| about.modified()).ok()
}

/// Puts the content of a file of [`next_of`] into `path`: by a rename, else in place.
pub fn take_next(next: &Path, path: &Path) -> Result<()> {
    let failed = |e| file_error("replace", path, &e);
    if let Err(e) = fs::rename(next, path) {
        let bytes = read(next)?.unwrap_or_default();
        overwrite(path, &bytes).map_err(|_| failed(e))?;
        return remove(next);
    }
    open_folder(folder_of(path)).and_then(|folder| sync_folder(&folder)).map_err(failed)
}

/// Writes into an existing file, where it cannot be replaced.
fn overwrite(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (mut file, _) = open_in_place(path, libc::O_WRONLY)?;
    file.write_all(bytes)?;
    file.set_len(bytes.len() as u64)?;
    sys::sync(&file)
}

fn name_of(path: &Path) -> String {
    path.file_name().expect("a file to replace has a name").to_string_lossy().into_owned()
}

/// The new version of a file, open under a temporary name. If it is dropped before [`Self::finish`], the
/// temporary file is removed and the old file is unchanged.
pub struct Replacement {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
    /// The folder of both, to be flushed after the rename. `None` if this user may not open it.
    folder: Option<File>,
    /// Bytes of disk space that [`Self::reserve`] has written.
    reserved: usize,
    is_finished: bool,
}

impl Replacement {
    fn begin(path: &Path) -> Result<Self> {
        let suffix = u64::from_ne_bytes(host::random()?);
        Self::begin_as(path, &format!("{suffix:016x}"))
    }

    fn begin_as(path: &Path, suffix: &str) -> Result<Self> {
        let temporary = temporary_beside(path, suffix);
        let folder = open_folder(folder_of(path)).ok();
        let file = create(&temporary, libc::O_WRONLY).map_err(|e| file_error("write", path, &e))?;
        Ok(Self { file, temporary, path: path.to_owned(), folder, reserved: 0, is_finished: false })
    }

    /// Reserves `room` bytes of disk space in advance, so that [`Self::finish_or_keep`] with at most that
    /// many bytes cannot fail for lack of space, and proves by a rename that the folder allows one. The
    /// reserved bytes are spaces and a newline. Those after the content remain in the file: truncating it
    /// would be one more step that can fail while the rotated token is not stored.
    ///
    /// The caller has to hold the folder's lock.
    pub fn reserve(path: &Path, room: usize) -> Result<Self> {
        // Always the same name first: in a folder where nothing can be renamed or removed, there is then one
        // such file, not one for each run.
        let first = path.with_file_name(format!(".{}.new.woci-tmp", name_of(path)));
        remove(&first)?;
        let mut this = Self::begin_as(path, "new")?;
        let suffix = u64::from_ne_bytes(host::random()?);
        let next = path.with_file_name(format!(".{}.{suffix:016x}.{NEXT}", name_of(path)));
        let filled = this
            .file
            .write_all(&blanks(room))
            .and_then(|()| sys::sync(&this.file))
            .and_then(|()| this.file.seek(SeekFrom::Start(0)))
            .and_then(|_| fs::rename(&first, &next));
        match filled {
            Ok(()) => (this.reserved, this.temporary) = (room, next),
            Err(e) => return Err(file_error("write", path, &e)),
        }
        Ok(this)
    }

    /// Writes the content, flushes the file, renames it, and flushes the folder.
    pub fn finish(mut self, bytes: &[u8]) -> Result<()> {
        self.file
            .write_all(bytes)
            .and_then(|()| sys::sync(&self.file))
            .and_then(|()| fs::rename(&self.temporary, &self.path))
            .map_err(|e| file_error("write", &self.path, &e))?;
        self.is_finished = true;
        self.sync_folder()
    }

    /// The same for a content that must not be lost. Where the rename fails, the content is written in
    /// place; where that fails too, it stays beside the file, as [`next_of`] finds it, and the answer is its
    /// path and the reason.
    pub fn finish_or_keep(mut self, bytes: &[u8]) -> Result<Option<(PathBuf, String)>> {
        let padded = [bytes, &blanks(self.reserved.saturating_sub(bytes.len()))].concat();
        // From here on the temporary file may be the only copy.
        self.is_finished = true;
        let written = self.file.write_all(&padded);
        let synced = sys::sync(&self.file);
        let is_written = written.is_ok();
        let Err(e) = written.and_then(|()| fs::rename(&self.temporary, &self.path)) else {
            // The content is in its place, as far as this machine keeps running.
            if let Err(e) = synced.map_err(|e| file_error("write", &self.path, &e)).and(self.sync_folder()) {
                log::warning(format_args!("{e}; the disk may lose it in a power cut"));
            }
            return Ok(None);
        };
        if overwrite(&self.path, &padded).is_ok() {
            let _ = fs::remove_file(&self.temporary);
            return Ok(None);
        }
        if !is_written {
            return Err(file_error("write", &self.path, &e));
        }
        // Written again: it has to be newer than a file that was overwritten in part.
        let _ = self.file.seek(SeekFrom::Start(0)).and_then(|_| self.file.write_all(&padded));
        let _ = sys::sync(&self.file);
        Ok(Some((self.temporary.clone(), io_reason(&e))))
    }

    /// Leaves the content beside the file, as [`next_of`] finds it. Returns its path.
    pub fn keep(mut self, bytes: &[u8]) -> Result<PathBuf> {
        let padded = [bytes, &blanks(self.reserved.saturating_sub(bytes.len()))].concat();
        // From here on the temporary file may be the only copy.
        self.is_finished = true;
        let written = self.file.write_all(&padded).and_then(|()| sys::sync(&self.file));
        written.map_err(|e| file_error("write", &self.temporary, &e))?;
        self.sync_folder()?;
        Ok(self.temporary.clone())
    }

    fn sync_folder(&self) -> Result<()> {
        let synced = self.folder.as_ref().map_or(Ok(()), sync_folder);
        synced.map_err(|e| file_error("write", &self.path, &e))
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
