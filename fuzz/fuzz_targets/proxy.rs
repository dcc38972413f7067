//! See `zegel_fuzz::smtp::proxy`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| zegel_fuzz::smtp::proxy(data));
