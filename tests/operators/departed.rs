//! Whoever held an admin role and has left gets access back by two people: by whatever path it is asked for.

use crate::administrators::{World, supers};
use crate::common::config::config_file;
use crate::common::program::program;
use crate::common::receiver::Receiver;
use crate::common::rig::{Rig, Setup, decider, on_a_system};
use namely_okta_sync::domain::plan::leaver::WhyAccess;
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::Status as Hired;
use namely_okta_sync::store::{Ballot, Voted, cancel, retry, reverse};
use serde_json::Value;
use std::time::Duration;

#[test]
fn an_administrator_who_has_left_gets_access_back_by_two_people_and_is_suspended_again_if_that_is_taken_back() {
    on_a_system(async {
        let rewrite = |text: String| text + "\n[alerts]\nleaver_access = \"1s\"\n";
        let world = World::of(Setup { rewrite, ..Setup::of(30) }, supers(3)).await;
        world.leave(0);
        world.until_status(0, Status::Suspended).await;
        let hold = world.held("deactivate").await;
        assert_eq!(hold.reject_needs, 2);
        let config = config_file(&world.rig.world, world.rig.folder.path());
        let show = ["holds", "show", &hold.id.to_string(), "--config"].map(str::to_owned);
        let shown = program().args(show).arg(&config).output().expect("runs").stdout;
        let shown = String::from_utf8_lossy(&shown).into_owned();
        assert!(shown.contains("rejecting lifts the suspension: they can sign in again"), "{shown}");
        assert!(shown.contains("2 people must"), "{shown}");
        assert_eq!(world.say(&hold, false, "Ann").await, Voted::Needs { more: 1, with_token: false });
        assert_eq!(world.say(&hold, false, "Ann").await, Voted::Again);
        world.rig.quiet().await;
        assert_eq!(world.status(0), Status::Suspended, "one person alone lets nobody in");
        assert_eq!(world.held("deactivate").await.rejected_by, ["Ann"]);
        assert_eq!(
            world.say(&hold, true, "Ann").await,
            Voted::Needs { more: 1, with_token: false },
            "she has changed her mind"
        );
        assert_eq!(
            world.say(&hold, false, "Ben").await,
            Voted::Needs { more: 1, with_token: false },
            "her rejection counts no more"
        );
        assert_eq!(world.say(&hold, false, "Cem").await, Voted::Decided);
        world.until_status(0, Status::Active).await;
        world.rig.quiet().await;
        assert_eq!(world.status(0), Status::Active);
        let calls = world.effects(0);
        assert_eq!(calls.iter().filter(|call| call.contains("suspend")).count(), 2, "once each: {calls:?}");
        world.rig.until("it is told", async |_| !world.with_access().await.is_empty()).await;
        let message = world.with_access().await.remove(0);
        assert_eq!(message.why, WhyAccess::ByDecision);
        assert!(message.message.contains("by decision of Ben and Cem"), "{}", message.message);
        let (id, code, now) = (hold.id, hold.code.clone(), world.rig.world.clock.now());
        let taken_back = world.rig.store().run(move |c| {
            let by = decider("Ben");
            reverse(c, &Ballot { hold: id, approve: true, seen: &code, only: None, by: &by }, now)
        });
        assert_eq!(taken_back.await.expect("writes"), Voted::Decided);
        world.until_status(0, Status::Suspended).await;
        world.held("deactivate").await;
    });
}

