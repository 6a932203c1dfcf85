//! See `woci::doors::ini`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| woci::doors::ini(bytes));
