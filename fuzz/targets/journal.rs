//! Records of the tracker's journal.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| harness::fuzzing::run("journal", bytes));
