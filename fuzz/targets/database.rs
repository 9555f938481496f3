//! Databases and their logs, before SQLite sees them.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| harness::fuzzing::run("database", bytes));
