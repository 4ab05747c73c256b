//! Okta administrators: who leaves loses access at once in a way that can be undone, and two people decide about the rest;
//! admin roles are given by two people; what cannot be read about them neither opens a safeguard nor holds everybody.

use crate::common::config::config_file;
use crate::common::program::program;
use crate::common::rig::{Rig, Setup, decider, on_a_system};
use namely_okta_sync::clock::Clock;
use namely_okta_sync::sandbox::faults::{Fault, Kind};
use namely_okta_sync::sandbox::okta::Okta;
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::Status as Hired;
use namely_okta_sync::store::{Ballot, HeldChanges, LeaverWithAccess, Voted, holds, leavers_with_access, vote};
use serde_json::{Value, json};
use std::time::Duration;

const LIST: &str = "/api/v1/iam/assignees/users";
const ROLES: &str = "/api/v1/users/*/roles";

/// Indices of people who work here and are nobody's manager.
fn workers(setup: &Setup) -> Vec<usize> {
    let people = &setup.people;
    let manages = |n: usize| people.iter().any(|p| p.manager == Some(n));
    (0..people.len()).filter(|n| people[*n].status == Hired::Active && !manages(*n)).collect()
}

pub struct World {
    pub rig: Rig,
    /// Whom the tests are about.
    pub who: Vec<usize>,
}

impl World {
    /// Thirty people in agreement, in an org that `prepare` has changed before the service starts.
    pub async fn settled(prepare: impl FnOnce(&Rig, &[usize])) -> Self {
        Self::of(Setup::of(30), prepare).await
    }

    /// The same of a service with another configuration.
    pub async fn prepared(configure: impl FnOnce(&mut Rig), prepare: impl FnOnce(&Rig, &[usize])) -> Self {
        let mut rig = Rig::new(Setup::of(30));
        configure(&mut rig);
        Self::begun(rig, prepare).await
    }

    pub async fn of(setup: Setup, prepare: impl FnOnce(&Rig, &[usize])) -> Self {
        Self::begun(Rig::new(setup), prepare).await
    }

    /// The same of a rig that is not running yet.
    pub async fn begun(mut rig: Rig, prepare: impl FnOnce(&Rig, &[usize])) -> Self {
        let who = workers(&rig.setup);
        prepare(&rig, &who);
        rig.run().await;
        // What cannot be read about administrators is told and holds nobody up.
        let others =
            |rig: &Rig| rig.service().readiness.reasons().keys().all(|what| what.starts_with("administrators"));
        rig.until("both sides agree", async |rig| others(rig) && rig.backlog().await == 0).await;
        Self { rig, who }
    }

    pub fn anchor(&self, n: usize) -> String {
        self.rig.setup.people[self.who[n]].id.clone()
    }

    pub fn leave(&self, n: usize) {
        self.rig.edit(self.who[n], |p| p.status = Hired::Inactive);
    }

    pub fn status(&self, n: usize) -> Status {
        self.rig.world.okta.core().user_by_anchor(&self.anchor(n)).expect("an account").status
    }

    pub async fn until_status(&self, n: usize, status: Status) {
        let anchor = self.anchor(n);
        let is = |okta: &Okta| okta.user_by_anchor(&anchor).is_some_and(|user| user.status == status);
        self.rig.until_okta(&format!("person {n} is {status:?}"), is).await;
    }

    /// Calls that changed something about somebody, without the paths' common beginning.
    pub fn effects(&self, n: usize) -> Vec<String> {
        let id = self.rig.world.okta.core().user_by_anchor(&self.anchor(n)).expect("an account").id.clone();
        let all = self.rig.effects().into_iter().filter(|effect| effect.contains(&id));
        all.map(|effect| effect.replace(&id, "ID").replace("/api/v1", "")).collect()
    }

    pub async fn holds(&self) -> Vec<HeldChanges> {
        self.rig.store().run(|c| holds(c, false)).await.expect("reads")
    }

