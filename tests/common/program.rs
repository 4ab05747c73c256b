//! The program under test.

use namely_okta_sync::sandbox::{namely, okta};
use std::process::{Command, Stdio};

/// The program under test.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_namely-okta-sync"));
    command.env("NAMELY_TOKEN", namely::Options::default().token).env("OKTA_TOKEN", okta::Options::default().token);
    command.env_remove("RUST_LOG").stdin(Stdio::null());
    command
}
