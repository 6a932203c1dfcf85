//! See `woci::entry_points::envelope`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| woci::entry_points::envelope(bytes));
