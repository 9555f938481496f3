//! Files of a peer's key and of its network.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| harness::fuzzing::run("key_file", bytes));
