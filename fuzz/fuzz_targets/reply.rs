//! See `zegel_fuzz::stream::reply`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| zegel_fuzz::stream::reply(data));
