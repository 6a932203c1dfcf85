//! See `woci::doors::form`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| woci::doors::form(bytes));
