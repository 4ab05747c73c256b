//! Apps that a rule assigns to people directly.

use crate::common::rig::{Rig, Setup, decider, on_a_system};
use namely_okta_sync::sandbox::population::{DEPARTMENTS, Person, Status};
use namely_okta_sync::store::{OperatorRequest, is_done, request};
use std::time::Duration;

/// Everybody in the first department has Payroll, under their own address.
fn with_payroll(text: String) -> String {
    let rule = format!(
        "\n[[mapping.apps]]\nname = \"payroll\"\napp = \"Payroll\"\nwhen = \"employee.department == '{}'\"\nuser_name = \"employee.email\"\n",
        DEPARTMENTS[0]
    );
    text + &rule
}

fn in_department(people: &[Person], department: usize) -> Vec<usize> {
    (0..people.len()).filter(|n| people[*n].department == department && people[*n].status == Status::Active).collect()
}

async fn world() -> (Rig, usize) {
    let mut setup = Setup::of(40);
    setup.rewrite = with_payroll;
    settled(setup).await
}

async fn settled(setup: Setup) -> (Rig, usize) {
    let mut rig = Rig::new(setup);
    rig.world.okta.core().seed_app("Payroll", &[], rig.world.clock.now());
    rig.run().await;
    let holders = in_department(&rig.setup.people, 0);
    assert!(holders.len() > 1 && holders.len() < 40);
    for n in &holders {
        has_app(&rig, *n, true).await;
    }
    rig.until("everybody is done", async |rig| rig.backlog().await == 0).await;
    (rig, holders[0])
}

async fn has_app(rig: &Rig, person: usize, wanted: bool) {
    let anchor = rig.setup.people[person].id.clone();
    rig.until_okta(if wanted { "the app is there" } else { "the app is gone" }, |okta| {
        let user = okta.user_by_anchor(&anchor).expect("an account");
        okta.direct_apps_of(&user.id).contains("Payroll") == wanted
    })
    .await;
}

fn app_calls(rig: &Rig) -> Vec<String> {
    rig.effects().into_iter().filter(|call| call.contains("/apps/")).collect()
}

#[test]
fn a_rule_gives_an_app_and_takes_it_back_with_one_call_each() {
    on_a_system(async {
        let (rig, person) = world().await;
        let before = app_calls(&rig).len();
        assert_eq!(before, in_department(&rig.setup.people, 0).len(), "one call for each, and nobody else");
        rig.edit(person, |p| p.department = 1);
        has_app(&rig, person, false).await;
        rig.edit(person, |p| p.department = 0);
        has_app(&rig, person, true).await;
        rig.quiet().await;
        assert_eq!(app_calls(&rig).len(), before + 2);
    });
}

#[test]
fn a_joiner_gets_the_app_after_the_account() {
    on_a_system(async {
        let (rig, person) = world().await;
        let joiner = Person {
            id: "5b1f2c3d-0000-4000-8000-00000000aa01".into(),
            email: "somebody.new@example.com".into(),
            ..rig.setup.people[person].clone()
        };
        rig.hire(joiner.clone());
        rig.until_okta("the joiner has the app", |okta| {
            okta.user_by_anchor(&joiner.id).is_some_and(|user| okta.direct_apps_of(&user.id).contains("Payroll"))
        })
        .await;
    });
}

#[test]
fn an_app_that_a_group_grants_too_is_left_and_not_asked_for_again() {
    on_a_system(async {
        let (rig, person) = world().await;
        let anchor = rig.setup.people[person].id.clone();
        rig.world.okta.core().grant_by_group("Payroll", "All Employees");
        rig.edit(person, |p| p.department = 1);
        rig.until_okta("the department follows", |okta| {
            let user = okta.user_by_anchor(&anchor).expect("an account");
            okta.groups_of(&user.id).contains(&format!("Department {}", DEPARTMENTS[1]))
        })
        .await;
        rig.quiet().await;
        assert_eq!(rig.quarantined().await, []);
        let asked = || {
            let okta = rig.world.okta.core();
            okta.history().exchanges().iter().filter(|e| e.method == "DELETE" && e.path.contains("/apps/")).count()
        };
        assert_eq!(asked(), 1, "refused once (E0000046), and understood");
    });
}

#[test]
fn a_leaver_loses_apps_with_the_account_and_without_a_call() {
    on_a_system(async {
        let (rig, person) = world().await;
        let before = app_calls(&rig).len();
        rig.edit(person, |p| p.status = Status::Inactive);
        has_app(&rig, person, false).await;
        rig.quiet().await;
        assert_eq!(app_calls(&rig).len(), before);
    });
}

