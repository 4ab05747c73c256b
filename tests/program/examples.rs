//! Each example configuration is checked, and somebody joins and leaves with it.

use crate::common::documents::root;
use crate::common::postgres::Postgres;
use crate::common::program::program;
use crate::common::quick::{quick_namely, quick_okta};
use crate::common::running::Running;
use crate::common::wait::wait_until;
use namely_okta_sync::clock::Clock;
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::{Hr, Person, Status as Hired};
use namely_okta_sync::sandbox::scenario::Scenario;
use namely_okta_sync::sandbox::world::{World, today};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A running service with an example for its configuration.
struct Example {
    world: World,
    second: World,
    _folder: tempfile::TempDir,
    config: PathBuf,
    log: PathBuf,
    _service: Running,
}

fn world(people: usize, seed: u64) -> World {
    let clock = Clock::system();
    let scenario = Scenario::make("day", people, seed, today(clock.now())).expect("a scenario");
    World::start(&scenario, quick_namely(), quick_okta(), clock).expect("ports")
}

/// The example with the addresses of simulators, and without patience.
fn here(text: &str, world: &World, second: &World, folder: &str) -> String {
    let mut in_namely = false;
    let lines = text.lines().map(|line| {
        in_namely = line == "[[namely]]" || (in_namely && !line.is_empty());
        let first = matches!(line, "[service]").then_some("[service]\nlisten = \"127.0.0.1:0\"");
        first.unwrap_or(line).to_owned()
    });
    let poll = "[namely.poll]\nper_minute = 100000\nhot_interval = \"200ms\"\nwalk_interval = \"400ms\"\n";
    let text = lines.collect::<Vec<_>>().join("\n") + "\n";
    let mut parts = text.split("[[namely]]\n").map(str::to_owned);
    let begin = parts.next().unwrap_or_default();
    let tenants = parts.map(|part| format!("[[namely]]\n{}", part.replacen("\n\n", &format!("\n{poll}\n"), 1)));
    (begin + &tenants.collect::<String>())
        .replace("https://acme.namely.com", &world.namely.url())
        .replace("https://globex.namely.com", &second.namely.url())
        .replace("https://acme.okta.com", &world.okta.url())
        .replace("env:GLOBEX_NAMELY_TOKEN", "env:NAMELY_TOKEN")
        .replace("\"var/", &format!("\"{folder}/"))
}

impl Example {
    /// Checks the example, starts the service and accepts first contact.
    fn start(name: &str) -> Self {
        Self::start_with(name, |text, _| text)
    }

