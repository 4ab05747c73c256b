//! Mistakes of a whole tenant are stopped before their first call, and only what is risky waits.

use crate::common::change::metric;
use crate::common::config::config_file;
use crate::common::program::program;
use crate::common::rig::{Rig, Setup, decider, on_a_system};
use crate::common::running::Running;
use crate::common::store::dirty;
use crate::common::wait::wait_until;
use namely_okta_sync::audit::Author;
use namely_okta_sync::audit::details::Reconfigured;
use namely_okta_sync::clock::Clock;
use namely_okta_sync::sandbox::okta::Okta;
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::{Person, Status as Hired};
use namely_okta_sync::sandbox::world::population;
use namely_okta_sync::store::{Ballot, HeldChanges, Tx, Voted, held_people, holds, pause, pauses, resume, vote};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// The limits of a real tenant: what the sandbox's configuration raises is taken out.
fn as_by_default(text: String) -> String {
    let end = text.find("# Scenarios change most").expect("the raised limits");
    text[..end].to_owned()
}

fn world(n: usize) -> Setup {
    Setup { rewrite: as_by_default, ..Setup::of(n) }
}

/// Indices of people who work here and are nobody's manager.
fn workers(rig: &Rig) -> Vec<usize> {
    let people = &rig.setup.people;
    let manages = |n: usize| people.iter().any(|p| p.manager == Some(n));
    (0..people.len()).filter(|n| people[*n].status == Hired::Active && !manages(*n)).collect()
}

fn leave(rig: &Rig, people: &[usize]) {
    // In one go: no poll sees half of it.
    let now = rig.world.clock.now();
    let mut namely = rig.world.namely.core();
    people.iter().for_each(|n| namely.edit(*n, now, |p| p.status = Hired::Inactive));
}

fn gone(okta: &Okta, rig: &Rig, people: &[usize]) -> usize {
    let is_gone = |n: &&usize| {
        okta.user_by_anchor(&rig.setup.people[**n].id).is_some_and(|user| user.status == Status::Deprovisioned)
    };
    people.iter().filter(is_gone).count()
}

fn members(okta: &Okta, group: &str) -> usize {
    okta.users().filter(|user| okta.groups_of(&user.id).contains(group)).count()
}

async fn open_holds(rig: &Rig) -> Vec<HeldChanges> {
    rig.store().run(|c| holds(c, false)).await.expect("reads")
}

async fn held(rig: &Rig) -> i64 {
    rig.store().backlog().await.expect("reads").held
}

/// Somebody says something about the only hold there is.
async fn say(rig: &Rig, approve: bool, by: &'static str) -> Voted {
    let (now, rules) = (rig.world.clock.now(), rig.store().rules().load());
    rig.store()
        .run(move |c| {
            let (hold, by) = (holds(c, false)?.remove(0), decider(by));
            let ballot = Ballot { hold: hold.id, approve, seen: &hold.code, only: None, by: &by };
            vote(c, &rules, &ballot, now)
        })
        .await
        .expect("votes")
}

async fn audited(rig: &Rig, kind: &'static str) -> Vec<Value> {
    let rows = rig
        .store()
        .run(move |c| {
            let mut select = c.prepare("SELECT row FROM audit WHERE kind = ?1 ORDER BY seq")?;
            let rows = select.query_map([kind], |row| row.get::<String>(0))?;
            Ok(rows.collect::<Result<Vec<_>, _>>()?)
        })
        .await
        .expect("reads");
    rows.iter().map(|row| serde_json::from_str(row).expect("JSON")).collect()
}

