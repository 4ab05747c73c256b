//! Terminations against an org that refuses one thing, once or for good.

use super::super::tests::World;
use super::super::{Act, Run};
use super::*;
use crate::domain::account::administrators::{AdminLevel, Administrators};
use crate::domain::pattern::Pattern;
use crate::domain::plan::termination::LONGEST_WAIT;
use crate::domain::record::lifecycle::{Policies, Termination};
use crate::domain::work::run::Claim;
use crate::domain::{Account, ChangeKind, Employee, Group, UserStatus};
use std::collections::BTreeSet;
use std::time::Duration;

#[path = "refusing_org.rs"]
mod refusing_org;
use refusing_org::{Org, play_run};

fn leaver() -> Employee {
    Employee { user_status: UserStatus::Inactive, ..crate::domain::record::employee::tests::an_employee() }
}

fn refusals() -> Vec<Outcome> {
    let mut all: Vec<Outcome> = [Fixer::Hr, Fixer::OktaAdmin, Fixer::Config, Fixer::Maintainer]
        .map(|who| Outcome::Refused { why: "HTTP 403 E0000006".into(), who })
        .into();
    all.extend([
        Outcome::Missing,
        Outcome::AlreadySo,
        Outcome::Replan { why: "HTTP 412".into() },
        Outcome::Retry { after: Duration::from_secs(1), why: "HTTP 409".into() },
        Outcome::Unknown { why: "HTTP 500".into() },
    ]);
    all
}

const STEPS: [&str; 8] = [
    "read_account",
    "revoke_sessions",
    "deactivate",
    "suspend",
    "revoke_sessions_again",
    "read_back",
    "list_groups",
    "remove_group",
];

#[test]
fn a_leaver_ends_whatever_okta_refuses_once() {
    let world = World::new();
    for step in STEPS {
        for outcome in refusals() {
            for read_first in [false, true] {
                let mut org = Org::of(world.account());
                (org.fault, org.times) = (Some((step, outcome.clone())), 1);
                let claim = Claim { read_first, ..world.claim(leaver(), Some(world.account())) };
                let ended = play_run(&world, claim, &mut org, 5);
                let message = format!("{step} {outcome:?} look {read_first}: {:?} {}", org.calls, ended.why);
                assert!(ended.done, "{message}");
                assert_eq!(org.account.status, AccountStatus::Deprovisioned, "{message}");
                assert!(org.groups.is_empty(), "{message}");
            }
        }
    }
}

#[test]
fn whatever_okta_refuses_for_good_the_rest_is_taken_and_it_is_tried_again_without_end() {
    let world = World::new();
    for step in STEPS {
        for outcome in refusals() {
            let mut org = Org::of(world.account());
            (org.fault, org.times) = (Some((step, outcome.clone())), u32::MAX);
            let ended = play_run(&world, world.claim(leaver(), Some(world.account())), &mut org, 12);
            let message = format!("{step} {outcome:?}: {:?} {}", &org.calls[..org.calls.len().min(40)], ended.why);
            let harmless = matches!(step, "read_account" | "revoke_sessions" | "suspend" | "revoke_sessions_again");
            assert_eq!(ended.done, harmless, "{message}");
            let closed = if step == "deactivate" { AccountStatus::Suspended } else { AccountStatus::Deprovisioned };
            assert_eq!(org.account.status, closed, "{message}");
            assert_eq!(org.groups.is_empty(), step != "remove_group", "{message}");
            assert!(org.calls.contains(&"revoke_sessions"), "{message}");
            if !harmless {
                assert!(ended.waits.iter().all(|wait| *wait <= LONGEST_WAIT), "{message}: {:?}", ended.waits);
                assert!(ended.why.contains(step) || step == "remove_group", "{message}");
                // It ends as soon as Okta lets it.
                (org.fault, org.times) = (None, 0);
                let account = Some(Account { marks: Default::default(), ..org.account.clone() });
                let ended = play_run(&world, Claim { read_first: true, ..world.claim(leaver(), account) }, &mut org, 3);
                assert!(ended.done, "{message}: {:?}", ended.why);
            }
        }
    }
}

