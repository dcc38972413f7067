//! See `zegel_fuzz::formats::body`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| zegel_fuzz::formats::body(data));
