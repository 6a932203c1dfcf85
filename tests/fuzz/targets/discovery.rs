//! See `woci::entry_points::discovery`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| woci::entry_points::discovery(bytes));
