//! Nights of whoever is on call, from the first word to the last, by the command line alone; and what it prints is so.

use crate::common::running::Running;
use crate::common::store::dirty;
use crate::common::wait::wait_until;
use crate::common::workspace::Workspace;
use namely_okta_sync::clock::Moment;
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::{Person, Status as Hired};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// A service that runs, and somebody at the command line.
pub struct Night {
    workspace: Workspace,
    service: Running,
}

impl Night {
    /// A service on a configuration that was written over, with everybody compared.
    pub fn begin(people: usize, rewrite: impl FnOnce(String) -> String, prepare: impl FnOnce(&Workspace)) -> Self {
        let workspace = Workspace::new(people).with_a_port();
        prepare(&workspace);
        let text = std::fs::read_to_string(&workspace.config).expect("reads");
        std::fs::write(&workspace.config, rewrite(text)).expect("writes");
        let service = workspace.settled();
        Self { workspace, service }
    }

    /// The exit code of a command, and what it said. `token` says who asks.
    fn cli_as(&self, token: Option<&str>, args: &[&str]) -> (i32, String) {
        let mut command = crate::common::program::program();
        command.args(args).arg("--config").arg(&self.workspace.config);
        if let Some(token) = token {
            command.env("NAMELY_OKTA_SYNC_TOKEN", token);
        }
        let output = command.output().expect("runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(&output.stdout) + &text(&output.stderr))
    }

    pub fn cli(&self, args: &[&str]) -> (i32, String) {
        self.cli_as(None, args)
    }

    /// What a command said that has to go well.
    pub fn ok(&self, args: &[&str]) -> String {
        let (ok, said) = self.workspace.cli(args);
        assert!(ok, "{args:?}: {said}");
        said
    }

    pub fn json(&self, args: &[&str]) -> Value {
        let (_, said) = self.cli(&[args, &["--json"]].concat());
        serde_json::from_str(&said).unwrap_or_else(|e| panic!("{args:?}: {e}: {said}"))
    }

    pub fn until(&self, what: &str, holds: impl FnMut() -> bool) {
        wait_until(what, &self.workspace.log, holds);
    }

    pub fn people(&self) -> Vec<Person> {
        self.workspace.world.namely.core().people().cloned().collect()
    }

    /// Indices of people who work here and are nobody's manager.
    pub fn workers(&self) -> Vec<usize> {
        let people = self.people();
        let manages = |n: usize| people.iter().any(|person| person.manager == Some(n));
        (0..people.len())
            .filter(|n| people[*n].status == Hired::Active && !people[*n].on_leave && !manages(*n))
            .collect()
    }

    /// HR hires somebody.
    pub fn hire(&self, person: Person) {
        self.workspace.world.namely.core().hire(person, self.workspace.world.clock.now());
    }

    /// Where the store and the configuration are.
    pub fn folder(&self) -> &Path {
        self.workspace.folder.path()
    }

    /// Now, as the service counts time.
    pub fn now(&self) -> Moment {
        self.workspace.world.clock.now()
    }

    /// HR edits people, in one go.
    pub fn edit(&self, who: &[usize], mut edit: impl FnMut(&mut Person)) {
        let now = self.workspace.world.clock.now();
        let mut namely = self.workspace.world.namely.core();
        who.iter().for_each(|n| namely.edit(*n, now, &mut edit));
    }

    pub fn leave(&self, who: &[usize]) {
        self.edit(who, |person| person.status = Hired::Inactive);
    }

    /// What Okta holds of somebody.
    fn status(&self, n: usize) -> Status {
        let anchor = self.workspace.world.namely.core().person(n).id.clone();
        let mut okta = self.workspace.world.okta.core();
        okta.settle(self.workspace.world.clock.now());
        okta.user_by_anchor(&anchor).expect("an account").status
    }

    /// Whether somebody has an account by this login.
    pub fn has_account(&self, login: &str) -> bool {
        let okta = self.workspace.world.okta.core();
        okta.users().any(|user| user.profile["login"] == login)
    }

    pub fn ended(&self, who: &[usize]) -> usize {
        who.iter().filter(|n| self.status(**n) == Status::Deprovisioned).count()
    }

    /// Stops the service as `systemctl stop` does.
    pub fn stop(&mut self) {
        signal(&self.service, "-TERM");
        let Night { workspace, service } = self;
        wait_until("it has stopped", &workspace.log, || service.has_ended());
    }

    /// Starts it again.
    pub fn start(&mut self) {
        self.service = Running::service(&self.workspace.config, &self.workspace.log, None);
    }

    pub fn settle(&self) {
        self.settle_but(0);
    }

    /// Waits until nothing is left to do, but for so many who wait for a person.
    pub fn settle_but(&self, quarantined: i64) {
        self.until("nothing is left to do", || dirty(&self.workspace.store()) == Some((0, quarantined)));
    }

    /// Id and code of the only hold that waits, once it is about so many people.
    pub fn hold_of(&self, people: i64) -> (String, String) {
        let mut found = None;
        self.until(&format!("{people} people are held"), || {
            let holds = self.json(&["holds", "list"]);
            let hold = holds.as_array().and_then(|all| all.iter().find(|one| one["people"] == people)).cloned();
            found = hold.map(|hold| (hold["id"].to_string(), hold["code"].as_str().unwrap_or_default().to_owned()));
            found.is_some()
        });
        found.expect("a hold")
    }

    /// Exchanges the configuration as `systemctl reload` does, and waits until that is written down.
    fn reload(&self, text: &str) {
        let before = self.workspace.count("audit");
        std::fs::write(&self.workspace.config, text).expect("writes");
        signal(&self.service, "-HUP");
        let exchanged = format!("SELECT count(*) FROM audit WHERE kind = 'reconfigured' AND seq > {before}");
        self.until("the configuration is exchanged", || self.workspace.counted(&exchanged) > 0);
    }
}

fn signal(service: &Running, which: &str) {
    assert!(Command::new("kill").args([which, &service.0.id().to_string()]).status().expect("kill").success());
}

/// With the limits of a real tenant.
pub fn usual_limits(text: String) -> String {
    let end = text.find("# Scenarios change most").expect("the raised limits");
    text[..end].to_owned()
}

fn config(night: &Night) -> String {
    std::fs::read_to_string(&night.workspace.config).expect("reads")
}

#[test]
fn a_mass_termination_is_held_approved_in_part_rejected_for_the_rest_and_taken_back_for_one() {
    let night = Night::begin(40, usual_limits, |_| {});
    let who: Vec<usize> = night.workers().into_iter().take(14).collect();
    let emails: Vec<String> = who.iter().map(|n| night.people()[*n].email.clone()).collect();
    night.leave(&who);
    let (id, code) = night.hold_of(14);
    assert_eq!(night.ended(&who), 0, "held before the first call");
    let (exit, said) = night.cli(&["status"]);
    assert!(exit == 1 && said.contains("14 held") && said.contains(&format!("holds show {id}")), "{said}");
    let shown = night.ok(&["holds", "show", &id]);
    assert!(shown.contains("at most 10 an hour") && shown.contains(&code), "{shown}");
    assert!(emails.iter().all(|email| shown.to_lowercase().contains(&email.to_lowercase())), "{shown}");

    // Four of them have left, as their manager says.
    let mut part = vec!["holds", "approve", &id, &code, "--by", "ann"];
    emails[..4].iter().for_each(|email| part.extend(["--person", email]));
    let said = night.ok(&part);
    assert!(said.contains("approved for 4 of 14 people by ann"), "{said}");
    night.until("these four are out", || night.ended(&who[..4]) == 4);
    let (id, rest) = night.hold_of(10);
    let (exit, said) = night.cli(&["holds", "reject", &id, &code, "--by", "ann"]);
    assert!(exit != 0 && rest != code, "the code of what is not so any more decides nothing: {said}");

    // The others have not: a mistake of an import.
    night.ok(&["holds", "reject", &id, &rest, "--by", "ann"]);
    night.until("nothing waits any more", || night.json(&["holds", "list"]).as_array().is_some_and(Vec::is_empty));
    night.settle();
    assert_eq!((night.ended(&who[..4]), night.ended(&who[4..])), (4, 0));
    for (args, story) in [
        (&["status"][..], "10 people who have left have access"),
        (&["plan"], "by decision, 10 people"),
        (&["holds", "list"], "10 people are as somebody has decided by a rejection"),
        (&["reconcile"], "10 by decision"),
    ] {
        let (_, said) = night.cli(args);
        assert!(said.contains(story), "one story everywhere, {args:?}: {said}");
    }

    // One of them has left after all.
    let all = night.json(&["holds", "list", "--all"]);
    let rejected = all.as_array().and_then(|all| all.iter().find(|hold| hold["verdict"] == "rejected")).cloned();
    let rejected = rejected.unwrap_or_else(|| panic!("a rejected hold in {all}"));
    let (id, code) = (rejected["id"].to_string(), rejected["code"].as_str().unwrap_or_default().to_owned());
    let shown = night.ok(&["holds", "show", &id]);
    assert!(shown.contains(&format!("holds reverse {id} {code}")), "the command that takes it back is shown: {shown}");
    night.ok(&["holds", "reverse", &id, &code, "--person", &emails[9], "--by", "ben"]);
    night.until("they are out: the limits have room for one more", || night.ended(&who[9..10]) == 1);
    night.settle();
    assert_eq!(night.ended(&who), 5, "and nobody else");
    let (_, said) = night.cli(&["status"]);
    assert!(said.contains("9 people who have left have access") && said.contains("by decision of ann"), "{said}");
    let pack = night.folder().join("pack").display().to_string();
    let (_, said) = night.cli(&["evidence", "--from", "1d", "-o", &pack]);
    assert!(said.contains("14 leavers") && said.contains("5 revoked and proved"), "{said}");
}

#[test]
fn a_mistake_in_the_mapping_is_found_undone_and_proved_to_be_gone() {
    let night = Night::begin(30, usual_limits, |_| {});
    let good = config(&night);
    let groups = |night: &Night| {
        let okta = night.workspace.world.okta.core();
        let wrong = |user: &str| okta.groups_of(user).iter().filter(|group| group.starts_with("Departement ")).count();
        okta.users().map(|user| wrong(&user.id)).sum::<usize>()
    };
    let mistaken = good.replace("'Department ' + d", "'Departement ' + d").replace("\"Department *\"", "\"Depart*\"");
    assert_ne!(good, mistaken);
    // It is seen before it is loaded.
    let draft = night.folder().join("draft.toml");
    std::fs::write(&draft, &mistaken).expect("writes");
    let said = night.ok(&["mapping", "diff", &draft.display().to_string()]);
    assert!(said.contains("Departement "), "{said}");
    // It was loaded all the same: with limits that let it through.
    let loose = good.clone()
        + "\n[[safeguards.limits]]\nchange = \"remove_group\"\npeople = 1000\n\
                 [[safeguards.limits]]\nchange = \"add_group\"\npeople = 1000\n";
    night.reload(&loose);
    let start = night.now().to_string();
    night.reload(&loose.replace("'Department ' + d", "'Departement ' + d").replace("\"Department *\"", "\"Depart*\""));
    night.until("people are in wrong groups", || groups(&night) > 10);
    night.settle();
    let person = night.people()[night.workers()[0]].email.clone();
    let said = night.ok(&["timeline", &person]);
    assert!(said.contains("into group \"Departement "), "{said}");
    // The good one is loaded again. What was given by the other one, and is governed by no rule now, is known.
    night.reload(&loose);
    night.settle();
    let (_, said) = night.cli(&["undo", "--from", &start]);
    assert!(said.contains("Departement ") && said.contains("--apply "), "{said}");
    let code =
        said.split("--apply ").nth(1).and_then(|rest| rest.split_whitespace().next()).expect("a code").to_owned();
    let preview = night.json(&["undo", "--from", &start]);
    assert_eq!(preview["code"], code.as_str(), "what is shown is what is done");
    night.ok(&["undo", "--from", &start, "--apply", &code, "--by", "ann"]);
    night.until("nobody is in a wrong group", || groups(&night) == 0);
    night.settle();
    let said = night.ok(&["plan", "--everybody"]);
    assert!(said.contains("nothing to do"), "{said}");
    let (_, said) = night.cli(&["undo", "--from", &start, "--person", &person]);
    assert!(!said.contains("into group \"Departement "), "{said}");
}

#[test]
fn tokens_are_rotated_under_load_and_nobody_is_lost() {
    let to_files = |text: String| {
        text.replace("env:NAMELY_TOKEN", "file:namely-token").replace("env:OKTA_TOKEN", "file:okta-token")
    };
    let write = |folder: &Path, n: usize| {
        let tokens = [("sandbox-namely-token", "00sandbox-token"), ("rotated-namely-token", "00rotated-okta-token")][n];
        std::fs::write(folder.join("namely-token"), tokens.0).expect("writes");
        std::fs::write(folder.join("okta-token"), tokens.1).expect("writes");
    };
    let night = Night::begin(40, to_files, |workspace| write(workspace.folder.path(), 0));
    let who = night.workers();
    let mut number = 0;
    let mut edit = |night: &Night| {
        number += 1;
        night.edit(&who, |person| person.direct_dial = format!("+1 555 {number}"));
    };
    edit(&night);
    night.workspace.world.namely.core().options.token = "rotated-namely-token".into();
    night.workspace.world.okta.core().options.token = "00rotated-okta-token".into();
    night.leave(&who[..1]);
    edit(&night);
    write(night.folder(), 1);
    signal(&night.service, "-HUP");
    night.until("the leaver is out by the new tokens", || night.ended(&who[..1]) == 1);
    night.settle();
    let okta = |n: usize| {
        let anchor = night.workspace.world.namely.core().person(n).id.clone();
        night
            .workspace
            .world
            .okta
            .core()
            .user_by_anchor(&anchor)
            .and_then(|user| user.profile.get("primaryPhone").cloned())
    };
    night.until("everybody has the last number", || {
        who[1..].iter().all(|n| okta(*n) == Some(format!("+1 555 {number}").into()))
    });
    night.until("status says so", || night.cli(&["status"]).0 == 0);
    let said = night.ok(&["audit", "list", "--kind", "reconfigured"]);
    assert!(said.contains("okta[sandbox].token (contents)") && !said.contains("rotated-okta-token"), "{said}");
}

#[test]
fn with_a_broken_file_the_kill_switch_works_and_everything_goes_on_afterwards() {
    let night = Night::begin(12, |text| text, |_| {});
    let good = config(&night);
    std::fs::write(&night.workspace.config, good.clone() + "\n[mappings]\nnonsense = 1\n").expect("writes");
    signal(&night.service, "-HUP");
    night.until("the reload is refused", || night.workspace.log().contains("mappings"));
    let url = format!("http://{}/readyz", night.workspace.address());
    let ready: Value = reqwest::blocking::get(url).expect("answers").json().expect("JSON");
    assert!(ready["notices"].to_string().contains("refused") && ready["mode"] == "auto", "{ready}");
    let said = night.ok(&["pause", "--why", "what is going on?", "--by", "ann"]);
    assert!(said.contains("pause 1"), "{said}");
    let who = night.workers();
    let before = night.workspace.world.okta.core().history().exchanges().iter().filter(|e| e.applied).count();
    night.leave(&who[..1]);
    night.until("they wait", || dirty(&night.workspace.store()).is_some_and(|(waiting, _)| waiting == 1));
    let written = || night.workspace.world.okta.core().history().exchanges().iter().filter(|e| e.applied).count();
    assert_eq!(written(), before, "nothing is written under a pause");
    std::fs::write(&night.workspace.config, &good).expect("writes");
    let (exit, said) = night.cli(&["status"]);
    assert!(exit == 1 && said.contains("paused by ann: what is going on?") && said.contains("resume"), "{said}");
    night.ok(&["resume", "--by", "ann"]);
    night.until("they are out", || night.ended(&who[..1]) == 1);
    night.settle();
}

#[test]
fn a_store_is_restored_with_the_unit_stopped_and_what_was_done_since_is_seen_and_what_was_decided_is_named() {
    let mut night = Night::begin(12, |text| text, |_| {});
    let who = night.workers();
    let email = |n: usize| night.people()[n].email.clone();
    let (left, ended) = (email(who[0]), email(who[1]));
    let copy = night.folder().join("copy.db").display().to_string();
    night.ok(&["backup", "-o", &copy]);
    night.leave(&who[..1]);
    night.until("somebody has left since", || night.ended(&who[..1]) == 1);
    night.ok(&["end-access", &ended, "--why", "a stolen laptop", "--by", "ann"]);
    night.until("somebody's access was ended since", || night.ended(&who[1..2]) == 1);
    night.settle();
    let (exit, said) = night.cli(&["restore", &copy]);
    assert!(exit != 0 && said.contains("stop"), "not under a service that runs: {said}");
    signal(&night.service, "-TERM");
    let Night { workspace, service } = &mut night;
    wait_until("it has stopped", &workspace.log, || service.has_ended());
    let said = night.ok(&["restore", &copy]);
    assert!(said.contains("is the copy now") && said.contains(&ended), "what ann has decided is named: {said}");
    night.ok(&["end-access", &ended, "--why", "a stolen laptop", "--by", "ann"]);
    let before = night.workspace.world.okta.core().history().exchanges().len();
    night.service = night.workspace.settled();
    // The store knows less than Okta holds: both sides are read, and what was done since is seen.
    night.until("it is seen that somebody has left", || night.ok(&["timeline", &left]).contains("inactive"));
    night.settle();
    assert_eq!(night.ended(&who[..2]), 2, "nobody is let in again");
    let okta = night.workspace.world.okta.core();
    let again =
        okta.history().exchanges()[before..].iter().filter(|e| e.applied && e.path.ends_with("/activate")).count();
    drop(okta);
    assert_eq!(again, 0);
}

#[test]
fn an_administrator_who_leaves_is_out_at_once_and_two_people_complete_it() {
    const ANN: &str = "anns-token-0123456789abcdef01234567";
    const BEN: &str = "bens-token-0123456789abcdef01234567";
    let tokens = |text: String| {
        let token = |name: &str| {
            format!("\n[[admin.tokens]]\nname = \"{name}\"\nrole = \"approver\"\ntoken = \"file:{name}-token\"\n")
        };
        text + &token("ann") + &token("ben")
    };
    let mut leaver = 0;
    let night = Night::begin(20, tokens, |workspace| {
        let people: Vec<Person> = workspace.world.namely.core().people().cloned().collect();
        let manages = |n: usize| people.iter().any(|person| person.manager == Some(n));
        let workers: Vec<usize> =
            (0..people.len()).filter(|n| people[*n].status == Hired::Active && !manages(*n)).collect();
        leaver = workers[3];
        for n in &workers[..4] {
            workspace.world.okta.core().seed_administrator(&people[*n].id);
        }
        for (name, token) in [("ann", ANN), ("ben", BEN)] {
            std::fs::write(workspace.folder.path().join(format!("{name}-token")), token).expect("writes");
        }
    });
    night.leave(&[leaver]);
    night.until("they are suspended at once", || night.status(leaver) == Status::Suspended);
    let ask = |token: &str, args: &[&str]| {
        let (code, said) = night.cli_as(Some(token), args);
        assert_eq!(code, 0, "{args:?}: {said}");
        said
    };
    let (_, said) = night.cli(&["holds", "approve", "1", "x", "--by", "ann"]);
    assert!(said.contains("NAMELY_OKTA_SYNC_TOKEN"), "a name is nobody's vote: {said}");
    let mut hold = Value::Null;
    night.until("it waits for two people", || {
        let holds: Value = serde_json::from_str(&ask(ANN, &["holds", "list", "--json"])).expect("JSON");
        hold = holds.as_array().into_iter().flatten().find(|hold| hold["needs"] == 2).cloned().unwrap_or_default();
        hold.is_object()
    });
    let (id, code) = (hold["id"].to_string(), hold["code"].as_str().expect("a code").to_owned());
    let (exit, said) = night.cli_as(Some(ANN), &["status"]);
    assert!(exit == 1 && said.contains(&format!("holds show {id}")), "{said}");
    let said = ask(ANN, &["holds", "approve", &id, &code]);
    assert!(said.contains("1 more must approve"), "{said}");
    let again = night.cli_as(Some(ANN), &["holds", "approve", &id, &code]);
    assert_eq!(night.status(leaver), Status::Suspended, "one person has one vote: {again:?}");
    ask(BEN, &["holds", "approve", &id, &code]);
    night.until("they are out for good", || night.ended(&[leaver]) == 1);
    night.settle();
    let email = night.people()[leaver].email.clone();
    let said = ask(ANN, &["timeline", &email]);
    assert!(said.contains("ann") && said.contains("ben") && said.contains("suspended"), "{said}");
}
