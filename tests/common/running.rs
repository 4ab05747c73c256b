//! The program as it runs, and dies.

use super::program::program;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Stdio};

/// A running program that is killed when the test ends, however it ends.
pub struct Running(pub Child);

impl Running {
    /// Starts `run` on a configuration.
    pub fn service(config: &Path, log: &Path, failpoint: Option<&str>) -> Self {
        let point = failpoint.map(|point| (namely_okta_sync::failpoint::VARIABLE, point.to_owned()));
        Self::under(config, log, point.as_slice())
    }

    /// The same with these variables.
    pub fn under(config: &Path, log: &Path, variables: &[(&str, String)]) -> Self {
        let mut log = std::fs::OpenOptions::new().create(true).append(true).open(log).expect("a log");
        writeln!(log, "--- a start, {variables:?}").expect("writes");
        let mut command = program();
        command.args(["run", "--config"]).arg(config).stdout(Stdio::null()).stderr(log);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        Self(command.spawn().expect("starts"))
    }

    /// SIGKILL: nothing is told, nothing is flushed.
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.0.try_wait().expect("waits").is_some()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.has_ended() {
            self.kill();
        }
    }
}
