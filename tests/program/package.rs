//! What is published: the packages hold what whoever runs it needs, are the same twice, and are installed, upgraded and removed.

use crate::common::running::Running;
use crate::common::skipped::skipped;
use crate::common::wait::wait_until;
use crate::common::workspace::Workspace;
use crate::upgrade::{EARLIER, age};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const NAME: &str = "namely-okta-sync";
const VERSION: &str = env!("CARGO_PKG_VERSION");

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}\n{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// Debian's tools may lack on other systems; what cannot be looked at there is said.
fn lacks(tools: &[&str]) -> bool {
    let is_there = |tool: &&&str| Command::new("sh").args(["-c", &format!("command -v {tool}")]).output();
    let missing: Vec<_> =
        tools.iter().filter(|tool| !is_there(tool).is_ok_and(|found| found.status.success())).collect();
    if !missing.is_empty() {
        skipped(&format!("packages cannot be made or installed here: {missing:?} are missing"));
    }
    !missing.is_empty()
}

/// Packs the program that was built for the tests, by a shell whose habits differ from call to call.
fn pack(out: &Path, version: &str, habits: &str) {
    let script = format!("{habits}; exec {}/deploy/release.sh \"$@\"", root().display());
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh", "--compression", "none", "--version", version, "--out"]).arg(out);
    run(command.args(["--binary", env!("CARGO_BIN_EXE_namely-okta-sync")]));
}

fn deb(out: &Path) -> PathBuf {
    let files = std::fs::read_dir(out).expect("lists").map(|entry| entry.expect("an entry").path());
    files.into_iter().find(|path| path.extension().is_some_and(|e| e == "deb")).expect("a package")
}

#[test]
fn the_packages_hold_the_program_its_manual_and_what_it_is_made_of_and_are_the_same_twice() {
    if lacks(&["dpkg-deb", "objdump", "strip", "git", "python3"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (out, again, inside) = (folder.path().join("out"), folder.path().join("again"), folder.path().join("inside"));
    pack(&out, VERSION, "umask 022");
    pack(&again, VERSION, "umask 077; cd /tmp; export TZ=Asia/Tokyo LC_ALL=C.UTF-8");
    let sums = |out: &Path| std::fs::read_to_string(out.join("SHA256SUMS")).expect("reads");
    assert_eq!(sums(&out), sums(&again));
    assert_eq!(sums(&out).lines().count(), 5, "{}", sums(&out));
    run(Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(&out));

    run(Command::new("dpkg-deb").arg("-x").arg(deb(&out)).arg(&inside));
    let program = inside.join("usr/bin").join(NAME);
    assert_eq!(run(Command::new(&program).arg("--version")), format!("{NAME} {VERSION}\n"));
    let read = |path: &str| std::fs::read_to_string(inside.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
    let unit = read("usr/lib/systemd/system/namely-okta-sync.service");
    assert!(unit.contains("ExecStart=/usr/bin/namely-okta-sync run") && unit.contains("User=namely-okta-sync\n"));
    assert!(!unit.contains("DynamicUser") && !unit.contains("/usr/local"), "{unit}");
    let doc = format!("usr/share/doc/{NAME}");
    for path in [
        "etc/namely-okta-sync".to_owned(),
        "var/lib/namely-okta-sync".into(),
        "usr/share/man/man1/namely-okta-sync-holds-approve.1.gz".into(),
        format!("usr/share/bash-completion/completions/{NAME}"),
        format!("usr/share/zsh/vendor-completions/_{NAME}"),
        format!("usr/share/fish/vendor_completions.d/{NAME}.fish"),
        format!("usr/share/{NAME}/grafana/dashboards"),
        format!("usr/share/{NAME}/config/example.toml"),
        format!("{doc}/docs/operations.md"),
        format!("{doc}/THIRD-PARTY-LICENSES.txt.gz"),
        format!("{doc}/changelog.gz"),
    ] {
        assert!(inside.join(&path).exists(), "{path} is not in the package");
    }
    assert!(read(&format!("{doc}/copyright")).contains("License: Apache-2.0"));
    let control = run(Command::new("dpkg-deb").arg("-f").arg(deb(&out)));
    assert!(control.contains(&format!("Version: {VERSION}\n")) && control.contains("libc6 (>= 2."), "{control}");

    // What a scanner of vulnerabilities asks for: every crate with its version, and the C that crates carry.
    let bom: Value = serde_json::from_str(&read(&format!("{doc}/{NAME}-{VERSION}.cdx.json"))).expect("JSON");
    let named = |name: &str| bom["components"].as_array().expect("a list").iter().any(|c| c["name"] == name);
    for name in ["tokio", "rustls", "rusqlite", "opentelemetry-otlp", "sqlite", "aws-lc", "mimalloc"] {
        assert!(named(name), "{name} is not listed");
    }
    assert!(!named("proptest"), "what only tests use is not shipped");
    let provenance = std::fs::read_to_string(out.join("provenance.json")).expect("reads");
    let provenance: Value = serde_json::from_str(&provenance).expect("JSON");
    for named in provenance["subject"].as_array().expect("a list") {
        let line = format!("{}  {}", named["digest"]["sha256"].as_str().unwrap(), named["name"].as_str().unwrap());
        assert!(sums(&out).contains(&line), "{line}");
    }
    let built = &provenance["predicate"]["buildDefinition"]["internalParameters"]["built"];
    assert_eq!(*built, Value::Bool(false), "the provenance says that the program came from elsewhere");
}

/// A folder in which Debian's package manager installs as in a system of its own; nothing of this machine is touched.
struct Machine(PathBuf);

impl Machine {
    fn new(at: PathBuf) -> Self {
        for folder in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers", "etc"] {
            std::fs::create_dir_all(at.join(folder)).expect("a folder");
        }
        let files =
            [("passwd", "root:x:0:0:root:/root:/bin/sh\n"), ("group", "root:x:0:\n"), ("shadow", ""), ("gshadow", "")];
        for (file, text) in files {
            std::fs::write(at.join("etc").join(file), text).expect("writes");
        }
        for file in ["status", "available"] {
            std::fs::write(at.join("var/lib/dpkg").join(file), "").expect("writes");
        }
        Self(at)
    }

    fn dpkg(&self, what: &str, which: &Path) -> String {
        let mut command = Command::new("dpkg");
        // Scripts run outside of the folder and are told where it is; libraries are this machine's.
        command.arg(format!("--root={}", self.0.display())).args(["--force-script-chrootless", "--force-depends"]);
        command.arg(format!("--log={}", self.0.with_extension("log").display()));
        run(command.arg(what).arg(which))
    }

    fn mode(&self, path: &str) -> u32 {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(self.0.join(path)).expect(path).permissions().mode() & 0o7777
    }
}

#[test]
fn the_package_is_installed_started_upgraded_over_the_oldest_store_and_removed_without_the_audit() {
    if lacks(&["dpkg", "dpkg-deb", "useradd", "objdump", "strip", "git", "python3"]) {
        return;
    }
    if run(Command::new("id").arg("-u")).trim() != "0" {
        skipped("packages are installed by root only");
        return;
    }
    let mut workspace = Workspace::new(5);
    let (older, newer) = (workspace.folder.path().join("older"), workspace.folder.path().join("newer"));
    pack(&older, "0.0.9", "umask 022");
    pack(&newer, VERSION, "umask 022");
    let machine = Machine::new(workspace.folder.path().join("machine"));
    let said = machine.dpkg("-i", &deb(&older));
    assert!(said.contains("systemctl enable --now namely-okta-sync"), "it says what is next: {said}");
    let (etc, home) = ("etc/namely-okta-sync", "var/lib/namely-okta-sync");
    assert_eq!((machine.mode(etc), machine.mode(home)), (0o750, 0o700));
    let users = || std::fs::read_to_string(machine.0.join("etc/passwd")).expect("reads");
    assert_eq!(users().lines().filter(|line| line.starts_with(NAME) && line.ends_with("nologin")).count(), 1);

    // As an operator would: the configuration where the unit looks for it, the store where the package has made room.
    let store = machine.0.join(home).join("store.db");
    let text = std::fs::read_to_string(&workspace.config).expect("reads");
    workspace.config = machine.0.join(etc).join("config.toml");
    std::fs::write(
        &workspace.config,
        text.replace(&workspace.store().display().to_string(), &store.display().to_string()),
    )
    .expect("writes");
    let start = || {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&workspace.log).expect("a log");
        let mut command = Command::new(machine.0.join("usr/bin").join(NAME));
        command.env("NAMELY_TOKEN", "sandbox-namely-token").env("OKTA_TOKEN", "00sandbox-token");
        command.args(["run", "--config"]).arg(&workspace.config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Running(command.spawn().expect("starts"))
    };
    // It works: what HR changes is written to Okta.
    let edited = |person: usize| {
        let (namely, okta, now) = (&workspace.world.namely, &workspace.world.okta, workspace.world.clock.now());
        namely.core().edit(person, now, |person| person.direct_dial = "+1 555 3".into());
        let id = namely.core().person(person).id.clone();
        let account = okta.core().user_by_anchor(&id).map(|user| user.id.clone()).expect("an account");
        wait_until("the change is there", &workspace.log, || {
            okta.core().history().exchanges().iter().any(|e| e.method == "POST" && e.path.contains(&account))
        });
    };
    let mut service = start();
    edited(3);
    service.kill();
    let (version, schema) = EARLIER[0];
    age(&store, version, schema);

    let said = machine.dpkg("-i", &deb(&newer));
    assert!(said.contains(&format!("({VERSION}) over (0.0.9)")) && !said.contains("Next:"), "{said}");
    let mut service = start();
    wait_until("the store is brought up to date", &workspace.log, || {
        workspace.log().contains("the store is brought up to date")
    });
    edited(4);
    service.kill();
    assert!(store.with_file_name(format!("store.db.schema-{version}")).exists(), "a copy as it was is kept");

    machine.dpkg("-r", Path::new(NAME));
    assert!(!machine.0.join("usr").exists(), "nothing of the package is left");
    let said = machine.dpkg("-P", Path::new(NAME));
    assert!(said.contains("/var/lib/namely-okta-sync is kept"), "{said}");
    assert!(store.exists() && workspace.config.exists(), "the audit and the configuration are not the package's");
    assert!(users().contains(NAME), "and they still belong to somebody");
}
