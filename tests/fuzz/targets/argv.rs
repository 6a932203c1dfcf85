//! See `woci::doors::argv`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| woci::doors::argv(bytes));
