//! The `woci` program. All of it is in the library, so that tests and fuzzers reach it too. It begins
//! where C programs do: src/sys/start.rs says why.
#![no_main]
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int};

#[unsafe(no_mangle)]
extern "C" fn main(count: c_int, words: *const *const c_char) -> c_int {
    // SAFETY: they are C's own.
    let args = unsafe { woci::arguments(count, words) };
    woci::main(args).into()
}
