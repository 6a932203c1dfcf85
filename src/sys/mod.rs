//! What only the operating system's C interface offers. All of woci's unsafe code is in this room.
#![expect(unsafe_code, reason = "this is the one room for it")]

use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd as _;

mod acl;
mod disk;
mod execute;
mod memory;
mod others;
mod piped;
mod process;
#[cfg(test)]
mod screen;
mod terminal;

pub use acl::{acl, set_acl};
pub use disk::{open_without_links, sync, user};
pub use execute::{Between, exec, let_go, start_behind};
pub use memory::{Allocator, end_at_refusals};
pub use others::{Mark, Process, command_line};
pub use piped::{How, output, run_piped};
pub use process::{
    SupervisedChild, begin, begin_spending, detach, end_spending, forbid_core_dumps, forget_variable,
    hold_signals, settle, spawn, spawn_detached, stop_signals, try_descriptors, try_threads,
};
#[cfg(test)]
pub use screen::Screen;
pub use terminal::{Paste, Prompt, Question, terminal_columns};

/// Descriptor 1, unbuffered: woci writes its whole output at once. std's own stdout reports success even if
/// descriptor 1 is not open for writing.
pub fn stdout() -> ManuallyDrop<File> {
    // SAFETY: Rust's runtime opened descriptor 1 if it was closed, and ManuallyDrop keeps it open.
    ManuallyDrop::new(unsafe { File::from_raw_fd(1) })
}

/// An error if descriptor 1 was closed when woci was started: what is written to it now reaches nobody.
pub fn check_stdout() -> io::Result<()> {
    if process::stdout_was_closed() { Err(io::Error::from_raw_os_error(libc::EBADF)) } else { Ok(()) }
}

/// The result of a C call that returns a negative number on failure and says why in errno.
fn done(answer: libc::c_int) -> io::Result<libc::c_int> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}

/// The result of a pthread call, which returns the error itself.
fn done_thread(answer: libc::c_int) -> io::Result<()> {
    if answer == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(answer)) }
}
