//! Flushing a file to disk, so that its bytes survive a power cut.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

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