#[test]
fn a_whole_tenant_that_turns_inactive_is_held_before_its_first_call() {
    on_a_system(async {
        let rig = Rig::settled(world(60)).await;
        let calls = rig.effects().len();
        let all: Vec<usize> = (0..60).collect();
        leave(&rig, &all);
        rig.until("nearly everybody is held", async |rig| held(rig).await >= 45).await;
        rig.quiet().await;
        assert_eq!(rig.effects().len(), calls, "{:?}", &rig.effects()[calls..]);
        let hold = open_holds(&rig).await.remove(0);
        assert!(hold.why.contains("at most 10 an hour") || hold.why.contains("most people on a page"), "{}", hold.why);
        let message = &hold.message;
        assert!(
            message.contains("people are to be deactivated (sandbox), after ")
                && message.contains(" edits in Namely within "),
            "{message}"
        );
        assert!(message.contains(" % of ") && message.contains("the first such hold in 90 days"), "{message}");
        let shown = "namely_okta_sync_held{org=\"sandbox\"}";
        rig.until("the metric shows it", async |rig| metric(rig, shown) == Some(held(rig).await as f64)).await;
    });
}

#[test]
fn an_empty_or_half_answer_ends_nobody() {
    on_a_system(async {
        let rig = Rig::settled(world(60)).await;
        let calls = rig.effects().len();
        (20..60).for_each(|n| rig.world.namely.core().vanish(n));
        rig.quiet().await;
        (0..20).for_each(|n| rig.world.namely.core().vanish(n));
        rig.quiet().await;
        assert_eq!(rig.effects().len(), calls);
        assert!(open_holds(&rig).await.is_empty());
    });
}

#[test]
fn a_renamed_department_is_held_as_a_whole_before_its_first_call_and_nobody_else_with_it() {
    on_a_system(async {
        let mut setup = world(400);
        // The names of groups are read every ten minutes.
        setup.clock = Clock::scaled_from_today(60.0);
        setup.people = population(400, 1, setup.clock.now());
        let people: Vec<Person> = setup
            .people
            .iter()
            .map(|p| Person { department: if p.department < 5 { 1 } else { p.department }, ..p.clone() })
            .collect();
        setup.people = people;
        let rig = Rig::settled(setup).await;
        let calls = rig.effects().len();
        rig.world.namely.core().rename_departments(&[
            "Engineering",
            "Sales and Success",
            "Finance",
            "Support",
            "Marketing",
            "Operations",
            "Legal",
            "Product",
        ]);
        let sales = members(&rig.world.okta.core(), "Department Sales");
        assert!(sales > 150, "{sales}");
        // A few of them wait for their start or have turned pending: these are kept as they are.
        rig.until("the department is held", async |rig| held(rig).await > i64::try_from(sales * 9 / 10).expect("fits"))
            .await;
        rig.quiet().await;
        let made = rig.effects()[calls..].iter().filter(|e| *e != "POST /api/v1/groups").count();
        assert_eq!(made, 0, "nobody lost a group, or got one: {:?}", &rig.effects()[calls..]);
        assert_eq!(members(&rig.world.okta.core(), "Department Sales"), sales);
        for hold in open_holds(&rig).await {
            assert_eq!(hold.people, held(&rig).await, "{}", hold.change);
            assert!(matches!(hold.change.as_str(), "remove_group" | "add_group"), "{}", hold.change);
        }
        assert_eq!(open_holds(&rig).await.len(), 2);
        // Somebody else moves meanwhile.
        let people = &rig.setup.people;
        let of_others = |n: &usize| people[*n].department > 4 && people[*n].department != 6;
        let mover = workers(&rig).into_iter().find(of_others).expect("somebody else");
        let anchor = people[mover].id.clone();
        rig.edit(mover, |p| p.department = 6);
        rig.until_okta("they have moved", |okta| {
            let groups = okta.user_by_anchor(&anchor).map(|user| okta.groups_of(&user.id)).unwrap_or_default();
            groups.contains("Department Legal") && groups.iter().filter(|g| g.starts_with("Department")).count() == 1
        })
        .await;
    });
}

