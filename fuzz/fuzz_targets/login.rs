//! See `zegel_fuzz::smtp::login`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| zegel_fuzz::smtp::login(data));
