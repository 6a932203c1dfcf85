//! The allocator. If the system refuses woci a small block of memory, woci ends with a clear error; Rust itself would
//! abort.

use std::alloc::{GlobalAlloc, Layout};

#[cfg(target_env = "musl")]
use dlmalloc::GlobalDlmalloc as Inner;
#[cfg(not(target_env = "musl"))]
use std::alloc::System as Inner;

use super::process;

/// In bytes. A refusal of a larger block is left to whoever asked for the block: only deriving a key from a passphrase
/// does, and has an error of its own. Everything else that woci holds is smaller, answers of servers included.
const LARGE: usize = 4 << 20;

pub struct Allocator;

// None of these may be inlined. A block looks to the optimizer like an object that ends where the block does; the inner
// allocator keeps the block's length right before the block. Where both are inlined into one function, reading that
// length is outside the object, and the compiled program is wrong.
// SAFETY: each block comes from the inner allocator, is returned to that one, and is passed on unchanged.
unsafe impl GlobalAlloc for Allocator {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the rules of this function, which are the same.
        given(unsafe { Inner.alloc(layout) }, layout.size())
    }

    #[inline(never)]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        given(unsafe { Inner.alloc_zeroed(layout) }, layout.size())
    }

    #[inline(never)]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        given(unsafe { Inner.realloc(block, layout, size) }, size)
    }

    #[inline(never)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { Inner.dealloc(block, layout) };
    }
}

#[inline]
fn given(block: *mut u8, size: usize) -> *mut u8 {
    if block.is_null() && size < LARGE {
        end();
    }
    block
}

/// Ends woci, and a program that runs beside it: nothing would keep its session fresh. Any thread may be the one that
/// gets here. The inner allocator has returned, so that no lock of its own is held, and nothing here allocates.
#[cold]
fn end() -> ! {
    end_with(b"woci: cannot go on: the system gives no more memory; raise the limit (ulimit -v) or end other programs, then run woci again\n")
}

/// Makes an abort an ordinary end. std allocates for its threads past this allocator, and aborts where it gets nothing.
pub(super) fn end_at_abort() {
    let aborted = aborted as *const () as libc::sighandler_t;
    // SAFETY: the number is a signal; the handler has a handler's type and does only what a handler may.
    unsafe {
        // oci inherits what was ignored.
        if libc::signal(libc::SIGABRT, aborted) == libc::SIG_IGN {
            libc::signal(libc::SIGABRT, libc::SIG_IGN);
        }
    }
}

extern "C" fn aborted(_: libc::c_int) {
    end_with(b"woci: cannot go on: the system gives no more memory, or the line above says why; raise the limit (ulimit -v) or end other programs, then run woci again\n")
}

/// From here on, ends woci with an error where tiny_http panics, or std in a thread that tiny_http asks for, since the
/// system refuses it a thread or a descriptor. Every other panic is a fault, and shown as such.
pub fn end_at_refusals() {
    let show = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let file = panic.location().map_or("", |location| location.file());
        let said = panic.payload().downcast_ref::<String>().map_or("", String::as_str);
        // As `io::Error` is shown by `unwrap` and `expect`.
        let is = |code: &i32| said.contains(&format!("Os {{ code: {code},"));
        let is_refused = [libc::EAGAIN, libc::ENOMEM, libc::EMFILE, libc::ENFILE].iter().any(is);
        if is_refused && (file.contains("tiny_http") || file.contains("library/std/src/thread/")) {
            end_with(b"woci: cannot go on with the sign-in: the system gives too few threads or descriptors; end other programs or raise the limits (`ulimit -u`, `ulimit -n`), then run woci again\n")
        }
        show(panic);
    }));
}

fn end_with(said: &[u8]) -> ! {
    process::terminate_child();
    // SAFETY: the text is a living buffer of this length. `_exit` runs no code of woci's or of the C library's.
    unsafe {
        libc::write(2, said.as_ptr().cast(), said.len());
        libc::_exit(1)
    }
}
