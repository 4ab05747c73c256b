//! What people see of the mapping before it is live: one person explained, everybody compared, who is ready for Monday.

use crate::common::config::config_file;
use crate::common::program::program;
use crate::common::rig::{Rig, Setup, on_a_system};
use namely_okta_sync::sandbox::population::{Hr, Status as Hired};
use namely_okta_sync::sandbox::world::today;
use serde_json::{Value, json};

fn command(rig: &Rig, arguments: &[&str]) -> (bool, String) {
    let config = config_file(&rig.world, rig.folder.path());
    let output = program().args(arguments).arg("--config").arg(config).output().expect("runs");
    let said = String::from_utf8(output.stdout).expect("text") + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said)
}

fn document(rig: &Rig, arguments: &[&str]) -> Value {
    let (_, said) = command(rig, arguments);
    serde_json::from_str(&said).unwrap_or_else(|e| panic!("{arguments:?}: not one JSON document ({e}): {said}"))
}

#[test]
fn one_person_is_explained_with_every_rule_and_input_or_why_not() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(12)).await;
        let person = rig.setup.people[3].clone();
        let (ok, said) = command(&rig, &["mapping", "test", &person.email]);
        assert!(ok, "{said}");
        for word in [person.department(), "employee.job_title", "job_tier = ", "Department ", "its condition is false"]
        {
            assert!(said.contains(word), "{word} is missing in {said}");
        }
        assert!(!said.contains('\u{1b}'), "no colours where there is no terminal");
        let message = &document(&rig, &["mapping", "test", &person.id, "--json"])[0];
        let title =
            message["mapping"]["attributes"].as_array().expect("a list").iter().find(|a| a["attribute"] == "title");
        assert_eq!(title.map(|t| t["inputs"]["job_title"].clone()), Some(json!(person.title())));
        let (ok, said) = command(&rig, &["mapping", "test", "nobody@example.com"]);
        assert!(!ok && said.contains("nobody is called"), "{said}");
    });
}

#[test]
fn a_changed_mapping_is_compared_for_everybody_before_it_is_live() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(40)).await;
        let text = std::fs::read_to_string(config_file(&rig.world, rig.folder.path())).expect("reads");
        let text = text.replace("[leave]", "[mapping.attributes]\ntitle = \"employee.job_title + ' (' + employee.department + ')'\"\nnickName = \"employee.departments[1]\"\n\n[leave]");
        let text = text.replace("groups = [\"All Employees\"]", "groups = [\"Everybody\"]");
        let new = rig.folder.path().join("new.toml");
        std::fs::write(&new, &text).expect("writes");
        let new = new.display().to_string();
        // The second department that the new mapping asks for exists for nobody.
        let message = document(&rig, &["mapping", "diff", &new, "--json"]);
        assert_eq!((message["people"].clone(), message["changed"].clone()), (json!(40), json!(40)));
        let (why, failure) = message["broken"].as_object().and_then(|b| b.iter().next()).expect("a failure");
        assert!(why.contains("attribute nickName") && failure["people"] == json!(40), "{message:#}");
        std::fs::write(&new, text.replace("nickName = \"employee.departments[1]\"\n", "")).expect("writes");
        let message = document(&rig, &["mapping", "diff", &new, "--json"]);
        assert_eq!(message["attributes"]["title"]["people"], json!(40), "{message:#}");
        // Nothing takes what no rule governs any more, and nobody is put into a group that is not there.
        assert_eq!(message["groups"], json!({}), "{message:#}");
        let (why, waits) = message["waits"].as_object().and_then(|w| w.iter().next()).expect("they wait");
        assert!(why.contains("there is no group \"Everybody\"") && waits["people"] == json!(40), "{message:#}");
        let (ok, said) = command(&rig, &["mapping", "diff", &new]);
        assert!(ok && said.contains("40 of 40 people would change") && said.contains("for example"), "{said}");
        assert_eq!(rig.effects(), Vec::<String>::new(), "nothing is written");
    });
}

#[test]
fn hr_sees_who_is_ready_for_the_first_day_and_what_blocks_the_others() {
    on_a_system(async {
        let mut setup = Setup::of(6);
        setup.clock = namely_okta_sync::clock::Clock::system();
        setup.people = namely_okta_sync::sandbox::world::population(6, 1, setup.clock.now());
        let rig = Rig::settled(setup).await;
        let in_days =
            |days: i64| today(rig.world.clock.now()).checked_add(jiff::Span::new().days(days)).expect("a date");
        let hire = |seed: u64, days: i64, name: &str| {
            let mut person = Hr::new(seed, today(rig.world.clock.now())).joiner(1);
            (person.status, person.start_date) = (Hired::Pending, in_days(days));
            (person.first_name, person.email) = (name.into(), format!("starter{seed}@example.com"));
            rig.hire(person.clone());
            person
        };
        let (soon, later) = (hire(7, 3, "Soon"), hire(8, 12, "Later"));
        let mut blocked = hire(9, 3, "Blocked");
        blocked.email = String::new();
        let index = rig.world.namely.core().people().count() - 1;
        rig.edit(index, |p| p.email = String::new());
        rig.until_okta("one is staged", |okta| okta.user_by_anchor(&soon.id).is_some()).await;
        rig.until("one is blocked", async |rig| rig.quarantined().await.iter().any(|(p, _)| *p == blocked.id)).await;
        rig.quiet().await;
        let message = document(&rig, &["starters", "--days", "14", "--json"]);
        let state = |name: &str| {
            let starter = message["starters"]
                .as_array()
                .expect("a list")
                .iter()
                .find(|s| s["name"].as_str().is_some_and(|n| n.starts_with(name)));
            starter.map(|s| (s["state"].clone(), s["note"].as_str().unwrap_or_default().to_owned())).expect(name)
        };
        assert_eq!(state("Soon").0, "staged", "{message:#}");
        assert_eq!(state("Later").0, "later", "{message:#}");
        let (word, why) = state("Blocked");
        assert!(word == "blocked" && why.contains("login is empty"), "{why}");
        let (ok, said) = command(&rig, &["starters"]);
        assert!(!ok && said.contains("1 of them blocked") && said.contains(&later.last_name), "{said}");
    });
}
