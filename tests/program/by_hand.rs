//! What a newcomer pastes, block by block, in one shell: it prints what the documents show.

use crate::common::documents::{read, root};
use crate::common::patience::PATIENCE;
use crate::common::skipped::skipped;
use namely_okta_sync::clock::Clock;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

/// Stands at the end of what a block has printed.
const END: &str = "@@ended";

/// A shell in a folder of its own. It and all that was started in it end with the test.
struct Shell {
    child: Child,
    input: ChildStdin,
    output: Box<dyn Iterator<Item = String>>,
    folder: tempfile::TempDir,
    /// Ports of the documents, and those that are used here.
    ports: Vec<(&'static str, String)>,
    /// The code that was printed last.
    code: String,
}

impl Drop for Shell {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.child.wait();
    }
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port")
}

impl Shell {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let ports: Vec<_> =
            ["127.0.0.1:7001", "127.0.0.1:7002", "127.0.0.1:9464"].map(|port| (port, free().to_string())).into();
        std::fs::create_dir(folder.path().join("config")).expect("a folder");
        let program = Path::new(env!("CARGO_BIN_EXE_namely-okta-sync")).parent().expect("a folder");
        let path = format!("{}:{}", program.display(), std::env::var("PATH").expect("a path"));
        let mut command = Command::new("bash");
        command.current_dir(folder.path()).env("PATH", path).process_group(0);
        command.env_remove("USER").env_remove("RUST_LOG");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("bash");
        let (input, output) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        let output = Box::new(BufReader::new(output).lines().map_while(Result::ok));
        let mut shell = Self { child, input, output, folder, ports, code: String::new() };
        let sandbox = std::fs::read_to_string(root().join("config/sandbox.toml")).expect("reads");
        let sandbox = shell.here(&sandbox);
        std::fs::write(shell.folder.path().join("config/sandbox.toml"), sandbox).expect("writes");
        shell.paste("exec 2>&1");
        shell
    }

    fn here(&self, text: &str) -> String {
        self.ports.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    }

    /// Pastes a block; whether it succeeded, and what it printed.
    fn paste(&mut self, block: &str) -> (bool, String) {
        let listen = format!("<<'END'\n[service]\nlisten = \"{}\"", self.ports[2].1);
        let block = self.here(block).replace("<<'END'", &listen).replace("CODE", &self.code);
        std::fs::write(self.folder.path().join("block.sh"), block).expect("writes");
        writeln!(self.input, ". ./block.sh < /dev/null; echo; echo {END} $?").expect("takes it");
        let printed: Vec<String> = self.output.by_ref().take_while(|line| !line.starts_with(END)).collect();
        let printed = printed.join("\n");
        if let Some(code) = printed.split("--code ").nth(1) {
            self.code = code.split_whitespace().next().unwrap_or_default().to_owned();
        }
        (printed.is_empty() || !printed.contains("error:"), printed)
    }
}

/// The blocks of a section of a document: what is pasted, and what it prints in the end if that is shown.
fn blocks(document: &str, section: &str) -> Vec<(String, Option<String>)> {
    let text = read(document);
    let text = text.split(&format!("\n## {section}\n")).nth(1).expect("the section");
    let text = text.split("\n## ").next().unwrap_or_default();
    let mut found: Vec<(String, Option<String>)> = Vec::new();
    for (n, part) in text.split("\n```").enumerate().filter(|(n, _)| n % 2 == 1) {
        let (language, block) = part.split_once('\n').unwrap_or((part, ""));
        match (language, found.last_mut()) {
            ("sh", _) => found.push((block.to_owned(), None)),
            ("", Some(last)) => last.1 = Some(block.to_owned()),
            _ => panic!("{document}: block {n} is neither pasted nor printed: {part}"),
        }
    }
    found
}

/// A code is another one every day.
fn without_codes(text: &str) -> String {
    let mut words: Vec<&str> = text.split(' ').collect();
    for n in 1..words.len() {
        if words[n - 1] == "--code" {
            words[n] = "CODE";
        }
    }
    words.join(" ")
}

/// A line of a table as a pipe gets it: its cells, set apart by tabs. Nothing of a line that only draws.
fn in_a_pipe(line: &str) -> String {
    if line.starts_with(['┌', '╞', '└', '├']) {
        return String::new();
    }
    let Some(row) = line.strip_prefix('│').and_then(|row| row.strip_suffix('│')) else { return line.to_owned() };
    row.split('┆').map(str::trim).collect::<Vec<_>>().join("\t").trim_end().to_owned()
}

fn prints_what_it_shows(document: &str, section: &str) {
    if Command::new("bash").arg("--version").output().is_err()
        || Command::new("curl").arg("--version").output().is_err()
    {
        skipped("no bash or no curl here");
        return;
    }
    let (mut shell, clock) = (Shell::start(), Clock::system());
    let mut shown = 0;
    for (block, prints) in blocks(document, section) {
        let start = clock.monotonic();
        loop {
            let (ok, printed) = shell.paste(&block);
            let seen = without_codes(&printed);
            let missing = prints
                .as_deref()
                .unwrap_or_default()
                .lines()
                .find(|line| !seen.contains(&without_codes(&in_a_pipe(line))));
            let Some(missing) = missing else {
                assert!(ok || prints.is_some(), "{document}: {block}\n{printed}");
                break;
            };
            let log = std::fs::read_to_string(shell.folder.path().join("run.log")).unwrap_or_default();
            assert!(
                clock.monotonic().since(start) < PATIENCE,
                "{document}: waited in vain for {missing:?} of\n{block}\n{printed}\n{log}"
            );
            std::thread::sleep(Duration::from_millis(500));
        }
        shown += usize::from(prints.is_some());
    }
    assert!(shown >= 4, "only {shown} blocks show what they print");
}

#[test]
fn the_first_connection_of_the_readme_prints_what_it_shows() {
    prints_what_it_shows("README.md", "First connection");
}

#[test]
fn a_transfer_a_leave_a_termination_a_rehire_and_a_hire_by_hand_arrive_as_the_document_shows() {
    prints_what_it_shows("docs/simulators.md", "Change people by hand");
}