    /// The open hold of a kind, once there is one.
    pub async fn held(&self, change: &str) -> HeldChanges {
        let is_held = async |_: &Rig| self.holds().await.iter().any(|hold| hold.change == change);
        self.rig.until(&format!("{change} is held"), is_held).await;
        self.holds().await.into_iter().find(|hold| hold.change == change).expect("held")
    }

    pub async fn say(&self, hold: &HeldChanges, approve: bool, by: &'static str) -> Voted {
        let (id, code, now) = (hold.id, hold.code.clone(), self.rig.world.clock.now());
        let rules = self.rig.store().rules().load();
        let said = self.rig.store().run(move |c| {
            let by = decider(by);
            vote(c, &rules, &Ballot { hold: id, approve, seen: &code, only: None, by: &by }, now)
        });
        said.await.expect("votes")
    }

    pub async fn with_access(&self) -> Vec<LeaverWithAccess> {
        let (rules, now) = (self.rig.store().rules().load(), self.rig.world.clock.now());
        self.rig.store().run(move |c| leavers_with_access(c, &rules, now)).await.expect("reads")
    }

    pub async fn approve(&self, hold: &HeldChanges) {
        assert_eq!(self.say(hold, true, "Ann").await, Voted::Needs { more: 1, with_token: false });
        assert_eq!(self.say(hold, true, "Ben").await, Voted::Decided);
    }
}

/// Makes the first `n` of them super administrators.
pub fn supers(n: usize) -> impl FnOnce(&Rig, &[usize]) {
    move |rig, who| {
        who[..n].iter().for_each(|n| rig.world.okta.core().seed_administrator(&rig.setup.people[*n].id));
    }
}

#[test]
fn an_administrator_who_leaves_is_suspended_at_once_and_two_people_complete_it() {
    on_a_system(async {
        let world = World::settled(supers(3)).await;
        world.leave(0);
        world.until_status(0, Status::Suspended).await;
        assert_eq!(world.effects(0), ["DELETE /users/ID/sessions", "POST /users/ID/lifecycle/suspend"]);
        let hold = world.held("deactivate").await;
        assert_eq!((hold.needs, hold.people), (2, 1));
        assert!(hold.why.contains("is an Okta administrator who has left"), "{}", hold.why);
        world.rig.quiet().await;
        assert_eq!(world.status(0), Status::Suspended, "nothing else is done before somebody decides");
        world.approve(&hold).await;
        world.until_status(0, Status::Deprovisioned).await;
        world.rig.until("nobody waits", async |rig| rig.backlog().await == 0).await;
        assert_eq!(world.rig.store().backlog().await.expect("reads").held, 0);
    });
}

#[test]
fn an_administrator_whom_hr_takes_back_is_unsuspended_without_a_question() {
    on_a_system(async {
        let world = World::settled(supers(3)).await;
        world.leave(0);
        world.held("deactivate").await;
        world.rig.edit(world.who[0], |p| p.status = Hired::Active);
        world.until_status(0, Status::Active).await;
        world.rig.until("the hold is gone", async |_| world.holds().await.is_empty()).await;
    });
}

#[test]
fn nobody_is_suspended_where_one_other_super_administrator_would_be_left() {
    on_a_system(async {
        let world = World::settled(supers(1)).await;
        world.leave(0);
        let hold = world.held("suspend").await;
        assert!(hold.needs == 2 && hold.why.contains("only 1 other live super administrator"), "{}", hold.why);
        world.held("deactivate").await;
        world.rig.quiet().await;
        assert!(world.effects(0).is_empty(), "{:?}", world.effects(0));
        world.approve(&hold).await;
        world.until_status(0, Status::Suspended).await;
    });
}

#[test]
fn a_second_administrator_within_the_hour_waits_and_everybody_else_does_not() {
    on_a_system(async {
        let world = World::settled(supers(6)).await;
        world.leave(0);
        world.until_status(0, Status::Suspended).await;
        world.leave(1);
        world.leave(9);
        let hold = world.held("suspend").await;
        assert!(hold.why.contains("safeguards.administrators = 1"), "{}", hold.why);
        world.until_status(9, Status::Deprovisioned).await;
        assert_eq!(world.status(1), Status::Active);
    });
}

