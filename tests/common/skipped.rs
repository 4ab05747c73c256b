//! Tests that cannot run on every machine.

use std::io::Write;

/// Says that a test cannot run here, past whatever keeps back the output of tests that pass.
pub fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}
