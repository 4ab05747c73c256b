use super::tests::{World, account, done, page_of};
use super::{PageCommit, PageOutcome, known_documents, unreadable};
use crate::domain::record::document::Held;
use crate::domain::record::employee::tests::an_employee;
use crate::domain::record::facts::{DateFact, Facts, Names, ProfileProblem};
use crate::domain::{Employee, Priority, UserStatus};

fn problem(facts: Facts) -> ProfileProblem {
    let why = "field office_phone: text was expected, a number was found".to_owned();
    let Employee { email, first_name, last_name, .. } = an_employee();
    let names = Box::new(Names { email, first_name, last_name, ..Names::default() });
    ProfileProblem { profile: Some(an_employee().id), why, facts, names, edited: None, unknown_group: false }
}

fn inactive() -> Facts {
    Facts { user_status: Some(UserStatus::Inactive), ..Facts::default() }
}

/// A world in which somebody with an account is known.
async fn known() -> World {
    let world = World::new().await;
    world
        .store
        .prime("main", vec![account(Some(&an_employee().id))], Default::default(), world.now)
        .await
        .expect("primes");
    world.see(an_employee()).await;
    world
}

async fn see(world: &World, problem: ProfileProblem) -> PageOutcome {
    let page = PageCommit { problems: vec![problem], ..page_of(world, vec![]) };
    world.store.commit_page(page).await.expect("commits")
}

async fn whys(world: &World) -> Vec<String> {
    let read = world.store.run(|c| {
        let mut select = c.prepare("SELECT why FROM unreadable")?;
        Ok(select.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?)
    });
    read.await.expect("reads")
}

#[tokio::test]
async fn a_leaver_who_cannot_be_read_is_kept_as_known_but_inactive_and_ends_first() {
    let world = known().await;
    let claim = world.claim().await.remove(0);
    world.store.release(claim.lease, done(), world.now).await.expect("done");
    let outcome = see(&world, problem(inactive())).await;
    assert_eq!((outcome.dirtied.as_slice(), outcome.message.len()), (&[Priority::Revoke][..], 1));
    let kept = Employee { user_status: UserStatus::Inactive, ..an_employee() };
    let claim = world.claim().await.remove(0);
    assert_eq!((claim.priority, &claim.case.person.primary().employee), (Priority::Revoke, &kept));
    // The document is what a start after this goes by.
    let held = world.store.run(|c| known_documents(c, "acme")).await.expect("reads");
    assert_eq!(held, [(an_employee().id, Held { hash: kept.hash(), edited: None })]);
    assert_eq!(outcome.accepted, held);
    let message = whys(&world).await;
    assert!(
        message[0].starts_with("Ines Duval: field office_phone") && message[0].contains("access ends all the same"),
        "{message:?}"
    );
    assert_eq!(see(&world, problem(inactive())).await.dirtied, [], "seen again it is nothing new");
    let rows = world.audit().await.into_iter().filter(|row| row["kind"] == "unreadable").count();
    assert_eq!(rows, 1);
    assert_eq!(world.store.run(|c| unreadable(c, "acme")).await.expect("reads"), [an_employee().id]);
}

#[tokio::test]
async fn a_last_day_of_a_profile_that_cannot_be_read_ends_access_when_it_passes() {
    let world = known().await;
    let today = world.now.to_string()[..10].parse().expect("a date");
    let facts = Facts { departure_date: DateFact::On(today), ..Facts::default() };
    see(&world, problem(facts)).await;
    let at = world.store.next_change().await.expect("reads").expect("a change ahead");
    assert_eq!(world.store.wake_due(at).await.expect("wakes"), [Priority::Revoke]);
}

#[tokio::test]
async fn who_comes_back_waits_until_their_profile_can_be_read() {
    let world = World::new().await;
    let left = Employee { user_status: UserStatus::Inactive, ..an_employee() };
    world.see(left.clone()).await;
    let back = Facts { user_status: Some(UserStatus::Active), ..Facts::default() };
    assert_eq!(see(&world, problem(back)).await.dirtied, []);
    let held = world.store.run(|c| known_documents(c, "acme")).await.expect("reads");
    assert_eq!(held, [(an_employee().id, Held { hash: left.hash(), edited: None })]);
}

#[tokio::test]
async fn somebody_seen_first_who_has_left_is_ended_by_what_can_be_read_of_them() {
    let world = World::new().await;
    let accounts = vec![account(Some(&an_employee().id))];
    world.store.prime("main", accounts, Default::default(), world.now).await.expect("primes");
    let outcome = see(&world, problem(inactive())).await;
    assert_eq!((outcome.dirtied.as_slice(), outcome.message.len()), (&[Priority::Revoke][..], 1));
    assert!(whys(&world).await[0].contains("access ends all the same"));
    let claim = world.claim().await.remove(0);
    assert!(claim.priority == Priority::Revoke && claim.case.account.is_some(), "whoever the anchor names");
    let ahead = Facts {
        departure_date: DateFact::On("2099-01-31".parse().expect("a date")),
        start_date: DateFact::Empty,
        ..Facts::default()
    };
    let other = ProfileProblem { profile: Some("other".into()), ..problem(ahead) };
    assert_eq!(see(&world, other).await.dirtied, [], "nobody is made by such a profile");
}

#[tokio::test]
async fn a_page_that_may_be_older_than_what_is_known_is_shown_again() {
    let world = World::new().await;
    let second = std::time::Duration::from_secs(1);
    let known = PageCommit { received: world.now + second * 2, ..page_of(&world, vec![an_employee()]) };
    world.store.commit_page(known).await.expect("commits");
    assert_eq!(see(&world, problem(inactive())).await, PageOutcome::default());
    let newer = PageCommit {
        sent: world.now + second * 3,
        received: world.now + second * 4,
        problems: vec![problem(inactive())],
        ..page_of(&world, vec![])
    };
    assert_eq!(world.store.commit_page(newer).await.expect("commits").message.len(), 1);
}

#[tokio::test]
async fn of_a_page_of_no_use_only_ends_are_followed() {
    let world = known().await;
    let page = PageCommit { endings: vec![problem(inactive())], ..page_of(&world, vec![]) };
    let outcome = world.store.commit_page(page).await.expect("commits");
    assert_eq!((outcome.dirtied.as_slice(), outcome.message.len()), (&[Priority::Revoke][..], 0));
    assert_eq!(whys(&world).await, Vec::<String>::new());
}