#[test]
fn what_lets_an_administrator_in_and_their_groups_wait_for_two_people_and_a_title_does_not() {
    on_a_system(async {
        let world = World::settled(supers(3)).await;
        world.rig.edit(world.who[0], |p| {
            p.email = "taken.over@example.com".into();
            p.department = (p.department + 1) % 8;
            p.title = (p.title + 1) % 3;
        });
        for kind in ["change_login", "remove_group", "add_group"] {
            assert_eq!(world.held(kind).await.needs, 2, "{kind}");
        }
        world.rig.quiet().await;
        let effects = world.effects(0);
        assert!(effects.iter().all(|effect| effect == "POST /users/ID"), "{effects:?}");
        let login = |okta: &Okta| okta.user_by_anchor(&world.anchor(0)).expect("there").profile["login"].clone();
        assert_ne!(login(&world.rig.world.okta.core()), json!("taken.over@example.com"));
        let hold = world.held("change_login").await;
        world.approve(&hold).await;
        world.rig.until_okta("the login follows", |okta| login(okta) == json!("taken.over@example.com")).await;
    });
}

fn phone(world: &World, n: usize) -> Value {
    world.rig.world.okta.core().user_by_anchor(&world.anchor(n)).expect("an account").profile["primaryPhone"].clone()
}

#[test]
fn the_phone_of_an_administrator_by_which_the_account_is_recovered_waits_for_two_people() {
    on_a_system(async {
        let world = World::settled(supers(3)).await;
        let before = phone(&world, 0);
        world.rig.edit(world.who[0], |p| {
            p.direct_dial = "+1 555 0199".into();
            p.title = (p.title + 1) % 3;
        });
        world.rig.edit(world.who[9], |p| p.direct_dial = "+1 555 0198".into());
        let hold = world.held("change_contact").await;
        assert!(hold.needs == 2 && hold.people == 1 && hold.why.contains("is an Okta administrator"), "{hold:?}");
        let title = async |_: &Rig| world.effects(0) == ["POST /users/ID"];
        world.rig.until("the title is written", title).await;
        world.rig.until("everybody else's phone is written", async |_| phone(&world, 9) == "+1 555 0198").await;
        world.rig.quiet().await;
        assert_eq!(phone(&world, 0), before);
        world.approve(&hold).await;
        world.rig.until("the phone follows", async |_| phone(&world, 0) == "+1 555 0199").await;
    });
}

#[test]
fn with_the_list_forbidden_what_is_written_together_with_a_title_is_asked_about_all_the_same() {
    on_a_system(async {
        let world = World::settled(|rig, who| {
            supers(3)(rig, who);
            rig.world.okta.core().faults.add(Fault::denied("GET", LIST));
        })
        .await;
        let before = phone(&world, 0);
        for n in [0, 9] {
            world.rig.edit(world.who[n], |p| {
                p.direct_dial = "+1 555 0199".into();
                p.title = (p.title + 1) % 3;
            });
        }
        assert_eq!(world.held("change_contact").await.people, 1);
        world.rig.until("the other one's phone is written", async |_| phone(&world, 9) == "+1 555 0199").await;
        world.rig.quiet().await;
        assert_eq!(phone(&world, 0), before);
    });
}

#[test]
fn with_the_list_forbidden_an_ordinary_leaver_is_ended_and_an_administrator_is_known_by_their_roles() {
    on_a_system(async {
        let world = World::settled(|rig, who| {
            supers(3)(rig, who);
            rig.world.okta.core().faults.add(Fault::denied("GET", LIST));
        })
        .await;
        let said = world.rig.service().readiness.reasons();
        assert!(said["administrators sandbox"].contains("okta.iam.read"), "{said:?}");
        (6..12).for_each(|n| world.leave(n));
        for n in 6..12 {
            world.until_status(n, Status::Deprovisioned).await;
        }
        world.leave(0);
        world.until_status(0, Status::Suspended).await;
        let hold = world.held("deactivate").await;
        assert!(hold.needs == 2 && hold.why.contains("is an Okta administrator"), "{}", hold.why);
        assert_eq!(hold.people, 1);
    });
}

