//! See `woci::entry_points::console_answer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| woci::entry_points::console_answer(bytes));
