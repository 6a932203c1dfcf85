//! See `woci::entry_points::token_answer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| woci::entry_points::token_answer(bytes));
