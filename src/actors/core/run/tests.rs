use super::waits::SOON;
use super::*;
use crate::domain::account::administrators::{AdminLevel, Administrators};
use crate::domain::account::user::Marks;
use crate::domain::account::user::tests::bare;
use crate::domain::guard::safeguard::Restraint;
use crate::domain::plan::rulebook::tests::rulebook;
use crate::domain::record::employee::tests::an_employee;
use crate::domain::work::run::Lease;
use crate::domain::{AccountStatus, Case, Employee, Group, Link, Person, UserStatus};
use crate::okta::outcome::Fixer;
use std::collections::BTreeSet;

pub(super) struct World {
    pub rulebook: Rulebook,
    pub directory: Directory,
    pub now: Moment,
}

impl World {
    pub fn new() -> Self {
        let group = |id: &str, name: &str| Group { id: id.into(), name: name.into(), writable: true };
        let groups = [group("00gStaff", "Staff"), group("00gFinance", "Department Finance")];
        let mut directory = Directory::new(groups, BTreeSet::new());
        ["00gStaff", "00gFinance"].into_iter().for_each(|id| directory.learn_role(id, Some(false)));
        Self { rulebook: rulebook(), directory, now: Moment::from_secs(1_800_000_000) }
    }

    pub fn context(&self) -> Context<'_> {
        let backoff = Duration::from_secs(1);
        let takes = |_: &Step| &["okta.users.userprofile.manage"][..];
        Context { rulebook: &self.rulebook, directory: &self.directory, now: self.now, backoff, takes }
    }

    pub fn account(&self) -> Account {
        let case = Case::new("main", Person::of("acme", an_employee()));
        let desired = self.rulebook.desired(&case, self.now).expect("maps");
        Account {
            profile: desired.attributes.into_iter().filter(|(_, v)| !v.is_null()).collect(),
            groups: ["00gStaff", "00gFinance"].map(str::to_owned).into(),
            marks: Marks { manager: Link::Nobody, ..Marks::default() },
            ..bare("00u1", &an_employee().email, Some(&an_employee().id))
        }
    }

    pub fn claim(&self, employee: Employee, account: Option<Account>) -> Claim {
        let case = Case::new("main", Person::of("acme", employee));
        Claim {
            lease: Lease { target: 1, token: 1, rev: 1 },
            priority: Priority::Grant,
            cause: "profile".into(),
            attempt: 0,
            reason: None,
            read_first: false,
            dirty_at: self.now,
            okta_id: account.as_ref().map(|a| a.id.clone()),
            case: Case { account, ..case },
            login: None,
            conflict: None,
            doubtful: Vec::new(),
            restraint: Restraint { passed: ChangeKind::ALL.into(), ..Restraint::default() },
        }
    }
}

/// The end of a run of somebody who is entitled.
fn done() -> Next {
    Next::Release(Release::Done { was: "entitled", decided: None, remark: None, awaits_manager: false })
}

fn sent(act: Act) -> Step {
    match act {
        Act::Send { step, .. } => step,
        Act::Release(release) => panic!("{release:?}"),
    }
}

fn taken() -> Outcome {
    Outcome::Replan { why: "login: already exists".into() }
}

#[test]
fn a_joiner_ends_with_its_create_in_one_commit() {
    let world = World::new();
    let mut run = Run::new(world.claim(an_employee(), None));
    let create = sent(run.begin(&world.context()));
    assert_eq!(create.name(), "create_user");
    let concluded = run.conclude(&create, &Outcome::Applied, &Answer::User(world.account()), &world.context());
    assert_eq!(concluded.next, done());
    assert_eq!(concluded.account.account().map(|a| a.groups.len()), Some(2));
}

#[test]
fn a_lost_answer_to_a_create_is_looked_up_by_login_before_anything_else() {
    let world = World::new();
    let mut run = Run::new(world.claim(an_employee(), None));
    let create = sent(run.begin(&world.context()));
    let lost = Outcome::Unknown { why: "timed out".into() };
    let concluded = run.conclude(&create, &lost, &Answer::Done, &world.context());
    assert!(matches!(concluded.next, Next::Release(Release::ReadFirst { .. })), "{concluded:?}");
    let claim = Claim { read_first: true, login: Some(an_employee().email), ..world.claim(an_employee(), None) };
    let read_first = sent(Run::new(claim).begin(&world.context()));
    assert_eq!(read_first, Step::ReadAccount { id_or_login: an_employee().email });
}