#[test]
fn where_nothing_can_be_read_a_leaver_is_suspended_at_once_and_it_heals_by_itself() {
    on_a_system(async {
        let world = World::settled(|rig, _| {
            let mut okta = rig.world.okta.core();
            okta.faults.add(Fault::denied("GET", LIST));
            okta.faults.add(Fault::denied("GET", ROLES));
        })
        .await;
        (0..7).for_each(|n| world.leave(n));
        for n in 0..7 {
            world.until_status(n, Status::Suspended).await;
        }
        let seven = async |_: &Rig| world.holds().await.iter().any(|hold| hold.people == 7);
        world.rig.until("all seven wait in one hold", seven).await;
        let hold = world.held("deactivate").await;
        assert!(hold.needs == 2 && hold.why.contains("cannot be told"), "{}", hold.why);
        assert!(!world.effects(0).iter().any(|e| e.contains("deactivate") || e.contains("/groups/")));
        // A joiner and a mover go on; what would let the mover in somewhere waits.
        let joiner = namely_okta_sync::sandbox::population::Person {
            id: "9d000000-0000-4000-8000-000000000001".into(),
            email: "new.hire@example.com".into(),
            manager: None,
            ..world.rig.setup.people[world.who[9]].clone()
        };
        world.rig.hire(joiner.clone());
        world.rig.edit(world.who[8], |p| {
            p.department = (p.department + 1) % 8;
            p.email = "other.address@example.com".into();
        });
        let made = |okta: &Okta| okta.user_by_anchor(&joiner.id).is_some_and(|user| okta.groups_of(&user.id).len() > 1);
        world.rig.until_okta("the joiner is there", made).await;
        world.held("change_login").await;
        let moved = async |_: &Rig| world.effects(8).iter().filter(|e| e.contains("/groups/")).count() == 2;
        world.rig.until("the mover has moved", moved).await;
        // The permission is given: nobody has to be asked any more.
        world.rig.world.okta.core().faults.clear();
        for n in 0..7 {
            world.until_status(n, Status::Deprovisioned).await;
        }
        world.rig.until("nobody is held", async |_| world.holds().await.is_empty()).await;
        assert!(world.rig.service().readiness.is_ready());
    });
}

#[test]
fn a_group_with_an_admin_role_is_given_by_two_people_to_movers_and_to_people_who_are_made() {
    on_a_system(async {
        let joiner = |rig: &Rig, of: usize| namely_okta_sync::sandbox::population::Person {
            id: "9d000000-0000-4000-8000-000000000002".into(),
            email: "new.admin@example.com".into(),
            manager: None,
            ..rig.setup.people[of].clone()
        };
        let world = World::settled(|rig, who| {
            let group = format!("Department {}", rig.setup.people[who[0]].department());
            rig.world.okta.core().seed_role(&group, "SUPER_ADMIN");
        })
        .await;
        let person = joiner(&world.rig, world.who[0]);
        let group = format!("Department {}", person.department());
        world.rig.hire(person.clone());
        let groups = |okta: &Okta| okta.user_by_anchor(&person.id).map(|user| okta.groups_of(&user.id));
        let hold = world.held("grant_admin").await;
        assert_eq!(hold.needs, 2);
        let there = groups(&world.rig.world.okta.core()).expect("made all the same");
        assert!(!there.contains(&group) && !there.is_empty(), "{there:?}");
        assert_eq!(world.say(&hold, true, "Ann").await, Voted::Needs { more: 1, with_token: false });
        world.rig.quiet().await;
        assert!(!groups(&world.rig.world.okta.core()).expect("there").contains(&group));
        assert_eq!(world.say(&hold, true, "Ben").await, Voted::Decided);
        world.rig.until_okta("they are in it", |okta| groups(okta).is_some_and(|all| all.contains(&group))).await;
        // Whoever is in it is an administrator, whatever the list of administrators shows.
        world.leave(0);
        world.until_status(0, Status::Suspended).await;
        let hold = world.held("deactivate").await;
        assert!(hold.why.contains("is an Okta administrator who has left"), "{}", hold.why);
    });
}

