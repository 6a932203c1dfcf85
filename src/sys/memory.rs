//! The allocator. If the system gives no more memory, Rust aborts: a core dump, no reason, and an oci that runs on
//! alone. This ends woci with a message instead.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::hint;
use std::sync::atomic::{AtomicI32, Ordering};

/// The system's allocator. musl's own asks the kernel for most blocks of a kilobyte and returns each at once.
#[cfg(not(target_env = "musl"))]
static SYSTEM: std::alloc::System = std::alloc::System;
#[cfg(target_env = "musl")]
static SYSTEM: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

thread_local! {
    /// True while this thread asks for memory that it can go on without.
    static IS_TRYING: Cell<bool> = const { Cell::new(false) };
}

/// The child that woci waits for; 0 if there is none.
static CHILD: AtomicI32 = AtomicI32::new(0);

pub struct Allocator;

// SAFETY: each call is handed to the system's allocator as it is; a block that it refuses is null, as the trait says.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those of the system's allocator.
        given(unsafe { SYSTEM.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        given(unsafe { SYSTEM.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        given(unsafe { SYSTEM.realloc(block, layout, size) })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { SYSTEM.dealloc(block, layout) };
    }
}

#[inline]
fn given(block: *mut u8) -> *mut u8 {
    if block.is_null() && !IS_TRYING.get() {
        refused();
    }
    block
}

/// Ends woci; if it waits for a child, not before the child has ended. Allocates nothing.
#[cold]
fn refused() -> ! {
    const WORDS: &[u8] =
        b"woci: cannot go on: the system gives no more memory; free memory or raise the limit \
                           (`ulimit -v`), then run woci again\n";
    let mut code = 1;
    // SAFETY: the bytes are constant, `status` is a living integer, and _exit does not return.
    unsafe {
        libc::write(2, WORDS.as_ptr().cast(), WORDS.len());
        let (child, mut status) = (CHILD.load(Ordering::Relaxed), 0);
        if child != 0 && libc::waitpid(child, &mut status, 0) == child {
            code = if libc::WIFEXITED(status) {
                libc::WEXITSTATUS(status)
            } else {
                128 + libc::WTERMSIG(status)
            };
        }
        libc::_exit(code)
    }
}

/// Remembers the child that woci waits for.
pub fn wait_for_child(pid: u32) {
    CHILD.store(libc::pid_t::try_from(pid).unwrap_or(0), Ordering::Relaxed);
}

/// Whether the system gives this many bytes in one piece. They are given back.
pub fn try_memory(bytes: usize) -> bool {
    IS_TRYING.set(true);
    let mut room: Vec<u8> = Vec::new();
    let is_given = room.try_reserve_exact(bytes).is_ok();
    // Without black_box, the optimiser removes the unused allocation.
    drop(hint::black_box(room));
    IS_TRYING.set(false);
    is_given
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_memory_than_there_is_can_be_tried() {
        assert!(try_memory(1 << 20));
        assert!(!try_memory(1 << 62));
        assert!(!IS_TRYING.get());
    }
}
