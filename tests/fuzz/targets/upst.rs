//! See `woci::doors::upst`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| woci::doors::upst(bytes));
