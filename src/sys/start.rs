//! What Rust's runtime does before `main`, as far as woci needs it. The rest of that, most of all a handler
//! that names a stack overflow, is a twentieth of a warm start.

use std::ffi::{CStr, OsStr, OsString};
use std::fs::File;
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::process;

/// The command line, without the program's name.
///
/// # Safety
/// `count` and `words` are what C hands to `main`.
pub unsafe fn arguments(count: libc::c_int, words: *const *const libc::c_char) -> Vec<OsString> {
    // SAFETY: as the caller says, so many C strings that live as long as the process.
    let word = |nth| unsafe { CStr::from_ptr(*words.add(nth)) };
    (1..usize::try_from(count).unwrap_or(0))
        .map(|nth| OsStr::from_bytes(word(nth).to_bytes()).to_owned())
        .collect()
}

/// Makes the process ready. To be called before anything is opened, written or run.
pub fn begin() {
    open_streams();
    super::process::ignore_signals();
}

/// Where 0, 1 or 2 is closed, the next file that woci opens would get that number, and what is said on
/// stderr would end up in it.
fn open_streams() {
    for stream in 0..=2 {
        // SAFETY: fcntl refuses what is no descriptor, and the path is a C string.
        let is_open = unsafe {
            libc::fcntl(stream, libc::F_GETFD) >= 0 || libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) >= 0
        };
        if !is_open {
            process::abort();
        }
    }
}

/// Descriptor 1 itself, and unbuffered: all there is to say is said in one write.
pub fn stdout() -> ManuallyDrop<File> {
    // SAFETY: `open_streams` saw to it that 1 is open, and it is not closed here.
    ManuallyDrop::new(unsafe { File::from_raw_fd(1) })
}
