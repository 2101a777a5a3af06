#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| firstword_fuzz::webhook(bytes));