#[test]
fn whoever_is_transferred_before_a_lost_create_is_found_leaves_the_groups_that_it_gave() {
    let world = World::new();
    let moved = Employee { departments: Vec::new(), ..an_employee() };
    let claim = Claim { read_first: true, login: Some(an_employee().email), ..world.claim(moved, None) };
    let mut run = Run::new(claim);
    let read_first = sent(run.begin(&world.context()));
    let made = Account { groups: BTreeSet::new(), ..world.account() };
    let concluded = run.conclude(&read_first, &Outcome::Applied, &Answer::User(made), &world.context());
    let read = sent(concluded.then.expect("goes on"));
    assert_eq!(read.name(), "read_groups", "a read of the account does not show them");
    let group = |id: &str, name: &str| Group { id: id.into(), name: name.into(), writable: true };
    let groups = vec![group("00gStaff", "Staff"), group("00gFinance", "Department Finance")];
    let concluded = run.conclude(&read, &Outcome::Applied, &Answer::Groups { groups, next: None }, &world.context());
    let mut left = Vec::new();
    let mut act = concluded.then;
    while let Some(Act::Send { step, .. }) = act {
        left.push(step.clone());
        let concluded = run.conclude(&step, &Outcome::Applied, &Answer::Done, &world.context());
        act = concluded.then;
    }
    let out = |step: &Step| matches!(step, Step::RemoveGroup { group, .. } if group == "00gFinance");
    assert!(left.iter().any(out), "{left:?}");
}

#[test]
fn a_taken_login_leads_to_a_look_and_its_owner_decides() {
    let world = World::new();
    let play_run = |anchor: Option<&str>| {
        let mut run = Run::new(world.claim(an_employee(), None));
        let create = sent(run.begin(&world.context()));
        let concluded = run.conclude(&create, &taken(), &Answer::Done, &world.context());
        let read_first = sent(concluded.then.expect("goes on"));
        let found = Account { anchor: anchor.map(str::to_owned), ..world.account() };
        run.conclude(&read_first, &Outcome::Applied, &Answer::User(found), &world.context()).next
    };
    assert!(
        matches!(play_run(Some("another profile")), Next::Release(Release::Quarantined { why, .. }) if why.contains("another profile"))
    );
    assert_eq!(
        play_run(Some(&an_employee().id)),
        Next::Continue,
        "our own create, whose answer was lost: groups are brought up to date"
    );
    let unknown = play_run(None);
    assert!(
        matches!(&unknown, Next::Release(Release::Found { account }) if account.anchor.is_none()),
        "whoever can write an email does not become its owner: {unknown:?}"
    );
}

#[test]
fn of_an_account_that_was_found_by_itself_the_groups_are_read_before_anything_is_planned() {
    let world = World::new();
    let claim = Claim { read_first: true, login: Some(an_employee().email), ..world.claim(an_employee(), None) };
    let mut run = Run::new(claim);
    let read_first = sent(run.begin(&world.context()));
    let found = Account { groups: BTreeSet::new(), ..world.account() };
    let concluded = run.conclude(&read_first, &Outcome::Applied, &Answer::User(found), &world.context());
    let read = sent(concluded.then.expect("goes on"));
    assert_eq!(read, Step::ReadGroups { id: "00u1".into(), page: None });
    let group = |id: &str| world.directory.find(id).expect("known").clone();
    let answer = Answer::Groups { groups: ["00gStaff", "00gFinance"].map(group).into(), next: None };
    let concluded = run.conclude(&read, &Outcome::Applied, &answer, &world.context());
    assert_eq!(concluded.next, done());
    assert_eq!(concluded.account.account().map(|account| account.groups.len()), Some(2));
}

#[test]
fn nobody_is_done_whose_groups_could_not_be_read() {
    let world = World::new();
    let mut account = world.account().found_alone();
    account.marks.unsure.manager = false;
    let mut run = Run::new(Claim { attempt: 1, ..world.claim(an_employee(), Some(account)) });
    let read = sent(run.begin(&world.context()));
    let lost = Outcome::Unknown { why: "timed out".into() };
    let concluded = run.conclude(&read, &lost, &Answer::Done, &world.context());
    let Next::Release(Release::Retry { why, .. }) = concluded.next else { panic!("{concluded:?}") };
    assert_eq!(why, "the groups of the account could not be read");
}

