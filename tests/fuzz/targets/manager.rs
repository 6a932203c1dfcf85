//! See `woci::doors::manager`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| woci::doors::manager(bytes));
