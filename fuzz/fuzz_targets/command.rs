//! See `zegel_fuzz::stream::command`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| zegel_fuzz::stream::command(data));