#[test]
fn a_suspension_that_was_refused_once_is_tried_again_by_the_next_run_that_reads_the_account() {
    let world = World::new();
    let mut on_leave = an_employee();
    on_leave.groups.clear(); // the leave rule of the tests
    let play_run = |account: Account, read_first: bool| {
        let mut run = Run::new(Claim { read_first, ..world.claim(on_leave.clone(), Some(account.clone())) });
        let mut step = sent(run.begin(&world.context()));
        if read_first {
            let read = run.conclude(&step, &Outcome::Applied, &Answer::User(account), &world.context());
            step = sent(read.then.expect("goes on"));
        }
        (run, step)
    };
    let (mut run, suspend) = play_run(world.account(), false);
    assert_eq!(suspend.name(), "suspend");
    let refused = run.conclude(&suspend, &taken(), &Answer::Done, &world.context());
    let read_first = sent(refused.then.expect("reads"));
    let concluded = run.conclude(&read_first, &Outcome::Applied, &Answer::User(world.account()), &world.context());
    let Next::Release(Release::Quarantined { why, again: Some(_), read_first: true, .. }) = concluded.next else {
        panic!("{concluded:?}")
    };
    assert!(why.contains("did not suspend"), "{why}");
    let account = concluded.account.account().expect("is known").clone();
    assert_eq!(play_run(account, true).1.name(), "suspend", "the same status is no reason to give up for good");
}

#[test]
fn that_there_is_no_account_any_more_must_be_answered_twice() {
    let world = World::new();
    let mut run = Run::new(Claim { read_first: true, ..world.claim(an_employee(), Some(world.account())) });
    let read_first = sent(run.begin(&world.context()));
    let first = run.conclude(&read_first, &Outcome::Missing, &Answer::Done, &world.context());
    assert_eq!(
        (first.account, first.then.map(sent)),
        (Learned::Nothing, Some(read_first.clone())),
        "kept, and asked for again"
    );
    let second = run.conclude(&read_first, &Outcome::Missing, &Answer::Done, &world.context());
    assert_eq!((second.account, second.then.map(|act| sent(act).name())), (Learned::Gone, Some("create_user")));
}

#[test]
fn a_call_that_writes_a_title_and_a_login_is_of_both_kinds() {
    let world = World::new();
    let moved = Employee { job_title: "Controller".into(), email: "new@example.com".into(), ..an_employee() };
    let mut claim = world.claim(moved, Some(world.account()));
    claim.case.login = Ok(crate::domain::mapping::login::Chosen {
        login: "new@example.com".into(),
        deactivated_holder: None,
        until: None,
    });
    let mut run = Run::new(claim);
    let update = sent(run.begin(&world.context()));
    assert_eq!(run.changes_of(&update), [ChangeKind::ChangeLogin, ChangeKind::ChangeAttributes].into(), "{update:?}");
}

#[test]
fn a_login_is_taken_only_from_an_account_that_a_read_shows_as_deactivated_still() {
    let world = World::new();
    let mut claim = world.claim(an_employee(), None);
    let login = an_employee().email;
    let deactivated_holder = Some("00u9".to_owned());
    claim.case.login =
        Ok(crate::domain::mapping::login::Chosen { login: login.clone(), deactivated_holder, until: None });
    let holder = |status| Account { id: "00u9".into(), login: login.to_uppercase(), status, ..world.account() };
    let after = |answer: Answer, outcome: Outcome| {
        let mut run = Run::new(claim.clone());
        let read = sent(run.begin(&world.context()));
        assert_eq!(read, Step::ReadHolder { id: "00u9".into(), login: login.clone() });
        run.conclude(&read, &outcome, &answer, &world.context())
    };
    let still = after(Answer::User(holder(AccountStatus::Deprovisioned)), Outcome::Applied);
    assert_eq!(sent(still.then.expect("goes on")).name(), "free_login");
    for status in [AccountStatus::Active, AccountStatus::Staged, AccountStatus::Suspended, AccountStatus::Recovery] {
        let back = after(Answer::User(holder(status)), Outcome::Applied);
        assert_eq!(back.holder, Some(OfHolder::Is(Box::new(holder(status)))), "somebody has activated it");
        assert!(matches!(back.next, Next::Release(Release::Retry { .. })), "planned again: {back:?}");
    }
    let other = Account { login: "other@example.com".into(), ..holder(AccountStatus::Deprovisioned) };
    assert!(matches!(after(Answer::User(other), Outcome::Applied).holder, Some(OfHolder::Is(_))), "it is free");
    assert_eq!(after(Answer::Done, Outcome::Missing).holder, Some(OfHolder::Gone("00u9".into())));
    let away = after(Answer::Done, Outcome::Unknown { why: "HTTP 503".into() });
    assert!(away.holder.is_none() && away.then.is_none(), "nothing is concluded: {away:?}");
}

