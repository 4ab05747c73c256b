//! `check` looks at the whole org, whatever its size.

use crate::common::config::config_file;
use crate::common::program::program;
use crate::common::rig::{Rig, Setup, on_a_system};
use serde_json::Value;
use std::fs;

#[test]
fn what_stands_on_the_second_page_of_a_large_org_is_found_and_a_name_that_two_apps_have_is_named() {
    on_a_system(async {
        let rig = Rig::new(Setup::of(5));
        {
            let mut okta = rig.world.okta.core();
            for n in 0..250 {
                okta.seed_group(&format!("Zone {n:03}"), "OKTA_GROUP", rig.world.clock.now());
                okta.seed_app(&format!("App {n:03}"), &[], rig.world.clock.now());
            }
            for _ in 0..2 {
                okta.seed_app("Twin", &[], rig.world.clock.now());
            }
        }
        let config = config_file(&rig.world, rig.folder.path());
        let apps = ["App 249", "Twin"].map(|app| {
            format!("\n[[mapping.apps]]\nname = \"{app}\"\napp = \"{app}\"\nwhen = \"employee.department == 'X'\"\n")
        });
        let groups =
            "\n[[mapping.groups]]\nname = \"zone\"\nwhen = \"employee.department == 'X'\"\ngroups = [\"Zone 249\"]\n";
        let text = fs::read_to_string(&config).expect("reads") + groups + &apps.concat();
        fs::write(&config, text).expect("writes");
        let output = program().arg("check").arg("--config").arg(&config).arg("--json").output().expect("runs");
        let said: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
        let found = |text: &str| {
            let all = said["findings"].as_array().into_iter().flatten();
            let of_it = all.filter(|one| one["found"].as_str().is_some_and(|found| found.contains(text)));
            of_it.map(|one| (one["ok"] == true, one["found"].to_string())).collect::<Vec<_>>()
        };
        for there in ["Zone 249", "App 249"] {
            assert!(found(there).iter().all(|(ok, _)| *ok) && !found(there).is_empty(), "{:?}", found(there));
        }
        let twin = found("Twin");
        assert!(twin.iter().any(|(ok, why)| !ok && why.contains("by its id: 0oa")), "{twin:?}");
    });
}

#[test]
fn two_tenants_with_one_address_and_an_org_that_takes_nobody_are_named() {
    on_a_system(async {
        let rig = Rig::new(Setup::of(3));
        let config = config_file(&rig.world, rig.folder.path());
        let (namely, okta) = (rig.world.namely.url(), rig.world.okta.url());
        let more = format!(
            "\n[[namely]]\nname = \"twin\"\nurl = \"{namely}/api/v1/\"\ntoken = \"env:NAMELY_TOKEN\"\ntime_zone = \"UTC\"\n\
             [[okta]]\nname = \"empty\"\nurl = \"{}\"\ntoken = \"env:OKTA_TOKEN\"\nfrom = []\n",
            okta.replace("127.0.0.1", "localhost")
        );
        fs::write(&config, fs::read_to_string(&config).expect("reads") + &more).expect("writes");
        let output = program().arg("check").arg("--config").arg(&config).arg("--json").output().expect("runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains("the tenants sandbox and twin have one url"), "{said}");
        assert!(said.contains("from = []: it takes nobody of any tenant"), "{said}");
        assert!(!output.status.success(), "{said}");
    });
}