#[test]
fn a_few_who_leave_are_not_held_and_the_one_too_many_is_with_those_who_wait() {
    on_a_system(async {
        let rig = Rig::settled(world(80)).await;
        let people = workers(&rig);
        let (first, then) = people.split_at(6);
        leave(&rig, first);
        rig.until_okta("the first have left", |okta| gone(okta, &rig, first) == 6).await;
        leave(&rig, &then[..6]);
        rig.until("the others are held", async |rig| held(rig).await == 6).await;
        assert_eq!(gone(&rig.world.okta.core(), &rig, &then[..6]), 0);
        let hold = open_holds(&rig).await.remove(0);
        assert!(hold.why.contains("6 people were let through or held before"), "{}", hold.why);
    });
}

#[test]
fn an_approval_lets_go_exactly_what_was_shown_and_stands_in_the_audit() {
    on_a_system(async {
        let rig = Rig::settled(world(80)).await;
        let people: Vec<usize> = workers(&rig).into_iter().take(13).collect();
        leave(&rig, &people[..12]);
        rig.until("twelve are held", async |rig| held(rig).await == 12).await;
        let shown = open_holds(&rig).await.remove(0);
        // Somebody else joins them before the answer arrives.
        leave(&rig, &people[12..]);
        rig.until("thirteen are held", async |rig| held(rig).await == 13).await;
        let (now, rules) = (rig.world.clock.now(), rig.store().rules().load());
        let stale = rig.store().run(move |c| {
            let by = decider("Ann");
            let ballot = Ballot { hold: shown.id, approve: true, seen: &shown.code, only: None, by: &by };
            vote(c, &rules, &ballot, now)
        });
        let stale = stale.await.expect("votes");
        assert!(matches!(stale, Voted::Changed { .. }), "{stale:?}");
        assert_eq!(gone(&rig.world.okta.core(), &rig, &people), 0);
        assert_eq!(say(&rig, true, "Ann").await, Voted::Decided);
        rig.until_okta("all have left", |okta| gone(okta, &rig, &people) == 13).await;
        rig.until("nobody is held", async |rig| held(rig).await == 0 && rig.backlog().await == 0).await;
        let message = audited(&rig, "hold_ended").await;
        assert_eq!(message.iter().filter(|row| row["target"].is_i64() && row["detail"]["by"][0] == "Ann").count(), 13);
        // Whoever was approved does not count: one more leaver is an ordinary one.
        let next: Vec<usize> = workers(&rig).into_iter().skip(13).take(1).collect();
        leave(&rig, &next);
        rig.until_okta("an ordinary leaver leaves", |okta| gone(okta, &rig, &next) == 1).await;
    });
}

#[test]
fn a_part_can_be_approved_and_a_rejection_lasts_until_hr_corrects_it() {
    on_a_system(async {
        let rig = Rig::settled(world(80)).await;
        let people: Vec<usize> = workers(&rig).into_iter().take(12).collect();
        leave(&rig, &people);
        rig.until("twelve are held", async |rig| held(rig).await == 12).await;
        let meant = rig.setup.people[people[0]].id.clone();
        let (now, rules) = (rig.world.clock.now(), rig.store().rules().load());
        rig.store()
            .run(move |c| {
                let (hold, by) = (holds(c, false)?.remove(0), decider("Ann"));
                let one = held_people(c, hold.id)?.into_iter().find(|p| p.profile == meant).expect("held").target;
                let only = BTreeSet::from([one]);
                let ballot = Ballot { hold: hold.id, approve: true, seen: &hold.code, only: Some(&only), by: &by };
                vote(c, &rules, &ballot, now)
            })
            .await
            .expect("votes");
        rig.until_okta("the one has left", |okta| gone(okta, &rig, &people[..1]) == 1).await;
        rig.until("eleven are held", async |rig| held(rig).await == 11).await;
        assert_eq!(say(&rig, false, "Ben").await, Voted::Decided);
        rig.until("the hold is decided", async |rig| open_holds(rig).await.is_empty()).await;
        rig.until("eleven wait for HR", async |rig| held(rig).await == 11).await;
        // What a reload does: everybody who waits is evaluated again, and nobody is asked again.
        let withheld = audited(&rig, "withheld").await.len();
        let (rules, now) = (rig.store().rules().load(), rig.world.clock.now());
        let changes = Reconfigured { changes: Vec::new(), author: Author::new("Ann", "uid:1") };
        let known = |c: &Tx| Ok(c.query_row("SELECT value FROM meta WHERE key = 'rules'", [], |row| row.get(0))?);
        let fingerprint: String = rig.store().run(known).await.expect("reads");
        rig.store().exchange_rules(rules, fingerprint, changes, now).await.expect("writes");
        rig.until("eleven were evaluated again", async |rig| audited(rig, "withheld").await.len() == withheld + 11)
            .await;
        rig.until("eleven still wait", async |rig| held(rig).await == 11 && rig.backlog().await == 0).await;
        assert!(open_holds(&rig).await.is_empty());
        assert_eq!(gone(&rig.world.okta.core(), &rig, &people[1..]), 0);
        people[1..].iter().for_each(|n| rig.edit(*n, |p| p.status = Hired::Active));
        rig.until("nobody waits", async |rig| held(rig).await == 0 && rig.backlog().await == 0).await;
        assert_eq!(gone(&rig.world.okta.core(), &rig, &people[1..]), 0);
    });
}