#[test]
fn an_account_that_is_gone_is_made_again() {
    let world = World::new();
    let moved = Employee { job_title: "Controller".into(), ..an_employee() };
    let mut run = Run::new(world.claim(moved, Some(world.account())));
    let update = sent(run.begin(&world.context()));
    let concluded = run.conclude(&update, &Outcome::Missing, &Answer::Done, &world.context());
    let read_first = sent(concluded.then.expect("goes on"));
    let concluded = run.conclude(&read_first, &Outcome::Missing, &Answer::Done, &world.context());
    assert_eq!(concluded.account, Learned::Gone);
    assert_eq!(sent(concluded.then.expect("goes on")).name(), "create_user");
}

#[test]
fn a_refusal_says_who_can_fix_it_and_is_tried_again_more_and_more_rarely_if_a_setting_may_change() {
    let mut world = World::new();
    let listed = Some([("00u1".to_owned(), AdminLevel::Lesser)].into());
    world.directory = world.directory.with_administrators(Administrators { listed, ..Administrators::default() });
    let mover = Employee { job_title: "Director".into(), ..an_employee() };
    let (mut waits, mut last) = (Vec::new(), Some("the activation is still running in Okta".to_owned()));
    // Three tries failed before for something else.
    for (attempt, who) in [(3, Fixer::OktaAdmin), (1, Fixer::OktaAdmin), (2, Fixer::OktaAdmin), (0, Fixer::Hr)] {
        let claim = Claim { attempt, reason: last, ..world.claim(mover.clone(), Some(world.account())) };
        let mut run = Run::new(claim);
        let update = sent(run.begin(&world.context()));
        let refused = Outcome::Refused { why: "E0000006".into(), who };
        let concluded = run.conclude(&update, &refused, &Answer::Done, &world.context());
        let Next::Release(Release::Quarantined { why, again, .. }) = concluded.next else { panic!("{concluded:?}") };
        assert!(why.contains("the person is an Okta administrator") && why.contains(&who.to_string()), "{why}");
        waits.push(again.map(|at| at.since(world.now)));
        last = Some(why);
    }
    assert_eq!(waits, [Some(SOON), Some(AGAIN), Some(AGAIN * 2), None]);
}

#[test]
fn a_refused_session_revocation_does_not_keep_an_account_alive() {
    let world = World::new();
    let leaver = Employee { user_status: UserStatus::Inactive, ..an_employee() };
    for outcome in [
        Outcome::Refused { why: "no".into(), who: Fixer::Hr },
        Outcome::Missing,
        Outcome::Unknown { why: "lost".into() },
    ] {
        let mut run = Run::new(world.claim(leaver.clone(), Some(world.account())));
        let sessions = sent(run.begin(&world.context()));
        let concluded = run.conclude(&sessions, &outcome, &Answer::Done, &world.context());
        assert_eq!(sent(concluded.then.expect("goes on")).name(), "deactivate");
    }
}

#[test]
fn deactivating_what_is_already_deactivated_is_read_and_counts_as_done() {
    let world = World::new();
    let leaver = Employee { user_status: UserStatus::Inactive, ..an_employee() };
    let mut run = Run::new(world.claim(leaver, Some(world.account())));
    let sessions = sent(run.begin(&world.context()));
    let concluded = run.conclude(&sessions, &Outcome::Applied, &Answer::Done, &world.context());
    let deactivate = sent(concluded.then.expect("goes on"));
    let concluded = run.conclude(&deactivate, &Outcome::Missing, &Answer::Done, &world.context());
    let read_first = sent(concluded.then.expect("goes on"));
    let ended = Account { status: AccountStatus::Deprovisioned, ..world.account() };
    let concluded = run.conclude(&read_first, &Outcome::Applied, &Answer::User(ended), &world.context());
    assert_eq!(sent(concluded.then.expect("goes on")).name(), "revoke_sessions_again");
}

#[test]
fn an_attribute_that_okta_does_not_keep_ends_in_words_and_not_in_a_loop() {
    let world = World::new();
    let moved = Employee { job_title: "Controller".into(), ..an_employee() };
    let mut run = Run::new(world.claim(moved, Some(world.account())));
    let update = sent(run.begin(&world.context()));
    let concluded = run.conclude(&update, &Outcome::Applied, &Answer::User(world.account()), &world.context());
    assert!(
        matches!(concluded.next, Next::Release(Release::Quarantined { why, .. }) if why.contains("title \"Controller\" and shows \"Accountant\""))
    );
}