#[test]
fn who_cannot_be_ended_waits_longer_each_time_up_to_five_minutes_and_it_is_said_who_can_mend_it() {
    let world = World::new();
    let mut org = Org::of(world.account());
    let refused = Outcome::Refused { why: "HTTP 403 E0000006".into(), who: Fixer::OktaAdmin };
    (org.fault, org.times) = (Some(("deactivate", refused)), u32::MAX);
    let ended = play_run(&world, world.claim(leaver(), Some(world.account())), &mut org, 9);
    let seconds: Vec<u64> = ended.waits.iter().map(Duration::as_secs).collect();
    assert_eq!(seconds, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
    for words in ["deactivate", "E0000006", "an Okta administrator can fix it"] {
        assert!(ended.why.contains(words), "{words}: {}", ended.why);
    }
}

#[test]
fn a_leaver_who_is_protected_or_cannot_be_told_from_somebody_else_is_tried_as_often_as_one_whom_okta_refuses() {
    let mut world = World::new();
    world.rulebook.safeguards.protected.logins = vec![Pattern::new(&world.account().login)];
    let mut org = Org::of(world.account());
    let protected = play_run(&world, world.claim(leaver(), Some(world.account())), &mut org, 8);
    assert!(protected.why.contains("nothing is written") && org.calls.is_empty(), "{}: {:?}", protected.why, org.calls);
    let world = World::new();
    let claim = world.claim(leaver(), None);
    let login = Some("somebody@example.com".to_owned());
    let stranger = Account { anchor: Some("another profile".into()), ..world.account() };
    let mut org = Org::of(stranger);
    let other = play_run(&world, Claim { read_first: true, login, ..claim }, &mut org, 8);
    assert!(other.why.contains("another profile"), "{}", other.why);
    for waits in [protected.waits, other.waits] {
        let seconds: Vec<u64> = waits.iter().map(Duration::as_secs).collect();
        assert_eq!(seconds, [5, 10, 20, 40, 80, 160, 300, 300]);
    }
}

#[test]
fn a_leaver_in_a_protected_group_is_asked_about_at_each_try_and_ended_once_they_are_out_of_it() {
    let mut world = World::new();
    world.rulebook.safeguards.protected.groups = vec![Pattern::new("Staff")];
    let mut org = Org::of(world.account());
    let ended = play_run(&world, world.claim(leaver(), Some(world.account())), &mut org, 2);
    assert!(!ended.done && ended.why.contains("nothing is written"), "{}", ended.why);
    assert_eq!(org.calls, ["read_groups", "read_groups"][..org.calls.len()], "nothing is written");
    assert!(!org.calls.is_empty(), "nobody has asked whether they are still in it");
    org.groups.remove("00gStaff");
    let ended = play_run(&world, world.claim(leaver(), Some(world.account())), &mut org, 1);
    assert!(ended.done, "{}: {:?}", ended.why, org.calls);
    assert_eq!(org.account.status, AccountStatus::Deprovisioned);
}

#[test]
fn a_leaver_whose_accounts_are_in_doubt_waits_for_the_decision_and_only_what_okta_did_not_do_is_tried_again() {
    let world = World::new();
    let doubtful = vec!["00u7".to_owned(), "00u8".to_owned()];
    let conflict = Some("two accounts carry the anchor".to_owned());
    let claim = Claim { conflict, doubtful, ..world.claim(leaver(), None) };
    let refused = Outcome::Refused { why: "HTTP 403 E0000006".into(), who: Fixer::OktaAdmin };
    for (first, expected) in [(Outcome::Applied, None), (refused, Some(Duration::from_secs(5)))] {
        let mut run = Run::new(claim.clone());
        let mut act = run.begin(&world.context());
        let mut sessions = 0;
        let release = loop {
            let Act::Send { step, .. } = act else { panic!("{act:?}") };
            assert_eq!(step.name(), "revoke_sessions");
            sessions += 1;
            let outcome = if sessions == 1 { first.clone() } else { Outcome::Applied };
            let concluded = run.conclude(&step, &outcome, &Answer::Done, &world.context());
            match (concluded.next, concluded.then) {
                (Next::Release(release), _) => break release,
                (_, Some(next)) => act = next,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(sessions, 2, "of each account, whatever Okta says to the first: {first:?}");
        let Release::Quarantined { again, .. } = release else { panic!("{release:?}") };
        assert_eq!(again.map(|at| at.since(world.now)), expected, "{first:?}");
    }
}

#[test]
fn an_administrator_whom_okta_does_not_suspend_is_tried_again_while_two_people_are_waited_for() {
    let mut world = World::new();
    let listed = Some([("00u1".to_owned(), AdminLevel::Lesser)].into());
    world.directory = world.directory.with_administrators(Administrators { listed, ..Administrators::default() });
    let account = Account { status: AccountStatus::PasswordExpired, ..world.account() };
    let mut claim = world.claim(leaver(), Some(account.clone()));
    claim.restraint.as_administrator = ChangeKind::ALL.into();
    claim.restraint.passed.remove(&ChangeKind::Deactivate);
    claim.restraint.held = [(ChangeKind::Deactivate, "two people".to_owned())].into();
    let mut org = Org::of(account);
    let ended = play_run(&world, claim.clone(), &mut org, 2);
    assert!(ended.waits.iter().all(|wait| *wait <= LONGEST_WAIT), "{:?}", ended.waits);
    assert_eq!(ended.why, "two people");
    // They have chosen a new password.
    org.account.status = AccountStatus::Active;
    let mut run = Run::new(Claim { read_first: true, ..claim });
    let mut act = run.begin(&world.context());
    while let Act::Send { step, .. } = act {
        let (outcome, answer) = org.answer(&step);
        let Concluded { next, then, .. } = run.conclude(&step, &outcome, &answer, &world.context());
        act = if let Next::Release(release) = next { Act::Release(release) } else { then.expect("goes on") };
    }
    assert_eq!(org.account.status, AccountStatus::Suspended, "{:?}", org.calls);
    assert!(matches!(act, Act::Release(Release::Held { again: None, .. })), "only people are waited for: {act:?}");
}

#[test]
fn in_the_grace_what_cannot_be_suspended_is_deactivated() {
    let mut world = World::new();
    let termination = Termination { grace: Duration::from_secs(86_400), ..Termination::default() };
    world.rulebook.policies = Policies { termination, ..Policies::default() };
    use AccountStatus::{Active, LockedOut, PasswordExpired, Provisioned, Recovery, Staged, Unknown};
    for status in [Staged, Provisioned, PasswordExpired, Recovery, Unknown] {
        let account = Account { status, ..world.account() };
        let mut org = Org::of(account.clone());
        let ended = play_run(&world, world.claim(leaver(), Some(account)), &mut org, 4);
        assert!(ended.done, "{status:?}: {:?}", org.calls);
        assert_eq!(org.account.status, AccountStatus::Deprovisioned, "{status:?}: {:?}", org.calls);
    }
    for (status, step) in [(LockedOut, "unlock"), (LockedOut, "suspend"), (Active, "suspend")] {
        for outcome in refusals() {
            for (times, expected) in [(1, AccountStatus::Suspended), (u32::MAX, AccountStatus::Deprovisioned)] {
                let account = Account { status, ..world.account() };
                let mut org = Org::of(account.clone());
                (org.fault, org.times) = (Some((step, outcome.clone())), times);
                let ended = play_run(&world, world.claim(leaver(), Some(account)), &mut org, 12);
                let message = format!("{status:?} {step} {outcome:?} {times}: {:?} {}", org.calls, ended.why);
                assert!(ended.done, "{message}");
                let is_locked = status == LockedOut && step == "unlock";
                let closed = if is_locked { AccountStatus::Deprovisioned } else { expected };
                assert_eq!(org.account.status, closed, "{message}");
            }
        }
    }
}

/// Plays a run to its end against an org that answers each call once as given, and does not answer anything else.
fn answered(world: &World, read_first: bool, mut answers: Vec<(&str, Outcome, Answer)>) -> Release {
    let mut run = Run::new(Claim { attempt: 1, read_first, ..world.claim(leaver(), Some(world.account())) });
    let mut act = run.begin(&world.context());
    loop {
        let step = match act {
            Act::Send { step, .. } => step,
            Act::Release(release) => break release,
        };
        let (outcome, answer) = match answers.iter().position(|(name, ..)| *name == step.name()) {
            Some(at) => (answers[at].1.clone(), answers.remove(at).2),
            None => (Outcome::Unknown { why: "the connection broke".into() }, Answer::Done),
        };
        let Concluded { next, then, .. } = run.conclude(&step, &outcome, &answer, &world.context());
        act = if let Next::Release(release) = next { Act::Release(release) } else { then.expect("goes on") };
    }
}

#[test]
fn that_okta_does_not_know_whom_it_deactivated_is_a_refusal_only_after_it_has_shown_the_account_open() {
    let world = World::new();
    let open = || ("read_account", Outcome::Applied, Answer::User(world.account()));
    let unknown = || ("deactivate", Outcome::Missing, Answer::Done);
    // The answer to the first was lost, and nobody could read the account: it may be closed.
    let Release::ReadFirst { why, .. } = answered(&world, false, vec![]) else { panic!("nobody has seen it open") };
    assert!(why.starts_with("may still have access: "), "{why}");
    let Release::ReadFirst { why, .. } = answered(&world, false, vec![unknown()]) else {
        panic!("nobody has seen it open")
    };
    assert!(why.contains("deactivate: Okta says that there is no such account, which it also says"), "{why}");
    // Seen open after that answer: the next try is a refusal if it gets the same answer.
    let release = answered(&world, false, vec![unknown(), open()]);
    assert!(matches!(&release, Release::ReadFirst { why, .. } if why.starts_with("still has access")), "{release:?}");
    let release = answered(&world, true, vec![open(), unknown(), open()]);
    assert!(matches!(&release, Release::Quarantined { why, .. } if why.contains("and shows it")), "{release:?}");
}

#[test]
fn an_account_that_two_answers_do_not_know_is_gone_and_one_answer_proves_nothing() {
    let world = World::new();
    let mut org = Org::of(world.account());
    org.is_gone = true;
    let ended = play_run(&world, world.claim(leaver(), Some(world.account())), &mut org, 3);
    assert_eq!(ended.why, "searched", "nobody is done before every name was asked for");
    assert_eq!(org.calls, ["revoke_sessions", "deactivate", "read_account"]);
}

#[test]
fn every_page_of_a_leavers_groups_is_read_and_a_list_without_end_is_not_followed() {
    let world = World::new();
    for endless in [false, true] {
        let mut org = Org::of(world.account());
        let mut run = Run::new(world.claim(leaver(), Some(world.account())));
        let mut act = run.begin(&world.context());
        let mut pages = 0;
        while let Act::Send { step, .. } = &act {
            let step = step.clone();
            let (outcome, mut answer) = org.answer(&step);
            if let (Step::ListGroups { page, .. }, Answer::Groups { next, .. }) = (&step, &mut answer) {
                assert_eq!(page.as_deref(), (pages > 0).then_some("/next").filter(|_| endless).or(page.as_deref()));
                pages += 1;
                *next = if endless { Some("/next".into()) } else { (pages < 4).then(|| format!("/page{pages}")) };
            }
            let concluded = run.conclude(&step, &outcome, &answer, &world.context());
            let Some(next) = concluded.then else {
                match concluded.next {
                    Next::Release(Release::Done { .. }) if !endless => break,
                    Next::Release(Release::Quarantined { why, again: Some(_), .. }) if endless => {
                        assert!(why.contains("does not end"), "{why}");
                        break;
                    }
                    other => panic!("{other:?}"),
                }
            };
            act = next;
        }
        assert_eq!(pages, if endless { 2 } else { 5 }, "all four, and one that shows that nothing is left");
        assert!(org.groups.is_empty(), "what is known goes all the same");
    }
}

#[test]
fn a_leaver_is_ended_by_the_id_of_the_account_when_there_is_no_room_for_reading() {
    let world = World::new();
    let claim = Claim { read_first: true, ..world.claim(leaver(), Some(world.account())) };
    let mut run = Run::new(claim);
    let Act::Send { step: read_first, .. } = run.begin(&world.context()) else { panic!("a call") };
    assert_eq!((read_first.name(), run.priority_of(&read_first)), ("read_account", Priority::Revoke));
    let Some(Act::Send { step, .. }) = run.without_reading(&read_first, &world.context()) else { panic!("a call") };
    assert_eq!(step.name(), "revoke_sessions");
}

#[test]
fn only_a_leaver_whose_access_is_open_draws_on_the_reserve_to_learn_whether_they_are_protected_and_only_without_room() {
    let mut world = World::new();
    world.rulebook.safeguards.protected.groups = vec![Pattern::new("Break Glass")];
    let begun = |employee: Employee| {
        let mut run = Run::new(world.claim(employee, Some(world.account())));
        let Act::Send { step, .. } = run.begin(&world.context()) else { panic!("a call") };
        assert_eq!((step.name(), run.urgency(&step)), ("read_groups", Priority::Remove));
        (run, step)
    };
    let mover = Employee { departments: Vec::new(), ..crate::domain::record::employee::tests::an_employee() };
    let (mut run, read) = begun(mover);
    assert_eq!(run.hurry(&read, &world.context()), None, "a mover waits for the window");
    let (mut run, read) = begun(leaver());
    let Some(Act::Send { step, planned: Some(_) }) = run.hurry(&read, &world.context()) else { panic!("a call") };
    assert_eq!((&step, run.urgency(&step)), (&read, Priority::Revoke));
    assert_eq!(run.hurry(&read, &world.context()), None, "what is urgent is never sent away");
}

#[test]
fn a_suspension_that_okta_accepts_and_does_not_do_is_no_end_of_access() {
    let mut world = World::new();
    let termination = Termination { grace: Duration::from_secs(86_400), ..Termination::default() };
    world.rulebook.policies = Policies { termination, ..Policies::default() };
    for (times, closed) in [(0, AccountStatus::Suspended), (1, AccountStatus::Deprovisioned)] {
        let mut org = Org::of(world.account());
        (org.fault, org.times) = (Some(("suspend", Outcome::Applied)), times);
        let ended = play_run(&world, world.claim(leaver(), Some(world.account())), &mut org, 3);
        assert!(ended.done, "{}: {:?}", ended.why, org.calls);
        assert_eq!(org.account.status, closed, "{:?}", org.calls);
        let suspends = org.calls.iter().position(|call| *call == "suspend").expect("a suspension");
        assert_eq!(org.calls[suspends + 1], "read_account", "it is read before anybody is done");
    }
}

#[test]
fn who_was_lost_and_is_found_deactivated_leaves_the_groups_that_nobody_has_read() {
    let world = World::new();
    let account = Account { status: AccountStatus::Deprovisioned, ..world.account() };
    let mut org = Org::of(account.clone());
    let alone = Account { groups: BTreeSet::new(), ..account.clone() }.found_alone();
    assert!(play_run(&world, world.claim(leaver(), Some(alone)), &mut org, 1).done);
    assert!(org.groups.is_empty(), "{:?}", org.calls);
    let mut org = Org::of(account.clone());
    assert!(play_run(&world, world.claim(leaver(), Some(account)), &mut org, 1).done);
    assert!(org.calls.is_empty(), "a list has shown that it was over before: {:?}", org.calls);
}

#[test]
fn a_membership_that_okta_says_to_have_ended_and_shows_still_is_taken_again_and_named() {
    let world = World::new();
    let accepted = || Some(("remove_group", Outcome::Applied));
    let mut org = Org::of(world.account());
    (org.fault, org.times) = (accepted(), 1);
    let ended = play_run(&world, world.claim(leaver(), Some(world.account())), &mut org, 2);
    assert!(ended.done && org.groups.is_empty(), "{}: {:?}", ended.why, org.calls);
    let mut org = Org::of(world.account());
    (org.fault, org.times) = (accepted(), u32::MAX);
    let ended = play_run(&world, world.claim(leaver(), Some(world.account())), &mut org, 8);
    assert!(!ended.done, "nobody is done whose membership is shown: {:?}", org.calls);
    let seconds: Vec<u64> = ended.waits.iter().map(Duration::as_secs).collect();
    assert_eq!(seconds, [5, 10, 20, 40, 80, 160, 300, 300]);
    for words in ["access is closed", "Staff", "Department Finance", "wanted no member, shown a member"] {
        assert!(ended.why.contains(words), "{words}: {}", ended.why);
    }
}

#[test]
fn where_nothing_was_taken_nothing_is_read_again_and_where_something_was_one_list_shows_it() {
    let world = World::new();
    for (groups, lists) in [(BTreeSet::new(), 1), (world.account().groups, 2)] {
        let account = Account { groups, ..world.account() };
        let mut org = Org::of(account.clone());
        assert!(play_run(&world, world.claim(leaver(), Some(account)), &mut org, 1).done);
        assert_eq!(org.calls.iter().filter(|call| **call == "list_groups").count(), lists, "{:?}", org.calls);
    }
}

#[test]
fn a_list_after_the_removals_that_cannot_be_read_is_no_proof() {
    let world = World::new();
    for outcome in refusals().into_iter().filter(|outcome| *outcome != Outcome::AlreadySo) {
        let mut run = Run::new(world.claim(leaver(), Some(world.account())));
        let mut org = Org::of(world.account());
        let (mut act, mut lists) = (run.begin(&world.context()), 0);
        let release = loop {
            let Act::Send { step, .. } = act else { panic!("{act:?}") };
            lists += u32::from(matches!(step, Step::ListGroups { .. }));
            if lists == 2 && matches!(step, Step::ListGroups { .. }) {
                (org.fault, org.times) = (Some(("list_groups", outcome.clone())), 1);
            }
            let (outcome, answer) = org.answer(&step);
            let concluded = run.conclude(&step, &outcome, &answer, &world.context());
            match (concluded.next, concluded.then) {
                (Next::Release(release), _) => break release,
                (_, Some(next)) => act = next,
                other => panic!("{other:?}"),
            }
        };
        assert!(!matches!(release, Release::Done { .. }), "{outcome:?}");
    }
}

#[test]
fn after_the_first_refusal_of_a_deactivation_whatever_it_is_everything_else_is_taken_in_the_same_run() {
    let world = World::new();
    for outcome in refusals() {
        let mut org = Org::of(world.account());
        (org.fault, org.times) = (Some(("deactivate", outcome.clone())), u32::MAX);
        let ended = play_run(&world, world.claim(leaver(), Some(world.account())), &mut org, 1);
        let message = format!("{outcome:?}: {:?} {}", org.calls, ended.why);
        assert_eq!(org.account.status, AccountStatus::Suspended, "{message}");
        assert!(org.groups.is_empty() && ended.waits[0] <= Duration::from_secs(5), "{message}");
        let tries: Vec<usize> = (0..org.calls.len()).filter(|n| org.calls[*n] == "deactivate").collect();
        let suspended = org.calls.iter().position(|call| *call == "suspend").expect("a suspension");
        assert!(tries[0] < suspended && tries.iter().skip(1).all(|again| *again > suspended), "{message}");
        assert!(tries.len() <= 2, "{message}");
    }
}

#[test]
fn whatever_okta_says_to_the_end_of_sessions_the_account_is_closed_in_the_same_run() {
    let world = World::new();
    for outcome in refusals() {
        for step in ["revoke_sessions", "revoke_sessions_again"] {
            let mut org = Org::of(world.account());
            (org.fault, org.times) = (Some((step, outcome.clone())), u32::MAX);
            play_run(&world, world.claim(leaver(), Some(world.account())), &mut org, 1);
            assert_eq!(org.account.status, AccountStatus::Deprovisioned, "{step} {outcome:?}: {:?}", org.calls);
            assert!(org.groups.is_empty(), "{step} {outcome:?}: {:?}", org.calls);
        }
    }
}

#[test]
fn who_is_rehired_gets_access_back_only_after_the_memberships_that_were_taken_are_shown_to_be_gone() {
    let world = World::new();
    let employee = crate::domain::record::employee::tests::an_employee();
    let mut account = Account { status: AccountStatus::Deprovisioned, ..world.account() };
    account.groups.insert("00gOld".into());
    let proof = crate::domain::account::user::ExitProof {
        deactivated: true,
        read_back: true,
        groups_listed: true,
        ..Default::default()
    };
    account.marks.exit = Some(proof);
    let mut world = World::new();
    let group = |id: &str, name: &str| Group { id: id.into(), name: name.into(), writable: true };
    let groups = [group("00gStaff", "Staff"), group("00gFinance", "Department Finance"), group("00gOld", "Old")];
    world.directory = crate::domain::Directory::new(groups, BTreeSet::new());
    for times in [0, u32::MAX] {
        let mut org = Org::of(account.clone());
        (org.fault, org.times) = (Some(("remove_group", Outcome::Applied)), times);
        let mut run = Run::new(world.claim(employee.clone(), Some(account.clone())));
        let mut act = Some(run.begin(&world.context()));
        let mut activated = false;
        while let Some(Act::Send { step, .. }) = act {
            activated |= matches!(step, Step::Activate { .. });
            assert!(!activated || !org.groups.contains("00gOld"), "{:?}", org.calls);
            let (outcome, answer) = org.answer(&step);
            act = run.conclude(&step, &outcome, &answer, &world.context()).then;
        }
        assert_eq!(activated, times == 0, "{:?}", org.calls);
        assert!(org.calls.contains(&"remove_group"), "{:?}", org.calls);
    }
}

#[test]
fn a_list_without_any_group_is_not_the_end_of_a_leavers_groups() {
    let world = World::new();
    for over in [true, false] {
        let account = Account { status: AccountStatus::Deprovisioned, ..world.account() };
        let mut account = account;
        account.marks.exit = Some(crate::domain::account::user::ExitProof {
            sessions_revoked: true,
            deactivated: true,
            sessions_revoked_again: true,
            read_back: true,
            ..Default::default()
        });
        let person = if over { leaver() } else { crate::domain::record::employee::tests::an_employee() };
        for attempt in [0, 1] {
            let claim = Claim { attempt, ..world.claim(person.clone(), Some(account.clone())) };
            let mut run = Run::new(claim);
            let mut act = run.begin(&world.context());
            let release = loop {
                let Act::Send { step, .. } = act else { panic!("{act:?}") };
                let (outcome, answer) = match &step {
                    Step::ReadAccount { .. } => (Outcome::Applied, Answer::User(account.clone())),
                    Step::ListGroups { .. } => (Outcome::Applied, Answer::Groups { groups: Vec::new(), next: None }),
                    Step::RemoveGroup { .. } => (Outcome::Applied, Answer::Done), // what is known is taken
                    other => panic!("{other:?} although nobody knows the groups"),
                };
                let concluded = run.conclude(&step, &outcome, &answer, &world.context());
                match (concluded.next, concluded.then) {
                    (Next::Release(release), _) => break release,
                    (_, Some(next)) => act = next,
                    other => panic!("{other:?}"),
                }
            };
            let (Release::Retry { why, .. }
            | Release::ReadFirst { why, .. }
            | Release::Quarantined { why, again: Some(_), .. }) = release
            else {
                panic!("over {over}, attempt {attempt}: {release:?}")
            };
            assert!(why.contains("no group at all"), "{why}");
        }
    }
}