#[test]
fn an_app_that_does_not_exist_quarantines_those_who_need_it_and_says_its_name() {
    on_a_system(async {
        let mut setup = Setup::of(12);
        setup.rewrite = |text| text + "\n[[mapping.apps]]\napp = \"Payrol\"\n";
        let mut rig = Rig::new(setup);
        rig.run().await;
        rig.until("they are quarantined", async |rig| !rig.quarantined().await.is_empty()).await;
        let quarantined = rig.quarantined().await;
        assert!(quarantined[0].1.contains("there is no app \"Payrol\" in Okta"), "{quarantined:?}");
    });
}

async fn is_called(rig: &Rig, person: usize, wanted: &str) {
    let anchor = rig.setup.people[person].id.clone();
    rig.until_okta(&format!("they are called {wanted} in the app"), |okta| {
        let user = okta.user_by_anchor(&anchor).expect("an account");
        okta.names_in_apps(&user.id).get("Payroll").is_some_and(|name| *name == wanted)
    })
    .await;
}

#[test]
fn a_name_in_an_app_follows_the_address_with_one_call_and_without_a_read() {
    on_a_system(async {
        let (rig, person) = world().await;
        let (before, reads) = (app_calls(&rig).len(), reads_of_apps(&rig));
        rig.edit(person, |p| p.email = "married.name@example.com".into());
        is_called(&rig, person, "married.name@example.com").await;
        rig.quiet().await;
        let calls = app_calls(&rig);
        assert_eq!(calls.len(), before + 1, "{calls:?}");
        assert_eq!(reads_of_apps(&rig), reads);
        rig.edit(person, |p| p.title = (p.title + 1) % 4);
        rig.quiet().await;
        assert_eq!(app_calls(&rig).len(), before + 1, "what is so already is not written again");
    });
}

fn reads_of_apps(rig: &Rig) -> usize {
    let okta = rig.world.okta.core();
    let is_read = |path: &str| path.contains("/apps");
    okta.history().exchanges().iter().filter(|call| call.method == "GET" && is_read(&call.path)).count()
}

#[test]
fn a_name_that_an_administrator_has_set_in_an_app_is_told_as_drift_and_corrected_where_drift_is() {
    on_a_system(async {
        let mut setup = Setup::of(40);
        setup.rewrite = |text| with_payroll(text) + "\n[reconcile]\ndrift = \"correct\"\n";
        let (rig, person) = settled(setup).await;
        let address = rig.setup.people[person].email.clone();
        {
            let mut okta = rig.world.okta.core();
            let id = okta.user_by_anchor(&rig.setup.people[person].id).expect("an account").id.clone();
            okta.rename_in_app("Payroll", &id, "the.boss@example.com");
        }
        // What was written a moment ago is not compared with lists that lag.
        rig.until_later("the lag of lists", Duration::from_secs(61)).await;
        let now = rig.world.clock.now();
        let asked = rig.store().run(move |c| request(c, "sandbox", &OperatorRequest::Reconcile, &decider("Ann"), now));
        let id = asked.await.expect("asks");
        rig.until("the org was read", async |rig| {
            rig.store().run(move |c| is_done(c, id)).await.expect("reads").is_some()
        })
        .await;
        is_called(&rig, person, &address).await;
        rig.quiet().await;
        let drifted = rig.pairs("SELECT kind, row FROM audit WHERE kind = 'drifted'").await;
        assert_eq!(drifted.len(), 1, "{drifted:?}");
        let words = &drifted[0].1;
        assert!(words.contains("name in app") && words.contains("the.boss@example.com"), "{words}");
    });
}

#[test]
fn of_people_who_are_to_have_one_name_in_an_app_at_the_same_moment_one_gets_it_and_the_others_are_named() {
    on_a_system(async {
        let mut setup = Setup::of(40);
        setup.rewrite = |text| with_payroll(text).replace("\"employee.email\"", "\"'the.boss'\"");
        let mut rig = Rig::new(setup);
        rig.world.okta.core().seed_app("Payroll", &[], rig.world.clock.now());
        rig.run().await;
        let (people, holders) = (rig.setup.people.clone(), in_department(&rig.setup.people, 0));
        let named = |okta: &namely_okta_sync::sandbox::okta::Okta| {
            let has = |n: &&usize| {
                let user = okta.user_by_anchor(&people[**n].id).expect("an account");
                okta.direct_apps_of(&user.id).contains("Payroll")
            };
            holders.iter().filter(has).count()
        };
        rig.until_okta("one has it", |okta| named(okta) > 0).await;
        rig.until("the others wait", async |rig| rig.quarantined().await.len() == holders.len() - 1).await;
        rig.quiet().await;
        assert_eq!(named(&rig.world.okta.core()), 1, "two people would be one there");
        assert!(rig.quarantined().await.iter().all(|(_, why)| why.contains("two people would be one there")));
    });
}

