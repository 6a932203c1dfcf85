//! What only the operating system's C interface offers. All of woci's unsafe code is in this room, but
//! for the call of `arguments`.
#![expect(unsafe_code, reason = "this is the one room for it")]

use std::io;

#[cfg(target_env = "musl")]
mod allocator;
mod clock;
mod disk;
mod process;
mod start;
mod terminal;

#[cfg(target_env = "musl")]
pub use allocator::Allocator;
pub use clock::seconds_since_1970;
pub use disk::sync;
pub use process::{
    Beside, command_line, detach, exec, forbid_core_dumps, hold_signals, spawn, spawn_detached, stop_signals,
    terminate,
};
pub use start::{arguments, begin, stdout};
pub use terminal::Prompt;

/// The usual answer of a C call: negative where errno says why.
fn done(answer: libc::c_int) -> io::Result<libc::c_int> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}

/// The answer of a pthread call: the error itself.
fn done_thread(answer: libc::c_int) -> io::Result<()> {
    if answer == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(answer)) }
}