#[test]
fn somebody_who_was_put_into_a_protected_group_after_the_start_is_not_touched() {
    on_a_system(async {
        let mut setup = Setup::of(30);
        setup.rewrite = |text| format!("{text}\n[protected]\ngroups = [\"Break Glass*\"]\n");
        let mut group = String::new();
        let world = World::of(setup, |rig, _| {
            group = rig.world.okta.core().seed_group("Break Glass Accounts", "OKTA_GROUP", rig.world.clock.now());
        })
        .await;
        for n in [0, 1] {
            let mut okta = world.rig.world.okta.core();
            let id = okta.user_by_anchor(&world.anchor(n)).expect("an account").id.clone();
            okta.seed_member(&group, &id);
        }
        {
            // A protected group that was made after the start, and is the last of very many of the person.
            let mut okta = world.rig.world.okta.core();
            let now = world.rig.world.clock.now();
            let id = okta.user_by_anchor(&world.anchor(3)).expect("an account").id.clone();
            for n in 0..210 {
                let group = okta.seed_group(&format!("Club {n}"), "OKTA_GROUP", now);
                okta.seed_member(&group, &id);
            }
            let group = okta.seed_group("Break Glass at night", "OKTA_GROUP", now);
            okta.seed_member(&group, &id);
        }
        world.leave(3);
        world.leave(0);
        world.rig.edit(world.who[1], |p| p.department = (p.department + 1) % 8);
        world.leave(2);
        world.until_status(2, Status::Deprovisioned).await;
        let protected =
            async |rig: &Rig| rig.quarantined().await.iter().filter(|(_, why)| why.contains("protected")).count() == 3;
        world.rig.until("all three are told", protected).await;
        assert_eq!((world.effects(0), world.effects(1), world.effects(3)), (vec![], vec![], vec![]));
        assert_eq!(world.status(0), Status::Active);
    });
}

#[test]
fn check_is_bad_without_the_permission_and_names_the_rules_that_can_give_an_admin_role() {
    on_a_system(async {
        let rig = Rig::new(Setup::of(10));
        let department = rig.setup.people[0].department().to_owned();
        rig.world.okta.core().seed_role(&format!("Department {department}"), "APP_ADMIN");
        let config = config_file(&rig.world, rig.folder.path());
        let run = || {
            let output = program().arg("check").arg("--config").arg(&config).arg("--json").output().expect("runs");
            let said: Value = serde_json::from_slice(&output.stdout).expect("JSON");
            let found = said["findings"].as_array().expect("findings").clone();
            (output.status.success(), found)
        };
        let of = |found: &[Value], what: &str| {
            let matching = found.iter().filter(|f| f["what"].as_str().is_some_and(|text| text.ends_with(what)));
            matching.map(|f| (f["ok"] == true, f["found"].to_string())).collect::<Vec<_>>()
        };
        let (ok, found) = run();
        assert!(ok, "{found:?}");
        assert!(of(&found, "administrators")[0].0);
        let approvers = of(&found, "approvers");
        assert!(
            approvers[0].1.contains("nobody can approve") && approvers[0].1.contains("admin.tokens"),
            "{approvers:?}"
        );
        let grants = of(&found, "admin roles");
        let named =
            grants.iter().any(|(_, message)| message.contains(&department) && message.contains("mapping.groups"));
        assert!(named, "{grants:?}");
        rig.world.okta.core().faults.add(Fault::denied("GET", LIST));
        rig.world.okta.core().faults.add(Fault::denied("GET", "/api/v1/groups/*/roles"));
        let (ok, found) = run();
        assert!(!ok);
        for what in ["administrators", "admin roles"] {
            let message = of(&found, what);
            assert!(
                message.iter().any(|(ok, message)| !ok && message.contains("okta.iam.read")),
                "{what}: {message:?}"
            );
        }
        rig.world.okta.core().faults.clear();
        rig.world.okta.core().faults.add(Fault::always("GET", LIST, Kind::EmptyPage));
        assert!(!run().0, "nobody is on the list, although every org has an administrator");
    });
}