#[test]
fn nobody_gets_a_login_by_which_somebody_else_goes_in_an_app_before_that_one_is_called_otherwise() {
    on_a_system(async {
        let mut setup = Setup::of(40);
        setup.rewrite = |text| with_payroll(text).replace("\"employee.email\"", "\"employee.office_direct_dial\"");
        let people = setup.people.clone();
        let holders = in_department(&people, 0);
        let (named, wants) = (holders[0], in_department(&people, 1)[0]);
        let mut rig = Rig::new(setup);
        rig.world.okta.core().seed_app("Payroll", &[], rig.world.clock.now());
        for (n, holder) in holders.iter().enumerate() {
            rig.edit(*holder, |person| person.direct_dial = format!("nr{n}@example.com"));
        }
        rig.run().await;
        let user = |okta: &namely_okta_sync::sandbox::okta::Okta, n: usize| {
            okta.user_by_anchor(&people[n].id).expect("an account").clone()
        };
        rig.until_okta("somebody goes by it", |okta| {
            okta.names_in_apps(&user(okta, named).id).get("Payroll").is_some_and(|name| *name == "nr0@example.com")
        })
        .await;
        rig.quiet().await;
        rig.edit(wants, |person| person.email = "nr0@example.com".into());
        rig.until("the other one waits", async |rig| {
            rig.quarantined().await.iter().any(|(_, why)| why.contains("who goes by it in an app"))
        })
        .await;
        let has_it =
            |okta: &namely_okta_sync::sandbox::okta::Okta| user(okta, wants).profile["login"] == "nr0@example.com";
        assert!(!has_it(&rig.world.okta.core()));
        rig.edit(named, |person| person.direct_dial = "otherwise@example.com".into());
        rig.until_okta("it is theirs", has_it).await;
        rig.until("nobody waits", async |rig| rig.quarantined().await.is_empty()).await;
    });
}

#[test]
fn three_who_are_to_have_one_anothers_names_in_an_app_get_them_in_whatever_order_hr_says_so() {
    on_a_system(async {
        for order in [[0, 1, 2], [2, 1, 0]] {
            let mut setup = Setup::of(40);
            setup.rewrite = |text| with_payroll(text).replace("\"employee.email\"", "\"employee.office_direct_dial\"");
            let people = setup.people.clone();
            let holders = in_department(&people, 0);
            let mut rig = Rig::new(setup);
            rig.world.okta.core().seed_app("Payroll", &[], rig.world.clock.now());
            let names = ["ada", "ben", "cleo"];
            for (n, holder) in holders.iter().enumerate() {
                let name = names.get(n).map_or_else(|| format!("nr{n}"), |name| (*name).to_owned());
                rig.edit(*holder, |person| person.direct_dial = name);
            }
            rig.run().await;
            let called = |okta: &namely_okta_sync::sandbox::okta::Okta, n: usize| {
                let user = okta.user_by_anchor(&people[holders[n]].id).expect("an account");
                okta.names_in_apps(&user.id).get("Payroll").copied().unwrap_or_default().to_owned()
            };
            let are = |okta: &namely_okta_sync::sandbox::okta::Okta, turn: usize| {
                (0..3).all(|n| called(okta, n) == names[(n + turn) % 3])
            };
            rig.until_okta("each has a name", |okta| are(okta, 0)).await;
            rig.quiet().await;
            for n in order {
                rig.edit(holders[n], |person| person.direct_dial = names[(n + 1) % 3].into());
                rig.until("it is seen", async |rig| {
                    are(&rig.world.okta.core(), 1) || !rig.quarantined().await.is_empty()
                })
                .await;
            }
            rig.until_okta("each has the next one's", |okta| are(okta, 1)).await;
            rig.until("nobody waits", async |rig| rig.quarantined().await.is_empty()).await;
        }
    });
}

#[test]
fn who_waits_for_a_name_in_an_app_gets_it_when_it_is_free_and_two_who_swap_addresses_swap_their_names_too() {
    on_a_system(async {
        let (rig, _) = world().await;
        let people = rig.setup.people.clone();
        let holders = in_department(&people, 0);
        let (one, other) = (holders[0], holders[1]);
        let called = |okta: &namely_okta_sync::sandbox::okta::Okta, n: usize| {
            let user = okta.user_by_anchor(&people[n].id).expect("an account");
            okta.names_in_apps(&user.id).get("Payroll").copied().unwrap_or_default().to_lowercase()
        };
        let (first, second) = (people[one].email.to_lowercase(), people[other].email.to_lowercase());
        rig.edit(one, |person| person.email = "in.between@example.com".into());
        rig.edit(other, |person| person.email.clone_from(&first));
        rig.edit(one, |person| person.email.clone_from(&second));
        rig.until_okta("each is called as the other was", |okta| {
            called(okta, one) == second && called(okta, other) == first
        })
        .await;
        rig.until("nobody waits", async |rig| rig.quarantined().await.is_empty() && rig.backlog().await == 0).await;
    });
}
