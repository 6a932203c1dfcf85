//! Flushing a file to disk, so that its bytes survive a power cut; and opening a path that leads through no link.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::Path;

use super::done;

/// Flushes a file's bytes to disk.
///
/// On macOS std uses F_FULLFSYNC, which also flushes the drive's cache. Network file systems and FUSE do not
/// support it (SMB: ENOTSUP; others: ENOTTY, EINVAL); there, plain fsync is the best available.
pub fn sync(file: &File) -> io::Result<()> {
    const UNKNOWN: [libc::c_int; 3] = [libc::ENOTSUP, libc::ENOTTY, libc::EINVAL];
    match file.sync_all() {
        Err(e) if cfg!(target_os = "macos") && e.raw_os_error().is_some_and(|e| UNKNOWN.contains(&e)) => {
            // SAFETY: the descriptor is open.
            done(unsafe { libc::fsync(file.as_raw_fd()) }).map(drop)
        }
        synced => synced,
    }
}

/// The user that this process acts as.
pub fn user() -> libc::uid_t {
    // SAFETY: the call always succeeds.
    unsafe { libc::geteuid() }
}

/// Opens a path if no part of it is a symbolic link; otherwise the error is ELOOP. As one call, so that nobody
/// replaces a folder by a link between a look and the opening. ENOSYS on macOS and on kernels before 5.6.
#[cfg(target_os = "linux")]
pub fn open_without_links(path: &Path, flags: libc::c_int, mode: u32) -> io::Result<File> {
    use std::ffi::CString;
    use std::os::fd::FromRawFd as _;
    use std::os::unix::ffi::OsStrExt as _;

    let path = CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)?;
    // SAFETY: a zeroed open_how is valid; all of its fields are numbers.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = u64::try_from(flags | libc::O_CLOEXEC).expect("flags are positive");
    how.mode = if flags & libc::O_CREAT == 0 { 0 } else { u64::from(mode) };
    how.resolve = libc::RESOLVE_NO_SYMLINKS;
    // SAFETY: the path is a C string, and the size is that of the structure; both outlive the call.
    let fd = unsafe {
        libc::syscall(libc::SYS_openat2, libc::AT_FDCWD, path.as_ptr(), &raw const how, size_of_val(&how))
    };
    let fd = done(libc::c_int::try_from(fd).expect("a descriptor is a small number"))?;
    // SAFETY: the system has just returned the descriptor, and nothing else owns it.
    Ok(unsafe { File::from_raw_fd(fd) })
}

#[cfg(not(target_os = "linux"))]
pub fn open_without_links(_: &Path, _: libc::c_int, _: u32) -> io::Result<File> {
    Err(io::Error::from_raw_os_error(libc::ENOSYS))
}
