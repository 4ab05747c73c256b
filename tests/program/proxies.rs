//! Nothing goes to a proxy that only the environment names: a program of its own listens there, and writes down who comes.

use crate::common::keys::Key;
use crate::common::program::program;
use crate::common::running::Running;
use crate::common::wait::wait_until;
use crate::common::workspace::Workspace;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

/// A proxy that writes down the first line of whatever comes, and refuses it.
struct Proxy {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let (address, seen) = (listener.local_addr().expect("an address"), Arc::default());
        let kept: Arc<Mutex<Vec<String>>> = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut line = String::new();
                // Whoever says nothing has come all the same.
                let _ = BufReader::new(&stream).read_line(&mut line);
                kept.lock().expect("locks").push(line.trim().to_owned());
                let _ =
                    (&stream).write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            }
        });
        Self { address, seen }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("locks").clone()
    }

    /// The program, told of this proxy in every way that is known.
    fn describe(&self, command: &mut Command) {
        let url = format!("http://{}", self.address);
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "SOCKS_PROXY", "FTP_PROXY", "WS_PROXY", "WSS_PROXY"] {
            command.env(name, &url).env(name.to_lowercase(), &url);
        }
        // What would be spared, if anybody looked: nothing that is asked here.
        command.env("NO_PROXY", "elsewhere.example").env("no_proxy", "elsewhere.example");
    }
}

/// A configuration in which everything that can be is somewhere else, and a proxy in it if one is named.
fn far_away(workspace: &Workspace, proxy: Option<SocketAddr>) -> String {
    let folder = workspace.folder.path();
    std::fs::write(folder.join("okta-key.pem"), Key::ec("k").pem).expect("writes");
    for name in ["slack", "soc", "secret", "siem"] {
        let text = if name == "siem" || name == "secret" {
            "a-secret-0123456789abcdef01234567".to_owned()
        } else {
            format!("https://{name}.invalid/hook")
        };
        std::fs::write(folder.join(name), text).expect("writes");
    }
    std::fs::write(folder.join("smtp"), "smtps://mail.invalid").expect("writes");
    let text = std::fs::read_to_string(&workspace.config).expect("reads");
    let (okta, namely) = (workspace.world.okta.url(), format!("{}/api/v1", workspace.world.namely.url()));
    let app = "[okta.service_app]\nclient_id = \"0oa1\"\nkey = \"file:okta-key.pem\"\nkey_id = \"k\"\n\n[leave]";
    let mut text = text
        .replace(&okta, "https://okta.invalid")
        .replace(&namely, "https://namely.invalid/api/v1")
        .replace("token = \"env:OKTA_TOKEN\"\n", "")
        .replace("[leave]", app);
    text += "\n[[audit.http]]\nname = \"siem\"\nurl = \"https://siem.invalid/raw\"\ntoken = \"file:siem\"\n";
    text += "\n[[notify]]\nname = \"it\"\nkind = \"slack\"\nurl = \"file:slack\"\nevery = \"1s\"\n";
    text += "\n[[notify]]\nname = \"soc\"\nkind = \"webhook\"\nurl = \"file:soc\"\nsecret = \"file:secret\"\nevery = \"1s\"\n";
    text += "\n[[notify]]\nname = \"hr\"\nkind = \"mail\"\nserver = \"file:smtp\"\nfrom = \"a@acme.com\"\nto = [\"b@acme.com\"]\nevery = \"1s\"\n";
    if cfg!(feature = "otel") {
        text += "\n[telemetry]\ntraces = \"https://traces.invalid/v1/traces\"\n";
    }
    if let Some(proxy) = proxy {
        text += &format!("\n[http]\nproxy = \"http://{proxy}\"\n");
    }
    text
}

fn run(workspace: &Workspace, proxy: &Proxy) -> Running {
    let mut command = program();
    proxy.describe(&mut command);
    let log = std::fs::OpenOptions::new().create(true).append(true).open(&workspace.log).expect("a log");
    command.args(["run", "--config"]).arg(&workspace.config).stdout(Stdio::null()).stderr(log);
    Running(command.spawn().expect("starts"))
}

