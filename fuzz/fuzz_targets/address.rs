//! See `zegel_fuzz::targets::address`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| zegel_fuzz::targets::address(data));