#[test]
fn what_was_approved_under_a_pause_is_over_when_the_people_have_moved_meanwhile() {
    on_a_system(async {
        let rig = Rig::settled(world(80)).await;
        let people: Vec<usize> = workers(&rig).into_iter().take(12).collect();
        leave(&rig, &people);
        rig.until("twelve are held", async |rig| held(rig).await == 12).await;
        rig.store().pause(None, None, "HR checks", &decider("Ann"), rig.world.clock.now()).await;
        assert_eq!(say(&rig, true, "Ben").await, Voted::Decided);
        rig.until("nobody is held", async |rig| held(rig).await == 0).await;
        people.iter().for_each(|n| rig.edit(*n, |p| p.status = Hired::Active));
        let seen = async |rig: &Rig, word: &str| {
            let rows = audited(rig, "observed").await;
            let since = rows.iter().rev().take(12).filter(|row| row["detail"]["entitlement"]["is"] == word);
            since.count() == 12
        };
        rig.until("they are back", async |rig| seen(rig, "entitled").await).await;
        rig.until_later("a moment", Duration::from_secs(5)).await;
        leave(&rig, &people);
        rig.until("they have left again", async |rig| seen(rig, "ended").await).await;
        rig.store().resume(None, &decider("Ann"), rig.world.clock.now()).await.expect("resumes");
        rig.until("somebody decides anew", async |rig| held(rig).await == 12 && rig.backlog().await == 0).await;
        assert_eq!(gone(&rig.world.okta.core(), &rig, &people), 0, "the approval was of another day");
    });
}

#[test]
fn a_hold_ends_by_itself_when_hr_takes_the_mistake_back_and_reminds_until_then() {
    on_a_system(async {
        let mut setup = world(80);
        setup.rewrite = |text| format!("{}\n[safeguards]\nremind = \"20s\"\n", as_by_default(text));
        let rig = Rig::settled(setup).await;
        let people: Vec<usize> = workers(&rig).into_iter().take(12).collect();
        leave(&rig, &people);
        rig.until("somebody is reminded", async |rig| !audited(rig, "reminded").await.is_empty()).await;
        assert_eq!(gone(&rig.world.okta.core(), &rig, &people), 0, "a hold never acts");
        people.iter().for_each(|n| rig.edit(*n, |p| p.status = Hired::Active));
        rig.until("the hold is gone", async |rig| open_holds(rig).await.is_empty() && held(rig).await == 0).await;
        assert_eq!(gone(&rig.world.okta.core(), &rig, &people), 0);
    });
}

