//! See `zegel_fuzz::stream::data`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| zegel_fuzz::stream::data(data));
