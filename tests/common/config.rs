//! What the program is told in its configuration file.

use namely_okta_sync::sandbox::world::World;
use std::path::{Path, PathBuf};

/// A configuration file for the program against `world`, in `folder`; it polls quickly.
pub fn config_file(world: &World, folder: &Path) -> PathBuf {
    let text = include_str!("../../config/sandbox.toml")
        .replace("127.0.0.1:9464", "127.0.0.1:0")
        .replace("../var/sandbox/store.db", &folder.join("store.db").display().to_string())
        .replace("../var/sandbox/audit.jsonl", &folder.join("audit.jsonl").display().to_string())
        .replace("../var/sandbox/audit-checkpoints.jsonl", &folder.join("audit-checkpoints.jsonl").display().to_string())
        .replace("http://127.0.0.1:7001/api/v1", &format!("{}/api/v1", world.namely.url()))
        .replace("http://127.0.0.1:7002", &world.okta.url())
        .replace(
            "time_zone = \"America/New_York\"",
            "time_zone = \"America/New_York\"\n[namely.poll]\nper_minute = 100000\nhot_interval = \"200ms\"\nwalk_interval = \"400ms\"",
        );
    let path = folder.join("config.toml");
    std::fs::write(&path, text).expect("writes");
    path
}