#[test]
fn a_protected_account_is_never_written_and_the_attempt_is_told() {
    on_a_system(async {
        let mut setup = world(30);
        setup.rewrite = |text| format!("{}\n[protected]\ngroups = [\"Break Glass*\"]\n", as_by_default(text));
        let mut rig = Rig::new(setup);
        let who = workers(&rig)[0];
        {
            let mut okta = rig.world.okta.core();
            let group = okta.seed_group("Break Glass Accounts", "OKTA_GROUP", rig.world.clock.now());
            let id = okta.user_by_anchor(&rig.setup.people[who].id).expect("an account").id.clone();
            okta.seed_member(&group, &id);
        }
        rig.run().await;
        rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
        let calls = rig.effects().len();
        leave(&rig, &[who]);
        rig.until("the attempt is told", async |rig| {
            rig.quarantined().await.iter().any(|(_, why)| why.contains("protected") && why.contains("access ends"))
        })
        .await;
        assert_eq!(rig.effects().len(), calls);
    });
}

#[test]
fn a_service_that_only_observes_writes_nothing_and_audits_what_it_would_have_done() {
    on_a_system(async {
        let mut setup = world(30);
        setup.in_okta = 29;
        setup.rewrite = |text| format!("{}\n[safeguards]\nmode = \"observe\"\n", as_by_default(text));
        let mut rig = Rig::new(setup);
        rig.run().await;
        rig.until("both sides were read", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0)
            .await;
        leave(&rig, &workers(&rig)[..1]);
        rig.until("the leaver is held", async |rig| {
            audited(rig, "withheld").await.iter().any(|row| row["detail"]["steps"].to_string().contains("deactivate"))
        })
        .await;
        assert!(rig.effects().is_empty(), "{:?}", rig.effects());
    });
}

#[test]
fn a_service_that_asks_does_nothing_but_what_was_approved() {
    on_a_system(async {
        let mut setup = world(30);
        setup.rewrite = |text| format!("{}\n[safeguards]\nmode = \"approve\"\n", as_by_default(text));
        let rig = Rig::settled(setup).await;
        let who = workers(&rig)[0];
        let anchor = rig.setup.people[who].id.clone();
        rig.edit(who, |p| p.direct_dial = "+1 555 999".into());
        rig.until("the change is held", async |rig| held(rig).await == 1).await;
        assert!(rig.effects().is_empty(), "{:?}", rig.effects());
        assert_eq!(say(&rig, true, "Ann").await, Voted::Decided);
        rig.until_okta("the number is there", |okta| {
            okta.user_by_anchor(&anchor)
                .is_some_and(|u| u.profile.get("primaryPhone").is_some_and(|p| p == "+1 555 999"))
        })
        .await;
    });
}

