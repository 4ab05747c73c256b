//! The program under test.

use namely_okta_sync::sandbox::{namely, okta};
use std::process::{Command, Stdio};

/// The secrets of the simulators, by the variables that the configuration names.
pub fn tokens() -> [(&'static str, String); 2] {
    [("NAMELY_TOKEN", namely::Options::default().token), ("OKTA_TOKEN", okta::Options::default().token)]
}

/// The program under test.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_namely-okta-sync"));
    command.envs(tokens());
    command.env_remove("RUST_LOG").stdin(Stdio::null());
    command
}
