//! Requests for certificates.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| harness::fuzzing::run("certificate_request", bytes));
