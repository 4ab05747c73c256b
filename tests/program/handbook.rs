//! Every command that the documents name is carried out as it is written, beside a running service.

use crate::common::documents::{DOCUMENTS, commands, help, read};
use crate::common::program::program;
use crate::common::running::Running;
use crate::common::wait::wait_until;
use crate::common::workspace::Workspace;
use namely_okta_sync::sandbox::faults::{Fault, Kind};
use namely_okta_sync::sandbox::population::Status;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};

/// What stands for something in a document, and what it is here.
struct Lifecycle(Vec<(&'static str, String)>);

impl Lifecycle {
    fn of(workspace: &Workspace, folder: &Path) -> Self {
        let hold = |sql: &str| workspace.counted(sql).to_string();
        let code = workspace.cli(&["holds", "list", "--json"]).1;
        let code: serde_json::Value = serde_json::from_str(&code).expect("JSON");
        let quarantined = workspace.world.namely.core().person(5).email.clone();
        let new = std::fs::read_to_string(&workspace.config)
            .expect("reads")
            .replace("[mapping.attributes]", "[mapping.attributes]\nnickName = \"employee.first_name\"");
        std::fs::write(folder.join("new.toml"), new).expect("writes");
        let file = |name: &str| folder.join(name).display().to_string();
        Self(vec![
            ("acme.toml", workspace.config.display().to_string()),
            ("config/sandbox.toml", workspace.config.display().to_string()),
            ("--accept acme", "--accept sandbox".into()),
            ("accept-list acme", "accept-list sandbox".into()),
            ("/usr/local/share/man/man1", file("man")),
            ("/backup/store.db", file("backup.db")),
            ("keys.json", file("keys.json")),
            ("NEW.toml", file("new.toml")),
            ("127.0.0.1:7001", "127.0.0.1:0".into()),
            ("127.0.0.1:7002", "127.0.0.1:0".into()),
            ("$(id -un)", "Anna".into()),
            ("\"", String::new()),
            ("PROFILE", workspace.world.namely.core().person(6).id.clone()),
            ("PERSON", quarantined),
            ("NAME", "Anna".into()),
            ("TEXT", "tonight".into()),
            ("--before TIME", "--before 400d".into()),
            ("CODE", code[0]["code"].as_str().unwrap_or("none").to_owned()),
            ("ID", hold("SELECT min(id) FROM hold")),
            ("FILE", file("saved.plan")),
            ("merger.plan", file("merger.plan")),
            ("--group G", "--group Engineering".into()),
            ("--run N", "--run 1".into()),
            ("--restored ROW", "--restored 1".into()),
        ])
    }

    fn written(&self, command: &str) -> Vec<String> {
        let plain = [" &", " #", " 2>", " >"].iter().fold(command, |text, end| text.split(end).next().unwrap_or(text));
        let filled = self.0.iter().fold(plain.to_owned(), |text, (from, to)| text.replace(from, to));
        let folder = format!("folder-{}", filled.split(' ').next().unwrap_or_default());
        let filled = filled.replace("FOLDER", &folder);
        filled.split_whitespace().map(str::to_owned).collect()
    }
}

/// Commands that go on until somebody stops them, and what they say once they are at work.
const ENDLESS: [(&str, &str); 3] =
    [("simulate", "127.0.0.1:"), ("status --watch", "audit:"), ("run", "in use by process")];

/// What may be said instead of doing it: there is nothing of the kind here.
const NOTHING_TO_DO: [(&str, &str); 18] = [
    // For when the service stands still (`on_a_server.rs`).
    ("migrate-store", "in use by process"),
    ("nodes drain", "the store is a file"),
    ("undo", "nothing to take back"),
    ("adopt", "was accepted already"),
    // The documents decide about the one hold in several ways, and the service carries the first of them out meanwhile.
    ("holds approve", "was decided already"),
    ("holds reject", "was decided already"),
    ("holds reverse", "nothing that was rejected"),
    ("holds cancel", "on the word of one person"),
    // Who joins by hand in the document is in its own world (`by_hand.rs`).
    ("timeline grace.hopper", "nobody"),
    // Its exit code says that somebody must decide.
    ("status", "see `holds show"),
    ("missing", "is not missing from Namely"),
    ("review show", "there is no review"),
    ("review accept", "is not in the queue"),
    ("review reject", "is not in the queue"),
    ("links split", "is not what was shown"),
    // The service has not come to it yet, or a pause of the documents lasts.
    ("restore-access", "nobody has ended their access"),
    ("end-access", "was ended by"),
    ("end-access", "is paused by"),
];

#[test]
fn every_command_of_the_documents_does_what_it_says() {
    let workspace = Workspace::new(12).with_a_port();
    let folder = workspace.folder.path();
    let text = std::fs::read_to_string(&workspace.config).expect("reads");
    let limit = "[[safeguards.limits]]\nchange = \"deactivate\"\npeople = 0\nper = \"hour\"\n";
    std::fs::write(&workspace.config, text + limit).expect("writes");
    let mut service = workspace.settled();
    // One is held, one is quarantined, and one has only moved.
    let refused = workspace.world.namely.core().person(5).clone();
    let id = workspace.world.okta.core().user_by_anchor(&refused.id).map(|user| user.id.clone()).expect("an account");
    let body = r#"{"errorCode":"E0000001","errorSummary":"Api validation failed: primaryPhone","errorCauses":[]}"#;
    let answer = Kind::Answer { status: 400, body: body.into() };
    workspace.world.okta.core().faults.add(Fault::some(1.0, "POST", &format!("/api/v1/users/{id}"), answer));
    let now = workspace.world.clock.now();
    workspace.world.namely.core().edit(3, now, |person| person.status = Status::Inactive);
    workspace.world.namely.core().edit(5, now, |person| person.direct_dial = "+1 555 5".into());
    wait_until("one is held and one is quarantined", &workspace.log, || {
        workspace.counted("SELECT count(*) FROM work WHERE state = 2") == 1
            && workspace.counted("SELECT count(*) FROM work WHERE state = 1") == 1
    });
    std::fs::write(folder.join("keys.json"), r#"{"keys":[]}"#).expect("writes");
    let lifecycle = Lifecycle::of(&workspace, folder);
    let config = format!(" --config {}", workspace.config.display());
    let (mut known, mut done, mut mentions) = (BTreeMap::new(), BTreeSet::new(), 0);
    let mut wrong: Vec<String> = Vec::new();
    let whole = help(&[], &mut known).expect("help");
    let is_command = |word: &str| whole.lines().any(|line| line.trim_start().split(' ').next() == Some(word));
    let all: Vec<String> = DOCUMENTS.iter().flat_map(|document| commands(&read(document))).collect();
    // Bringing a copy back is for when the service stands still.
    let (last, first): (Vec<String>, Vec<String>) = all.into_iter().partition(|command| command.starts_with("restore"));
    let count = first.len();
    for (n, command) in first.into_iter().chain(last).enumerate() {
        let mut words = lifecycle.written(&command);
        let Some(name) = words.first().filter(|word| is_command(word)).cloned() else { continue };
        if n >= count && !service.has_ended() {
            service.kill();
        }
        if name == "sandbox" || !done.insert(words.join(" ").replace(" --by Anna", "").replace(&config, "")) {
            continue; // CI runs the sandbox by itself
        }
        let second = words.get(1).map(String::as_str).unwrap_or_default().to_owned();
        let message = help(&[&name, &second], &mut known).or_else(|| help(&[&name], &mut known)).expect("help");
        for (flag, value) in [("--config", workspace.config.display().to_string()), ("--by", "Anna".into())] {
            if message.contains(&format!("{flag} <")) && !words.iter().any(|word| word == flag) {
                words.extend([flag.to_owned(), value]);
            }
        }
        let shown = words.join(" ");
        if let Some((_, at_work)) = ENDLESS.iter().find(|(endless, _)| shown.starts_with(endless)) {
            until_at_work(&words, at_work, folder);
            continue;
        }
        let output = program().args(&words).current_dir(folder).output().expect("runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        let incomplete =
            ["required arguments were not provided", "a value is required", "requires a subcommand", "[subcommands:"];
        if incomplete.iter().any(|words| said.contains(words))
            || command.contains('…')
            || said.contains("unrecognized subcommand")
        {
            mentions += 1;
            continue;
        }
        let nothing = NOTHING_TO_DO.iter().any(|(start, words)| shown.starts_with(start) && said.contains(words));
        // Where something disagrees `reconcile` says so with 2; where there is something to do, `plan --detailed-exitcode`.
        let by_code = name == "reconcile" || shown.contains("--detailed-exitcode");
        let disagrees = by_code && output.status.code() == Some(2) && !said.contains("Usage");
        if !(output.status.success() || nothing || disagrees) || said.is_empty() {
            wrong.push(format!("{shown}\n{said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(done.len() - mentions >= 45, "only {} commands were carried out", done.len() - mentions);
    for made in ["man/namely-okta-sync-holds-approve.1", "backup.db", "saved.plan", "merger.plan"] {
        assert!(folder.join(made).exists(), "{made} was not made");
    }
    for (made, files) in [("folder-reconcile", 3), ("folder-evidence", 5)] {
        assert!(std::fs::read_dir(folder.join(made)).is_ok_and(|all| all.count() >= files), "{made}");
    }
    let _again = Running::service(&workspace.config, &workspace.log, None);
    wait_until("the copy is taken up", &workspace.log, || workspace.log().matches("Okta is primed").count() == 2);
}

/// Runs it until it says that it is at work, then stops it.
fn until_at_work(words: &[String], at_work: &str, folder: &Path) {
    let said = folder.join("said");
    let out = std::fs::File::create(&said).expect("a file");
    let mut command: Command = program();
    command.args(words).current_dir(folder).stdout(Stdio::from(out.try_clone().expect("a file"))).stderr(out);
    let _running = Running(command.spawn().expect("runs"));
    wait_until(&format!("{words:?} is at work"), &said, || {
        std::fs::read_to_string(&said).is_ok_and(|text| text.contains(at_work))
    });
}
