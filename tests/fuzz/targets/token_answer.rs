//! See `woci::doors::token_answer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| woci::doors::token_answer(bytes));
