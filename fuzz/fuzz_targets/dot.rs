//! See `zegel_fuzz::targets::dot`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| zegel_fuzz::targets::dot(data));
