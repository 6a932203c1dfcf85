//! See `woci::entry_points::ini`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| woci::entry_points::ini(bytes));
