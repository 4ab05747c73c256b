use super::*;
use crate::domain::account::user::FirstSignIn;
use crate::domain::plan::awaited::Awaited;
use crate::domain::record::lifecycle::Means;

/// Somebody who was activated without a mail of Okta's, and has nothing to sign in with yet.
fn owed() -> World {
    World::of(an_employee()).with_account().and(|world| {
        world.rules.policies.onboarding.means = Some(Means::Link);
        let account = world.case.account.as_mut().expect("an account");
        account.status = Is::Provisioned;
        account.marks.sign_in = Some(FirstSignIn::Owed);
    })
}

fn managed_by(address: Option<&str>) -> ManagerLink {
    let reached_at = address.map(str::to_owned);
    ManagerLink::Account { id: "00uBoss".into(), login: "boss@example.com".into(), reached_at }
}

#[test]
fn what_somebody_signs_in_with_is_sent_once_their_tenant_is_read_as_a_whole_since_the_start() {
    let early = owed().and(|world| world.case.is_current = false).plan().expect("a plan");
    let is_sent = |plan: &Plan| plan.steps.iter().any(|step| matches!(step, Step::MakeSignIn { .. }));
    assert!(!is_sent(&early) && early.awaits == [Awaited::Walk("acme".into())], "{early:?}");
    assert!(early.unfinished.is_some_and(|why| why.contains("once acme is read as a whole")));
    assert!(is_sent(&owed().plan().expect("a plan")));
}

#[test]
fn what_is_shown_of_a_first_sign_in_says_who_gets_it() {
    let shown = |link: ManagerLink| {
        let plan = owed().and(|world| world.case.manager = link).plan().expect("a plan");
        let step =
            plan.steps.into_iter().find(|step| matches!(step, Step::MakeSignIn { .. })).expect("a first sign-in");
        crate::domain::guard::change::describe(&step).expect("words")
    };
    assert_eq!(shown(managed_by(Some("boss@example.com"))), "activation link given to the manager, boss@example.com");
    assert_eq!(shown(managed_by(Some("other@example.com"))), "activation link given to the manager, other@example.com");
    assert_eq!(shown(managed_by(None)), "activation link given to IT", "who is to lose access gets nothing");
}
