//! See `woci::entry_points::argv`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| woci::entry_points::argv(bytes));
