//! See `woci::entry_points::form`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| woci::entry_points::form(bytes));
