//! An org that is taken out of the configuration while people have accounts there: nothing is taken for done that nobody looks at.

use crate::common::quick::quick_okta;
use crate::common::running::Running;
use crate::common::store::dirty;
use crate::common::wait::wait_until;
use crate::common::workspace::Workspace;
use namely_okta_sync::sandbox::http::Simulator;
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::Status as Hired;
use namely_okta_sync::sandbox::world::{any_port, org_of};

const PEOPLE: usize = 6;

#[test]
fn an_org_that_was_taken_out_of_the_configuration_is_named_and_so_is_who_leaves_and_has_an_account_there() {
    let workspace = Workspace::new(PEOPLE);
    let clock = workspace.world.clock.clone();
    let people: Vec<_> = (0..PEOPLE).map(|n| workspace.world.namely.core().person(n).clone()).collect();
    let emea = Simulator::start(org_of(quick_okta(), &people, clock.now()), any_port(), clock.clone()).expect("a port");
    let alone = std::fs::read_to_string(&workspace.config).expect("reads") + "\n[alerts]\nleaver_access = \"1s\"\n";
    let section = format!(
        "[[okta]]\nname = \"emea\"\nurl = \"{}\"\nadopt = \"automatic\"\ntoken = \"env:OKTA_TOKEN\"\n\n[leave]",
        emea.url()
    );
    let both = alone.replace("[leave]", &section);
    let configure = |text: &str| std::fs::write(&workspace.config, text).expect("writes");
    let who = &people[3].id;
    let there = || emea.core().user_by_anchor(who).map(|user| user.status);
    let here = || workspace.world.okta.core().user_by_anchor(who).map(|user| user.status);
    configure(&both);
    {
        let _service = Running::service(&workspace.config, &workspace.log, None);
        wait_until("both orgs are compared", &workspace.log, || {
            workspace.counted("SELECT count(*) FROM target WHERE okta_id IS NOT NULL") == 2 * PEOPLE as i64
                && dirty(&workspace.store()) == Some((0, 0))
        });
        let (_, said) = workspace.cli(&["attention"]);
        assert!(!said.contains("not in the configuration"), "{said}");
    }
    configure(&alone);
    {
        let _service = Running::service(&workspace.config, &workspace.log, None);
        let named = "the org emea is in the store and not in the configuration: the live accounts of 6 people";
        wait_until("it is said at the start", &workspace.log, || workspace.log().contains(named));
        workspace.world.namely.core().edit(3, clock.now(), |person| person.status = Hired::Inactive);
        wait_until("they are out of the other org", &workspace.log, || here() == Some(Status::Deprovisioned));
        assert_eq!(there(), Some(Status::Active));
        let leaver = "1 person who has left has still access";
        let mut said = String::new();
        wait_until("they are named", &workspace.log, || {
            said = workspace.cli(&["status"]).1;
            said.contains(leaver)
        });
        let first = said.lines().next().unwrap_or_default();
        assert!(first.contains(leaver) && first.contains("in emea, org not configured"), "{said}");
        assert!(said.contains(named) && !said.contains("nothing is missing"), "{said}");
        assert!(!workspace.cli(&["status"]).0, "somebody must act");
        let (_, said) = workspace.cli(&["attention"]);
        assert!(
            said.contains(named) && said.contains("[[okta]] back") && said.contains("leaver with access"),
            "{said}"
        );
        let (ok, said) = workspace.cli(&["check"]);
        assert!(!ok && said.contains(named), "{said}");
        let pack = workspace.folder.path().join("pack").display().to_string();
        let (_, said) = workspace.cli(&["evidence", "--from", "2020-01-01", "--to", "2999-01-01", "-o", &pack]);
        assert!(said.contains("1 could not be looked at") && said.contains("1 of 2 revoked"), "{said}");
    }
    configure(&both);
    let _service = Running::service(&workspace.config, &workspace.log, None);
    wait_until("it ends by itself", &workspace.log, || there() == Some(Status::Deprovisioned));
    wait_until("nobody is named any more", &workspace.log, || {
        let said = workspace.cli(&["attention"]).1;
        !said.contains("emea") && !said.contains("leaver with access")
    });
}

#[test]
fn a_tenant_that_was_taken_out_of_the_configuration_is_named_and_nobody_counts_as_missing_by_it() {
    let workspace = Workspace::new(PEOPLE);
    workspace.settled().kill();
    let text = std::fs::read_to_string(&workspace.config).expect("reads");
    // Another company, as far as anybody can tell: it is somewhere else.
    let other = text.replacen("name = \"sandbox\"", "name = \"other\"", 1).replacen("127.0.0.1", "localhost", 1);
    std::fs::write(&workspace.config, other).expect("writes");
    let _service = Running::service(&workspace.config, &workspace.log, None);
    let named = "the tenant sandbox is in the store and not in the configuration: 6 people with live accounts";
    wait_until("it is said", &workspace.log, || workspace.cli(&["status"]).1.contains(named));
    let (_, said) = workspace.cli(&["attention"]);
    assert!(said.contains(named) && said.contains("[[namely]] back"), "{said}");
    assert_eq!(workspace.count("missing"), 0);
}

#[test]
fn a_tenant_or_an_org_that_got_another_name_is_not_begun_with() {
    let workspace = Workspace::new(PEOPLE);
    workspace.settled().kill();
    let text = std::fs::read_to_string(&workspace.config).expect("reads");
    for (section, what) in [("[[namely]]", "tenant"), ("[[okta]]", "org")] {
        let at = text.find(section).expect("there");
        let renamed = text[..at].to_owned() + &text[at..].replacen("name = \"sandbox\"", "name = \"other\"", 1);
        std::fs::write(&workspace.config, renamed).expect("writes");
        let named = format!("the {what} sandbox is called other in the configuration now");
        let mut service = Running::service(&workspace.config, &workspace.log, None);
        let ended = service.0.wait().expect("ends");
        assert!(!ended.success() && workspace.log().contains(&named), "{}", workspace.log());
        let (ok, said) = workspace.cli(&["check", "--offline"]);
        assert!(!ok && said.contains(&named) && said.contains("write name = \"sandbox\" again"), "{said}");
    }
    std::fs::write(&workspace.config, text).expect("writes");
    workspace.settled();
}
