#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| namely_okta_sync::parsers::run("okta_users", bytes));