#[test]
fn a_pause_stops_every_write_survives_a_restart_and_ends_where_it_was() {
    on_a_system(async {
        // No service in this process: the program runs, is killed, and runs again.
        let rig = Rig::new(world(40));
        let folder = rig.folder.path().to_owned();
        let (config, log, store) = (config_file(&rig.world, &folder), folder.join("log"), folder.join("store.db"));
        let command = |args: &[&str]| {
            let output = program().args(args).arg("--config").arg(&config).output().expect("runs");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let waits = |n: i64| move |store: &std::path::Path| dirty(store).is_some_and(|(dirty, _)| dirty == n);
        let walked = |store: &std::path::Path| {
            let connection = namely_okta_sync::store::Store::reader(store);
            connection
                .is_ok_and(|c| c.query_row("SELECT 1 FROM meta WHERE key LIKE 'walked %'", [], |_| Ok(())).is_ok())
        };
        let mut service = Running::service(&config, &log, None);
        wait_until("both sides agree", &log, || walked(&store) && waits(0)(&store));
        assert!(command(&["pause", "--why", "the merger is off", "--by", "Ann"]).contains("every write"));
        let who = workers(&rig)[0];
        leave(&rig, &[who]);
        wait_until("the leaver waits", &log, || waits(1)(&store));
        service.kill();
        let before = rig.effects().len();
        let _service = Running::service(&config, &log, None);
        let runs = |store: &std::path::Path| {
            let connection = namely_okta_sync::store::Store::reader(store).expect("opens");
            connection
                .query_row("SELECT value FROM meta WHERE key = 'run'", [], |row| row.get::<String>(0))
                .expect("reads")
        };
        wait_until("it runs again", &log, || runs(&store) == "2" && waits(1)(&store));
        let pages = || rig.world.namely.core().history().exchanges().len();
        let asked = pages();
        wait_until("Namely was looked at again", &log, || pages() > asked + 12);
        assert_eq!(rig.effects().len(), before);
        assert!(command(&["pause", "--list"]).contains("the merger is off"));
        command(&["resume", "--by", "Ben"]);
        wait_until("the leaver has left", &log, || {
            let mut okta = rig.world.okta.core();
            okta.settle(rig.world.clock.now());
            gone(&okta, &rig, &[who]) == 1
        });
        wait_until("both are in the audit file", &log, || {
            let audit = std::fs::read_to_string(folder.join("audit.jsonl")).unwrap_or_default();
            audit.contains("\"kind\":\"paused\"") && audit.contains("\"kind\":\"resumed\"")
        });
    });
}

#[test]
fn one_kind_can_be_paused_while_everything_else_goes_on() {
    on_a_system(async {
        let rig = Rig::settled(world(40)).await;
        let people = workers(&rig);
        let now = rig.world.clock.now();
        let deactivate = namely_okta_sync::domain::ChangeKind::Deactivate;
        rig.store()
            .run(move |c| pause(c, Some("sandbox"), Some(deactivate), "HR checks", &decider("Ann"), now))
            .await
            .expect("pauses");
        leave(&rig, &people[..1]);
        rig.edit(people[1], |p| p.direct_dial = "+1 555 999".into());
        let anchor = rig.setup.people[people[1]].id.clone();
        rig.until_okta("the number is there", |okta| {
            okta.user_by_anchor(&anchor)
                .is_some_and(|u| u.profile.get("primaryPhone").is_some_and(|p| p == "+1 555 999"))
        })
        .await;
        rig.until("the leaver is held", async |rig| held(rig).await == 1).await;
        assert_eq!(gone(&rig.world.okta.core(), &rig, &people[..1]), 0);
        rig.store().run(move |c| resume(c, None, &decider("Ann"), now)).await.expect("resumes");
        rig.until_okta("the leaver has left", |okta| gone(okta, &rig, &people[..1]) == 1).await;
        assert!(rig.store().run(pauses).await.expect("reads").is_empty());
    });
}

#[test]
fn the_command_line_shows_holds_and_refuses_what_was_not_shown() {
    on_a_system(async {
        let rig = Rig::settled(world(80)).await;
        let people: Vec<usize> = workers(&rig).into_iter().take(12).collect();
        leave(&rig, &people);
        rig.until("twelve are held", async |rig| held(rig).await == 12).await;
        let config = config_file(&rig.world, rig.folder.path());
        let run = |args: &[&str]| {
            let output = program().args(args).arg("--config").arg(&config).output().expect("runs");
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            (output.status.success(), text(&output.stdout), text(&output.stderr))
        };
        let (ok, shown, err) = run(&["holds", "show", "1"]);
        assert!(
            ok && shown.contains("12 people are to be deactivated") && shown.contains("access ends"),
            "{shown}{err}"
        );
        let code =
            shown.split("holds approve 1 ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a code").to_owned();
        let (ok, _, err) = run(&["holds", "approve", "1", "00000000", "--by", "Ann"]);
        assert!(!ok && err.contains("look at it again"), "{err}");
        let (ok, said, err) = run(&["holds", "approve", "1", &code, "--by", "Ann"]);
        assert!(ok && said.contains("approved by Ann"), "{said}{err}");
        rig.until_okta("all have left", |okta| gone(okta, &rig, &people) == 12).await;
        let (ok, list, _) = run(&["holds", "list", "--all", "--json"]);
        let list: Value = serde_json::from_str(&list).expect("JSON");
        assert!(ok && list[0]["verdict"] == "approved", "{list}");
    });
}
