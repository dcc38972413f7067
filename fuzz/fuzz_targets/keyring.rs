//! See `zegel_fuzz::formats::keyring`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| zegel_fuzz::formats::keyring(data));
