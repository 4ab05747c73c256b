//! Where a configuration is, and where its relative paths begin.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where metrics and health are served, if nothing else is said.
pub(super) const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9464);
pub(super) const DEFAULT_STORE: &str = "var/namely-okta-sync.db";
pub(super) const DEFAULT_CHECKPOINTS: &str = "var/audit-checkpoints.jsonl";

/// Names the configuration, where `--config` does not.
pub const VARIABLE: &str = "NAMELY_OKTA_SYNC_CONFIG";
/// Where a command looks first that is told nothing.
pub const HERE: &str = "namely-okta-sync.toml";
/// The configuration of this machine.
pub const MACHINE: &str = "/etc/namely-okta-sync/config.toml";
/// Where the service of this machine keeps what it writes: nothing below `/etc` is written.
const MACHINE_STATE: &str = "/var/lib/namely-okta-sync";

/// Where relative paths begin of what the service of a configuration writes.
pub fn state_folder(config: &Path) -> PathBuf {
    let folder = config.parent().unwrap_or(Path::new(""));
    if Some(folder) == Path::new(MACHINE).parent() { MACHINE_STATE.into() } else { folder.to_owned() }
}

/// The configuration that is meant where no flag names one: that of the variable, then the one in `here`, then that of the machine.
/// Nothing without any; the error says why one is not used that is there.
pub fn unnamed(variable: Option<String>, here: &Path, machine: &Path, uid: u32) -> Result<Option<PathBuf>, String> {
    if let Some(named) = variable.filter(|named| !named.trim().is_empty()) {
        return Ok(Some(named.into()));
    }
    let path = here.join(HERE);
    let Ok(file) = std::fs::metadata(&path) else {
        return Ok(machine.exists().then(|| machine.to_owned()));
    };
    let shown = path.display();
    let how = "name the configuration with --config FILE if it is the right one";
    if file.uid() != uid && file.uid() != 0 {
        return Err(format!("{shown} belongs to another user (uid {}): it is not used by itself; {how}", file.uid()));
    }
    if file.mode() & 0o022 != 0 {
        let mode = file.mode() & 0o777;
        return Err(format!(
            "{shown} can be written by others (mode {mode:04o}): it is not used by itself; `chmod go-w {shown}`, or {how}"
        ));
    }
    Ok(Some(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_configuration_that_nobody_names_is_used_only_if_nobody_else_can_have_written_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let (here, machine) = (folder.path(), folder.path().join("machine.toml"));
        let uid = rustix::process::getuid().as_raw();
        let found = |variable: Option<&str>, uid| unnamed(variable.map(str::to_owned), here, &machine, uid);
        assert_eq!(found(None, uid), Ok(None));
        std::fs::write(&machine, "").expect("writes");
        assert_eq!(found(None, uid), Ok(Some(machine.clone())));
        let path = here.join(HERE);
        std::fs::write(&path, "").expect("writes");
        let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("a mode");
        mode(0o600);
        assert_eq!(found(None, uid), Ok(Some(path.clone())));
        assert_eq!(found(Some("/x/y.toml"), uid), Ok(Some("/x/y.toml".into())));
        assert_eq!(found(Some(" "), uid), Ok(Some(path.clone())));
        for open in [0o666, 0o620] {
            mode(open);
            let why = found(None, uid).expect_err("refused");
            assert!(why.contains("can be written by others") && why.contains("chmod go-w"), "{why}");
        }
        mode(0o600);
        if uid != 0 {
            let why = found(None, uid + 1).expect_err("refused");
            assert!(why.contains("belongs to another user"), "{why}");
        }
    }

    #[test]
    fn the_service_of_the_machine_writes_below_var_and_every_other_beside_its_file() {
        assert_eq!(state_folder(Path::new(MACHINE)), Path::new(MACHINE_STATE));
        assert_eq!(state_folder(Path::new("/etc/namely-okta-sync/other.toml")), Path::new(MACHINE_STATE));
        assert_eq!(state_folder(Path::new("/srv/acme.toml")), Path::new("/srv"));
        assert_eq!(state_folder(Path::new("acme.toml")), Path::new(""));
    }
}
