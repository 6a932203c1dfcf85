//! The allocator of the static build. musl's own asks the kernel for most blocks of a kilobyte and
//! gives each back at once: a fifth of a warm run. dlmalloc does neither. The mutex that it brings is
//! a tenth; woci hardly ever has two threads that want memory at once.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, Ordering};

use dlmalloc::Dlmalloc;

pub struct Allocator {
    heap: UnsafeCell<Dlmalloc>,
    is_taken: AtomicBool,
}

impl Allocator {
    pub const fn new() -> Self {
        Self { heap: UnsafeCell::new(Dlmalloc::new()), is_taken: AtomicBool::new(false) }
    }

    #[inline]
    fn with<T>(&self, act: impl FnOnce(&mut Dlmalloc) -> T) -> T {
        while self.is_taken.swap(true, Ordering::Acquire) {
            std::thread::yield_now();
        }
        // SAFETY: whoever found it not taken is alone here until it says otherwise.
        let done = act(unsafe { &mut *self.heap.get() });
        self.is_taken.store(false, Ordering::Release);
        done
    }
}

// SAFETY: `with` lets in one at a time.
unsafe impl Sync for Allocator {}

// SAFETY: each is dlmalloc's own, which keeps what GlobalAlloc asks for; none panics.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout is not empty.
        self.with(|heap| unsafe { heap.malloc(layout.size(), layout.align()) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as `alloc`.
        self.with(|heap| unsafe { heap.calloc(layout.size(), layout.align()) })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's block is one of `alloc`'s, with its layout.
        self.with(|heap| unsafe { heap.free(block, layout.size(), layout.align()) });
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's block is one of `alloc`'s, with its layout.
        self.with(|heap| unsafe { heap.realloc(block, layout.size(), layout.align(), size) })
    }
}