fn said(workspace: &Workspace, proxy: &Proxy, args: &[&str]) -> String {
    let mut command = program();
    proxy.describe(&mut command);
    let output = command.args(args).arg("--config").arg(&workspace.config).output().expect("runs");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_service_on_this_machine_and_whoever_asks_it_never_go_through_a_proxy() {
    let (proxy, workspace) = (Proxy::start(), Workspace::new(8).with_a_port());
    let text = std::fs::read_to_string(&workspace.config).expect("reads");
    let named = format!("\n[http]\nproxy = \"http://{}\"\n", proxy.address);
    let token = "\n[[admin.tokens]]\nname = \"Anna\"\nrole = \"approver\"\ntoken = \"file:token\"\n";
    std::fs::write(workspace.folder.path().join("token"), "an-approver-0123456789abcdef01234567").expect("writes");
    // Not even where the configuration names it.
    std::fs::write(&workspace.config, text + token + &named).expect("writes");
    let _service = run(&workspace, &proxy);
    workspace.until_settled();
    let address = workspace.address();
    let shown = said(&workspace, &proxy, &["check"]);
    assert!(shown.contains("is set and not used") && shown.contains("but not to this machine"), "{shown}");
    for host in [format!("http://{address}"), format!("http://localhost:{}", address.port())] {
        let mut command = program();
        proxy.describe(&mut command);
        command.env("NAMELY_OKTA_SYNC_TOKEN", "an-approver-0123456789abcdef01234567");
        let output = command.args(["status", "--service", &host]).output().expect("runs");
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(shown.contains("running"), "{host}: {shown} {}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(proxy.seen(), Vec::<String>::new());
}

#[test]
fn whoever_is_elsewhere_is_reached_through_the_proxy_of_the_configuration_and_through_no_other() {
    let (proxy, named, workspace) = (Proxy::start(), Proxy::start(), Workspace::new(3));
    let original = std::fs::read_to_string(&workspace.config).expect("reads");
    for is_named in [false, true] {
        std::fs::write(&workspace.config, &original).expect("writes");
        let text = far_away(&workspace, is_named.then_some(named.address));
        std::fs::write(&workspace.config, text).expect("writes");
        for file in ["store.db", "store.db-wal", "store.db-shm", "log"] {
            let _ = std::fs::remove_file(workspace.folder.path().join(file));
        }
        let service = run(&workspace, &proxy);
        workspace.address();
        let paused = said(&workspace, &proxy, &["pause", "--why", "so that there is something to tell", "--by", "Ann"]);
        assert!(paused.contains("is stopped from now on"), "{paused}");
        let hosts = || -> BTreeSet<String> {
            let seen = named.seen();
            seen.iter().filter_map(|line| Some(line.strip_prefix("CONNECT ")?.split(':').next()?.to_owned())).collect()
        };
        if is_named {
            let mut all = vec!["okta.invalid", "namely.invalid", "siem.invalid", "slack.invalid", "soc.invalid"];
            if cfg!(feature = "otel") {
                all.push("traces.invalid");
            }
            wait_until("everybody was asked for", &workspace.log, || all.iter().all(|host| hosts().contains(*host)));
            assert!(!hosts().contains("mail.invalid"), "mail goes to its server directly");
        } else {
            let all = ["groups could not be read", "no access token", "http siem", r#""it""#, r#""soc""#, r#""hr""#];
            for one in all {
                wait_until(&format!("{one} was tried in vain"), &workspace.log, || workspace.log().contains(one));
            }
            let shown = said(&workspace, &proxy, &["check"]);
            assert!(shown.contains("HTTPS_PROXY") && shown.contains("name it as http.proxy"), "{shown}");
            assert_eq!(hosts(), BTreeSet::new());
        }
        drop(service);
    }
    assert_eq!(proxy.seen(), Vec::<String>::new(), "nobody goes where only the environment says");
}