#[test]
fn a_list_of_administrators_without_anybody_is_not_believed() {
    on_a_system(async {
        let world = World::settled(|rig, who| {
            supers(3)(rig, who);
            rig.world.okta.core().faults.add(Fault::always("GET", LIST, Kind::EmptyPage));
        })
        .await;
        let said = world.rig.service().readiness.reasons();
        assert!(said["administrators sandbox"].contains("nobody is on the list"), "{said:?}");
        world.leave(0);
        world.until_status(0, Status::Suspended).await;
        assert_eq!(world.held("deactivate").await.needs, 2);
    });
}

#[test]
fn a_list_of_administrators_that_goes_on_at_another_server_is_not_believed() {
    on_a_system(async {
        let next = "http://localhost:1/api/v1/iam/assignees/users?after=1";
        let body = json!({ "value": [{ "id": "00uadmin" }], "_links": { "next": { "href": next } } }).to_string();
        let world = World::settled(|rig, _| {
            let foreign = Kind::Answer { status: 200, body };
            rig.world.okta.core().faults.add(Fault::always("GET", LIST, foreign));
        })
        .await;
        let said = world.rig.service().readiness.reasons();
        assert!(said["administrators sandbox"].contains("leads to another server"), "{said:?}");
        let okta = world.rig.world.okta.core();
        let asked = okta.history().exchanges().iter().filter(|e| e.path == LIST && e.query.contains("after")).count();
        assert_eq!(asked, 0, "a link to another server is not followed on ours");
    });
}

#[test]
fn who_is_missing_from_a_later_list_of_administrators_is_one_until_their_roles_are_gone() {
    on_a_system(async {
        let world = World::settled(supers(5)).await;
        let hidden = [world.anchor(0), world.anchor(1), world.anchor(2)];
        let ids = hidden.map(|anchor| world.rig.world.okta.core().user_by_anchor(&anchor).expect("there").id.clone());
        {
            let mut okta = world.rig.world.okta.core();
            okta.faults.add(Fault::always("GET", LIST, Kind::hide(&[&ids[0], &ids[1], &ids[2]])));
            let no_role = Kind::Answer { status: 200, body: "[]".into() };
            okta.faults.add(Fault::always("GET", &format!("/api/v1/users/{}/roles", ids[1]), no_role));
            // That there are no roles of somebody whose account is there is no answer.
            let denied = Kind::refusal(404, "E0000007");
            okta.faults.add(Fault::always("GET", &format!("/api/v1/users/{}/roles", ids[2]), denied));
        }
        let asked = |okta: &Okta| {
            let own = format!("/api/v1/users/{}/roles", ids[1]);
            okta.history().exchanges().iter().filter(|call| call.path == own && call.faulty).count()
        };
        world.rig.world.clock.jump(Duration::from_secs(16 * 60));
        world.rig.until_okta("the list is read again", |okta| asked(okta) > 0).await;
        world.rig.quiet().await;
        world.leave(0);
        world.until_status(0, Status::Suspended).await;
        assert_eq!(world.held("deactivate").await.needs, 2);
        world.leave(1);
        world.until_status(1, Status::Deprovisioned).await;
        world.leave(2);
        world.held("suspend").await; // one administrator an hour is suspended without a question
    });
}

#[test]
fn a_leaver_of_whose_roles_okta_knows_nothing_is_suspended_and_two_people_are_asked() {
    on_a_system(async {
        let world = World::settled(|rig, _| {
            let mut okta = rig.world.okta.core();
            okta.faults.add(Fault::denied("GET", LIST));
            okta.faults.add(Fault::always("GET", ROLES, Kind::refusal(404, "E0000007")));
        })
        .await;
        world.leave(0);
        world.until_status(0, Status::Suspended).await;
        let hold = world.held("deactivate").await;
        assert!(hold.needs == 2 && hold.why.contains("cannot be told"), "{}", hold.why);
    });
}