    /// The same, with what else differs here, in a folder.
    fn start_with(name: &str, change: impl FnOnce(String, &Path) -> String) -> Self {
        let (world, second) = (world(12, 1), world(4, 2));
        let folder = tempfile::tempdir().expect("a folder");
        let examples = root().join("config/examples");
        for table in ["zones.csv", "departments.csv"] {
            std::fs::copy(examples.join(table), folder.path().join(table)).expect("copies");
        }
        let text = std::fs::read_to_string(examples.join(name)).expect("reads");
        let text = here(&text, &world, &second, &folder.path().display().to_string());
        let text = change(text, folder.path());
        let (config, log) = (folder.path().join(name), folder.path().join("log"));
        std::fs::write(&config, text).expect("writes");
        let output = program().args(["check", "--config"]).arg(&config).output().expect("runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        let service = Running::service(&config, &log, None);
        let example = Self { world, second, _folder: folder, config, log, _service: service };
        example.accept();
        example
    }

    fn cli(&self, args: &[&str]) -> String {
        let output = program().args(args).arg("--config").arg(&self.config).output().expect("runs");
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    }

    fn accept(&self) {
        wait_until("first contact can be accepted", &self.log, || {
            let shown = self.cli(&["adopt"]);
            let Some(accept) = shown.split("adopt --accept ").nth(1) else { return false };
            let words: Vec<&str> = accept.split_whitespace().collect();
            self.cli(&["adopt", "--accept", words[0], "--code", words[2], "--by", "Ann"]).contains("accepted by Ann")
        });
    }

    fn joins(&self, change: impl FnOnce(&mut Person)) -> Person {
        let now = self.world.clock.now();
        let mut joiner = Hr::new(43, today(now)).joiner(1);
        joiner.email = "joiner43@example.com".into();
        change(&mut joiner);
        self.world.namely.core().hire(joiner.clone(), now);
        joiner
    }

    /// Waits for the account of somebody in a status.
    fn until(&self, person: &Person, status: Status) {
        wait_until(&format!("{} is {status:?}", person.email), &self.log, || {
            self.world.okta.core().user_by_anchor(&person.id).is_some_and(|user| user.status == status)
        });
    }

    fn joins_and_is_invited(&self, change: impl FnOnce(&mut Person)) -> (String, BTreeSet<String>) {
        let joiner = self.joins(change);
        self.until(&joiner, Status::Provisioned);
        let okta = self.world.okta.core();
        let user = okta.user_by_anchor(&joiner.id).expect("an account");
        let groups = okta.groups_of(&user.id);
        (user.profile["login"].as_str().unwrap_or_default().to_owned(), groups)
    }

    fn leaves(&self) -> Person {
        let leaver = self.world.namely.core().person(3).clone();
        self.world.namely.core().edit(3, self.world.clock.now(), |person| person.status = Hired::Inactive);
        leaver
    }
}

#[test]
fn with_one_company_and_one_org_a_joiner_is_made_in_their_groups_and_a_leaver_is_closed() {
    let example = Example::start("one-company.toml");
    let (_, groups) = example.joins_and_is_invited(|person| person.department = 1);
    assert!(groups.contains("All Employees") && groups.contains("Department Sales"), "{groups:?}");
    let leaver = example.leaves();
    example.until(&leaver, Status::Deprovisioned);
}

#[test]
fn contractors_get_a_login_and_groups_of_their_own_and_not_those_of_employees() {
    let example = Example::start("contractors.toml");
    let (login, groups) = example.joins_and_is_invited(|person| {
        (person.employee_type, person.department) = ("Contractor", 1);
        (person.first_name, person.last_name, person.preferred_name) = ("Ada".into(), "Byron".into(), String::new());
    });
    assert_eq!(login, "ada.byron.ext@acme.com");
    assert!(groups.contains("All Contractors") && groups.contains("Contractors Sales"), "{groups:?}");
    assert!(!groups.contains("All Employees") && !groups.contains("Department Sales"), "{groups:?}");
    let leaver = example.leaves();
    example.until(&leaver, Status::Deprovisioned);
}

#[test]
fn abroad_a_name_becomes_a_login_that_everybody_can_type_and_an_office_a_group() {
    let example = Example::start("international.toml");
    let (login, groups) = example.joins_and_is_invited(|person| {
        person.office = 2;
        (person.first_name, person.last_name, person.preferred_name) = ("Jürgen".into(), "Groß".into(), String::new());
    });
    assert_eq!(login, "juergen.gross@acme.com");
    assert!(groups.contains("Office Berlin"), "{groups:?}");
    let leaver = example.leaves();
    example.until(&leaver, Status::Deprovisioned);
}

#[test]
fn in_a_merger_a_joiner_of_either_company_is_made_in_the_one_org_and_a_leaver_is_closed() {
    let example = Example::start("merger.toml");
    example.joins_and_is_invited(|_| ());
    let now = example.world.clock.now();
    let mut other = Hr::new(44, today(now)).joiner(0);
    other.email = "joiner44@globex.example.com".into();
    example.second.namely.core().hire(other.clone(), now);
    example.until(&other, Status::Provisioned);
    let leaver = example.leaves();
    example.until(&leaver, Status::Deprovisioned);
}

#[test]
fn without_deletes_a_leaver_is_suspended_and_keeps_what_was_given_by_hand() {
    let example = Example::start("no-deletes.toml");
    example.joins_and_is_invited(|_| ());
    let leaver = example.leaves();
    example.until(&leaver, Status::Suspended);
    let okta = example.world.okta.core();
    let user = okta.user_by_anchor(&leaver.id).expect("an account");
    assert!(okta.groups_of(&user.id).contains("All Employees"), "not a group of the mapping");
}

#[test]
fn who_only_observes_sees_what_would_be_done_and_nothing_is_written() {
    let example = Example::start("observe.toml");
    let joiner = example.joins(|_| ());
    let leaver = example.leaves();
    wait_until("both are in the audit", &example.log, || {
        [&joiner, &leaver].iter().all(|person| example.cli(&["timeline", &person.email]).contains("not done: "))
    });
    let okta = example.world.okta.core();
    assert!(okta.user_by_anchor(&joiner.id).is_none());
    assert!(okta.user_by_anchor(&leaver.id).is_some_and(|user| user.status == Status::Active));
    let writes = okta.history().exchanges().iter().filter(|e| !["GET", "HEAD"].contains(&e.method.as_str())).count();
    assert_eq!(writes, 0);
}

#[test]
fn on_one_of_several_nodes_a_joiner_is_made_and_a_leaver_is_closed_and_the_node_says_that_it_serves() {
    let Some(server) = Postgres::start() else { return };
    let url = server.url();
    let example = Example::start_with("several-nodes.toml", |text, folder| {
        let key = folder.join("audit-key.pem");
        let pem = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key").serialize_pem();
        std::fs::write(&key, pem).expect("writes");
        text.replace("env:STORE", &url).replace("env:AUDIT_KEY", &format!("file:{}", key.display()))
    });
    example.joins_and_is_invited(|_| ());
    let leaver = example.leaves();
    example.until(&leaver, Status::Deprovisioned);
    let output = example.cli(&["nodes"]);
    assert!(output.contains("serves since") && !output.contains("stands by"), "{output}");
}

#[test]
fn every_example_is_one_of_these() {
    let tests = include_str!("examples.rs");
    for entry in std::fs::read_dir(root().join("config/examples")).expect("lists") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        let is_tested = !name.ends_with(".toml")
            || ["", "_with"].iter().any(|with| tests.contains(&format!("Example::start{with}(\"{name}\"")));
        assert!(is_tested, "nobody joins with {name}");
    }
}
