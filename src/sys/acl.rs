//! The POSIX ACL of a file on Linux (acl(5)), as the kernel stores it. Other systems keep an ACL in a form of their
//! own, which woci does not copy.

use std::fs::File;
use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd as _;

#[cfg(target_os = "linux")]
use super::done;

/// The attribute that holds it.
#[cfg(target_os = "linux")]
const ACL: &std::ffi::CStr = c"system.posix_acl_access";

/// The ACL of a file; none if only the mode decides.
#[cfg(target_os = "linux")]
pub fn acl(file: &File) -> io::Result<Option<Vec<u8>>> {
    /// The kernel's own limit of an attribute.
    const LARGEST: usize = 64 << 10;
    let mut bytes = vec![0; LARGEST];
    // SAFETY: the descriptor is open, the name ends with a zero byte, and the buffer has LARGEST bytes.
    let read =
        unsafe { libc::fgetxattr(file.as_raw_fd(), ACL.as_ptr(), bytes.as_mut_ptr().cast(), bytes.len()) };
    match usize::try_from(read) {
        Ok(length) => {
            bytes.truncate(length);
            Ok(Some(bytes))
        }
        Err(_) => none_if_absent(io::Error::last_os_error()).map(|()| None),
    }
}

/// Gives a file this ACL, which sets its mode too. None removes an ACL that a default of the folder gave it.
#[cfg(target_os = "linux")]
pub fn set_acl(file: &File, acl: Option<&[u8]>) -> io::Result<()> {
    let Some(acl) = acl else {
        // SAFETY: the descriptor is open, and the name ends with a zero byte.
        let removed = unsafe { libc::fremovexattr(file.as_raw_fd(), ACL.as_ptr()) };
        return done(removed).map(drop).or_else(none_if_absent);
    };
    // SAFETY: the descriptor is open, the name ends with a zero byte, and the buffer has that length.
    done(unsafe { libc::fsetxattr(file.as_raw_fd(), ACL.as_ptr(), acl.as_ptr().cast(), acl.len(), 0) })
        .map(drop)
}

/// A file without an ACL, or on a file system that has none, is no failure.
#[cfg(target_os = "linux")]
fn none_if_absent(e: io::Error) -> io::Result<()> {
    match e.raw_os_error() {
        Some(libc::ENODATA | libc::ENOTSUP) => Ok(()),
        _ => Err(e),
    }
}

#[cfg(not(target_os = "linux"))]
pub fn acl(_: &File) -> io::Result<Option<Vec<u8>>> {
    Ok(None)
}

#[cfg(not(target_os = "linux"))]
pub fn set_acl(_: &File, _: Option<&[u8]>) -> io::Result<()> {
    Ok(())
}
