//! See `woci::doors::callback`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| woci::doors::callback(bytes));