#[test]
fn a_group_somebody_else_has_just_made_is_found_and_not_made_twice() {
    let world = World::new();
    let employee = Employee { departments: vec!["Research".into()], ..an_employee() };
    let mut run = Run::new(world.claim(employee, None));
    let create = sent(run.begin(&world.context()));
    assert_eq!(create.name(), "create_group");
    let concluded = run.conclude(&create, &taken(), &Answer::Done, &world.context());
    assert!(concluded.refresh_directory);
    assert!(matches!(concluded.next, Next::Release(Release::Retry { .. })));
}

#[test]
fn who_is_said_not_to_be_in_a_group_is_looked_at_and_taken_out_if_they_are_in_it() {
    let world = World::new();
    let group = |id: &str| Group { id: id.into(), name: id.into(), writable: true };
    let answered = |run: &mut Run, step: &Step, ids: &[&str]| {
        let groups = Answer::Groups { groups: ids.iter().map(|id| group(id)).collect(), next: None };
        run.conclude(step, &Outcome::Applied, &groups, &world.context())
    };
    let begun = || {
        let moved = Employee { departments: Vec::new(), ..an_employee() };
        let mut run = Run::new(world.claim(moved, Some(world.account())));
        let mut step = sent(run.begin(&world.context()));
        while step.name() != "remove_group" {
            let answer = if step.is_inquiry() { Answer::Role { holds: false } } else { Answer::User(world.account()) };
            let concluded = run.conclude(&step, &Outcome::Applied, &answer, &world.context());
            step = sent(concluded.then.expect("goes on"));
        }
        let concluded = run.conclude(&step, &Outcome::Missing, &Answer::Done, &world.context());
        let list = sent(concluded.then.expect("goes on"));
        assert_eq!(list.name(), "read_groups");
        (run, list)
    };
    let (mut run, list) = begun();
    let concluded = answered(&mut run, &list, &["00gStaff", "00gFinance"]);
    let again = sent(concluded.then.expect("goes on"));
    assert_eq!(again.name(), "remove_group", "the list shows that it was not so");
    let concluded = run.conclude(&again, &Outcome::Missing, &Answer::Done, &world.context());
    let Next::Release(Release::Retry { why, .. }) = concluded.next else { panic!("{concluded:?}") };
    assert!(why.contains("lists them in it"), "{why}");
    let (mut run, list) = begun();
    let concluded = answered(&mut run, &list, &["00gStaff"]);
    let others = concluded.then.map(|act| sent(act).name());
    assert_ne!(others, Some("remove_group"), "they are out of it");
}

#[test]
fn an_app_that_nobody_is_said_to_have_is_asked_for_once_more_before_that_is_believed() {
    let world = World::new();
    let mut run = Run::new(world.claim(an_employee(), Some(world.account())));
    let step = Step::UnassignApp { id: "00u1".into(), app: "0oa1".into(), name: "Wiki".into() };
    let first = run.conclude(&step, &Outcome::Missing, &Answer::Done, &world.context());
    let unsure = |concluded: &Concluded| concluded.account.account().map(|account| account.marks.unsure.apps.clone());
    assert_eq!(unsure(&first), Some(["0oa1".to_owned()].into()));
    assert!(matches!(first.next, Next::Release(Release::Retry { .. })), "{first:?}");
    let known = Account { marks: first.account.account().expect("an account").marks.clone(), ..world.account() };
    let mut again = Run::new(world.claim(an_employee(), Some(known)));
    let second = again.conclude(&step, &Outcome::Missing, &Answer::Done, &world.context());
    assert_eq!(unsure(&second), Some(BTreeSet::new()), "twice is enough: {second:?}");
}

#[test]
fn endless_contradictions_end_in_a_look_later() {
    let world = World::new();
    let moved = Employee { job_title: "Controller".into(), ..an_employee() };
    let mut run = Run::new(world.claim(moved, Some(world.account())));
    let mut act = run.begin(&world.context());
    for _ in 0..20 {
        let step = sent(act);
        let concluded = match step {
            Step::ReadAccount { .. } => {
                run.conclude(&step, &Outcome::Applied, &Answer::User(world.account()), &world.context())
            }
            _ => run.conclude(&step, &Outcome::Replan { why: "E0000038".into() }, &Answer::Done, &world.context()),
        };
        match (concluded.next, concluded.then) {
            (Next::Release(Release::ReadFirst { .. }), _) => return,
            (_, Some(next)) => act = next,
            other => panic!("{other:?}"),
        }
    }
    panic!("the run went on for ever");
}
