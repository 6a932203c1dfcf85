//! Bytes that outlast a power cut.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

use super::done;

/// Has the bytes of a file put on the disk.
///
/// On macOS std has the drive itself asked, of which the file systems of other machines and of FUSE know
/// nothing (ENOTSUP of SMB, ENOTTY, EINVAL); for a home there, what fsync does is all that can be had.
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