#[test]
fn whether_somebody_is_protected_by_a_group_that_cannot_be_read_is_asked_before_they_are_ended() {
    on_a_system(async {
        let rewrite = |text: String| text + "\n[protected]\ngroups = [\"Break Glass\"]\n";
        let setup = Setup { rewrite, ..Setup::of(30) };
        let mut group = String::new();
        let world = World::of(setup, |rig, _| {
            group = rig.world.okta.core().seed_group("Break Glass", "OKTA_GROUP", rig.world.clock.now());
        })
        .await;
        let kinds = [Kind::refusal(403, "E0000006"), Kind::refusal(404, "E0000007"), Kind::EmptyPage];
        for (n, kind) in kinds.into_iter().enumerate() {
            let mut okta = world.rig.world.okta.core();
            let id = okta.user_by_anchor(&world.anchor(n)).expect("an account").id.clone();
            if n > 0 {
                okta.seed_member(&group, &id);
            }
            okta.faults.add(Fault::always("GET", &format!("/api/v1/users/{id}/groups"), kind));
        }
        (0..4).for_each(|n| world.leave(n));
        world.until_status(3, Status::Deprovisioned).await;
        for n in 0..3 {
            world.until_status(n, Status::Suspended).await;
        }
        let three = async |_: &Rig| world.holds().await.iter().any(|hold| hold.needs == 2 && hold.people == 3);
        world.rig.until("all three wait for two people", three).await;
        // They can be read again: whoever is protected is not touched any more, and the others are ended.
        world.rig.world.okta.core().faults.clear();
        world.rig.world.clock.jump(Duration::from_secs(32 * 60));
        world.until_status(0, Status::Deprovisioned).await;
        world.rig.quiet().await;
        assert_eq!([world.status(1), world.status(2)], [Status::Suspended; 2]);
    });
}

#[test]
fn a_leaver_whose_groups_stay_unreadable_is_one_hold_with_its_first_time_and_told_once() {
    on_a_system(async {
        let rewrite = |text: String| text + "\n[protected]\ngroups = [\"Break Glass\"]\n";
        let clock = Clock::scaled_from_today(60.0); // it is asked about again every quarter of an hour
        let world = World::of(Setup { rewrite, clock, ..Setup::of(30) }, |rig, _| {
            rig.world.okta.core().seed_group("Break Glass", "OKTA_GROUP", rig.world.clock.now());
        })
        .await;
        let id = world.rig.world.okta.core().user_by_anchor(&world.anchor(0)).expect("an account").id.clone();
        let groups = Fault::denied("GET", &format!("/api/v1/users/{id}/groups"));
        world.rig.world.okta.core().faults.add(groups);
        world.leave(0);
        world.until_status(0, Status::Suspended).await;
        let first = world.held("deactivate").await;
        let reads = || {
            let okta = world.rig.world.okta.core();
            let of = |path: &str| path.contains(&id) && path.ends_with("/groups");
            okta.history().exchanges().iter().filter(|e| of(&e.path)).count()
        };
        for _ in 0..2 {
            let before = reads();
            world.rig.until("they are asked about again", async |_| reads() > before).await;
            world.rig.quiet().await;
        }
        let all = world.rig.store().run(|c| holds(c, true)).await.expect("reads");
        let all: Vec<(i64, i64, Option<String>)> =
            all.into_iter().filter(|h| h.change == "deactivate").map(|h| (h.id, h.since, h.verdict)).collect();
        assert_eq!(all, [(first.id, first.since, None)], "one hold, since the first time");
        let message = world
            .rig
            .pairs("SELECT kind, count(*) || '' FROM audit WHERE kind IN ('held', 'hold_ended') GROUP BY kind");
        assert_eq!(message.await, [("held".to_owned(), "2".to_owned())], "the hold, and the person in it");
        world.rig.world.okta.core().faults.clear();
        world.until_status(0, Status::Deprovisioned).await;
        world.rig.until("nobody is held", async |_| world.holds().await.is_empty()).await;
    });
}