#[test]
fn where_one_person_decides_the_end_of_an_administrator_is_rejected_after_a_delay_and_anybody_can_cancel_it() {
    on_a_system(async {
        let receiver = Receiver::default();
        let alone = "[safeguards]\napprovers = 1\napproval_delay = \"20s\"\n\n\
                     [[notify]]\nname = \"it\"\nkind = \"webhook\"\nurl = \"env:IT\"\nevents = [\"hold\"]\nevery = \"5s\"\n";
        let configure = |rig: &mut Rig| {
            rig.variables.push(("IT".into(), receiver.start()));
            rig.extra = alone.into();
        };
        let world = World::prepared(configure, supers(3)).await;
        world.leave(0);
        world.until_status(0, Status::Suspended).await;
        let hold = world.held("deactivate").await;
        assert!(matches!(world.say(&hold, false, "Ann").await, Voted::Alone { .. }));
        let waits = async |_: &Rig| world.held("deactivate").await.until.is_some();
        world.rig.until("it waits", waits).await;
        let now = world.rig.world.clock.now();
        let cancelled = world.rig.store().run(move |c| cancel(c, hold.id, &decider("Ben"), now));
        assert!(cancelled.await.expect("writes"));
        world.rig.until("it is cancelled", async |_| world.held("deactivate").await.until.is_none()).await;
        world.rig.until_later("longer than the delay", Duration::from_secs(30)).await;
        assert_eq!(world.status(0), Status::Suspended, "no means no");
        let hold = world.held("deactivate").await;
        assert!(matches!(world.say(&hold, false, "Ann").await, Voted::Alone { .. }));
        world.until_status(0, Status::Active).await;
    });
}

#[test]
fn what_one_person_has_approved_is_announced_and_done_once_the_configuration_says_that_there_is_no_other() {
    on_a_system(async {
        let receiver = Receiver::default();
        let says = |approvers: &str| {
            format!(
                "[safeguards]\nfour_eyes = true\n{approvers}[[safeguards.limits]]\nchange = \"deactivate\"\npeople = 0\n\n\
                 [[notify]]\nname = \"it\"\nkind = \"webhook\"\nurl = \"env:IT\"\nevents = [\"hold\"]\nevery = \"5s\"\n"
            )
        };
        let configure = |rig: &mut Rig| {
            rig.variables.push(("IT".into(), receiver.start()));
            rig.extra = says("");
        };
        let mut world = World::prepared(configure, |_, _| {}).await;
        world.leave(0);
        let hold = world.held("deactivate").await;
        assert_eq!(world.say(&hold, true, "Ann").await, Voted::Needs { more: 1, with_token: false });
        world.rig.until_later("longer than the delay", Duration::from_secs(30)).await;
        world.rig.extra = says("approvers = 1\napproval_delay = \"20s\"\n");
        let by = decider("Ann");
        world.rig.service().reload(world.rig.config(), &by).await.expect("is exchanged");
        world.until_status(0, Status::Deprovisioned).await;
        let announced = world.rig.pairs("SELECT kind, row FROM audit WHERE kind = 'approved_alone'").await;
        assert_eq!(announced.len(), 1, "everybody could say no: {announced:?}");
    });
}

#[test]
fn an_administrator_whose_access_was_ended_gets_it_back_by_two_people_whatever_asks_for_it() {
    on_a_system(async {
        for by_an_undo in [false, true] {
            let world = World::settled(supers(3)).await;
            world.leave(0);
            world.until_status(0, Status::Suspended).await;
            let end = world.held("deactivate").await;
            world.approve(&end).await;
            world.until_status(0, Status::Deprovisioned).await;
            world.rig.until("nobody waits", async |rig| rig.backlog().await == 0).await;
            if by_an_undo {
                let person = world.anchor(0);
                let config = config_file(&world.rig.world, world.rig.folder.path());
                let cli = |args: &[&str]| {
                    let output = program().args(args).arg("--config").arg(&config).output().expect("runs");
                    String::from_utf8_lossy(&output.stdout).into_owned()
                };
                let shown: Value = serde_json::from_str(&cli(&["undo", "--person", &person, "--json"])).expect("JSON");
                let code = shown["code"].as_str().expect("a code").to_owned();
                cli(&["undo", "--person", &person, "--apply", &code, "--by", "Ann"]);
            } else {
                world.rig.edit(world.who[0], |p| p.status = Hired::Active);
            }
            let hold = world.held("activate").await;
            assert!(hold.needs == 2 && hold.why.contains("whose access was over"), "{}", hold.why);
            assert_eq!(world.say(&hold, true, "Ann").await, Voted::Needs { more: 1, with_token: false });
            let now = world.rig.world.clock.now();
            let retried = world.rig.store().run(move |c| retry(c, None, &decider("Ann"), now));
            retried.await.expect("asks");
            world.rig.quiet().await;
            assert_eq!(world.status(0), Status::Deprovisioned, "one person alone lets nobody in");
            assert_eq!(world.say(&hold, true, "Ben").await, Voted::Decided);
            let comes_back = async |_: &Rig| world.status(0) != Status::Deprovisioned;
            world.rig.until("they have access again", comes_back).await;
        }
    });
}

#[test]
fn the_saved_plan_of_one_person_gives_no_administrator_access_back() {
    on_a_system(async {
        let asks = "\n[safeguards]\nmode = \"approve\"\n";
        let rewrite = |text: String| text + "\n[safeguards]\nmode = \"approve\"\n";
        let world = World::of(Setup { rewrite, ..Setup::of(30) }, supers(3)).await;
        world.leave(0);
        let suspension = world.held("suspend").await;
        assert_eq!(world.say(&suspension, true, "Ann").await, Voted::Decided);
        let end = world.held("deactivate").await;
        world.approve(&end).await;
        world.until_status(0, Status::Deprovisioned).await;
        world.rig.until("nobody waits", async |rig| rig.backlog().await == 0).await;
        world.rig.edit(world.who[0], |p| p.status = Hired::Active);
        world.held("activate").await;
        let config = config_file(&world.rig.world, world.rig.folder.path());
        let text = std::fs::read_to_string(&config).expect("reads") + asks;
        std::fs::write(&config, text).expect("writes");
        let cli = |args: &[&str]| {
            let output = program().args(args).arg("--config").arg(&config).output().expect("runs");
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
        };
        let plan = world.rig.folder.path().join("plan.json").display().to_string();
        cli(&["plan", "-o", &plan]);
        let applied = cli(&["apply", &plan, "--by", "Ann"]);
        assert!(applied.contains("activate needs 2 people"), "{applied}");
        world.rig.quiet().await;
        assert_eq!(world.status(0), Status::Deprovisioned, "{applied}");
        let hold = world.held("activate").await;
        assert_eq!(world.say(&hold, true, "Ben").await, Voted::Decided, "the second person");
        let comes_back = async |_: &Rig| world.status(0) != Status::Deprovisioned;
        world.rig.until("they have access again", comes_back).await;
    });
}

#[test]
fn who_was_given_a_role_a_minute_before_they_leave_is_an_administrator() {
    on_a_system(async {
        let world = World::settled(supers(3)).await;
        world.rig.world.okta.core().seed_administrator(&world.anchor(5));
        world.rig.until_later("the list was read again", Duration::from_secs(75)).await;
        world.leave(5);
        world.until_status(5, Status::Suspended).await;
        world.held("deactivate").await;
        world.rig.quiet().await;
        assert_eq!(world.status(5), Status::Suspended);
    });
}

#[test]
fn an_undo_of_the_suspension_of_an_administrator_who_has_left_takes_two_people() {
    on_a_system(async {
        let world = World::settled(supers(3)).await;
        world.leave(0);
        world.until_status(0, Status::Suspended).await;
        world.held("deactivate").await;
        world.rig.quiet().await;
        let person = world.anchor(0);
        let config = config_file(&world.rig.world, world.rig.folder.path());
        let cli = |args: &[&str]| {
            let output = program().args(args).arg("--config").arg(&config).output().expect("runs");
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let shown: Value = serde_json::from_str(&cli(&["undo", "--person", &person, "--json"])).expect("JSON");
        let code = shown["code"].as_str().expect("a code").to_owned();
        cli(&["undo", "--person", &person, "--apply", &code, "--by", "Ann"]);
        let hold = world.held("activate").await;
        assert_eq!((hold.needs, world.say(&hold, true, "Ann").await), (2, Voted::Needs { more: 1, with_token: false }));
        world.rig.quiet().await;
        assert_eq!(world.status(0), Status::Suspended, "one person alone lets nobody in");
        assert_eq!(world.say(&hold, true, "Ben").await, Voted::Decided);
        world.until_status(0, Status::Active).await;
    });
}
