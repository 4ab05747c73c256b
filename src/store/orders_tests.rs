use super::super::tests::{World, page_of};
use super::super::{EndOrder, OperatorRequest, ended_access, request};
use super::*;
use crate::domain::plan::rulebook::tests::{org, rulebook};
use crate::domain::record::employee::tests::an_employee;
use crate::domain::{Employee, Rulebook};
use std::time::Duration;

/// Two orgs; the second takes whoever is of the department `Legal`.
async fn world() -> World {
    let rules = rulebook();
    let people = rules.mapping.engine().compile("employee.departments.exists(d, d == 'Legal')").expect("compiles");
    let second = crate::domain::plan::rulebook::OrgRules { people: Some(people), ..org("second", &["acme"]) };
    let world = World::under(Rulebook { orgs: vec![org("main", &["acme"]), second], ..rules }).await;
    world.store.put_directory("second", &Default::default(), world.now).await.expect("writes");
    world
}

fn of(department: &str) -> Employee {
    Employee { departments: vec![department.into()], ..an_employee() }
}

async fn targets(world: &World) -> Vec<i64> {
    let read =
        world.store.run(|c| Ok(link::in_orgs(c, "acme", &an_employee().id)?.into_iter().map(|(_, id)| id).collect()));
    read.await.expect("reads")
}

async fn ask(world: &World, target: i64) {
    let at = world.now.millis();
    let (accounts, why) = (Vec::new(), "stolen laptop".to_owned());
    let order = EndOrder { targets: vec![target], accounts, why, at, begins: at, suspends: false, only_here: false };
    let now = world.now;
    let by = Decider::of_token("ann", None);
    let asks = world.store.run(move |c| request(c, "main", &OperatorRequest::EndAccess { order }, &by, now));
    asks.await.expect("asks");
}

async fn end(world: &World, target: i64) {
    ask(world, target).await;
    world.store.apply_requests(world.now).await.expect("ends");
}

#[tokio::test]
async fn an_end_of_access_that_was_accepted_stands_whatever_pauses_the_service_before_it_is_acted_upon() {
    let world = world().await;
    world.see(of("Finance")).await;
    let target = targets(&world).await[0];
    ask(&world, target).await;
    let by = Decider::of_token("ben", None);
    world.store.pause(None, None, "an incident", &by, world.now).await;
    world.store.apply_requests(world.now).await.expect("acts");
    assert!(
        world.store.run(move |c| row::of(c, target)).await.expect("reads").is_some(),
        "it waits for the pause alone"
    );
}

#[tokio::test]
async fn a_target_that_comes_later_is_covered_by_what_stands_and_by_what_the_record_has_said_of_it() {
    let world = world().await;
    world.see(of("Finance")).await;
    let first = targets(&world).await;
    end(&world, first[0]).await;
    let since = Some(world.now - Duration::from_secs(60));
    let stands = world.store.run(move |c| {
        let open = row::all(c)?;
        row::set_followed(c, open[0].id, since)?;
        Ok(open.len())
    });
    assert_eq!(stands.await.expect("reads"), 1);
    let page = page_of(&world, vec![of("Legal")]);
    world.store.commit_page(page).await.expect("commits");
    assert_eq!(targets(&world).await.len(), 2, "another org is theirs");
    let open = world.store.run(row::all).await.expect("reads");
    assert_eq!(open.len(), 2);
    assert!(open.iter().all(|one| one.root() == open[0].id), "one follows the other: {open:?}");
    let shown = world.store.run(ended_access).await.expect("reads");
    assert_eq!(shown.iter().map(|one| one.org.as_str()).collect::<Vec<_>>(), ["main", "second"]);
    let second = targets(&world).await[1];
    let plan_for = world.store.run(move |c| row::of(c, second)).await.expect("reads");
    assert_eq!(plan_for.map(|asked| asked.by), Some("ann".into()), "no plan gives access there");
}

#[tokio::test]
async fn a_store_of_before_in_which_one_org_was_covered_covers_the_others_at_the_first_look() {
    let world = world().await;
    world.see(of("Legal")).await;
    let both = targets(&world).await;
    assert_eq!(both.len(), 2);
    let first = both[0];
    let now = world.now;
    let asked = EndNow {
        by: "ann".into(),
        principal: "token:ann".into(),
        why: "stolen laptop".into(),
        at: now,
        begins: now,
        suspends: false,
    };
    world.store.run(move |c| row::insert(c, first, &asked, false, Place::default())).await.expect("writes");
    world.store.apply_requests(now).await.expect("looks");
    assert_eq!(world.store.run(row::all).await.expect("reads").len(), 2);
    let again = world.store.run(move |c| spread(c, first, now)).await.expect("spreads");
    assert!(again.is_empty(), "and once is enough");
}

#[tokio::test]
async fn where_two_are_one_what_takes_more_stands() {
    let world = world().await;
    world.see(of("Legal")).await;
    let now = world.now;
    let both = targets(&world).await;
    let (a, b) = (both[0], both[1]);
    let asked = move |suspends| EndNow {
        by: "ann".into(),
        principal: "token:ann".into(),
        why: String::new(),
        at: now,
        begins: now,
        suspends,
    };
    for (theirs, ours) in [(false, Some(true)), (true, Some(false)), (false, None), (true, None)] {
        let stands = world.store.run(move |c| {
            c.execute("DELETE FROM end_access", [])?;
            row::insert(c, a, &asked(theirs), false, Place::default())?;
            if let Some(ours) = ours {
                row::insert(c, b, &asked(ours), false, Place::default())?;
            }
            merge(c, a, b, now)?;
            Ok((row::all(c)?.len(), row::of(c, b)?.map(|asked| asked.suspends)))
        });
        let only_suspends = theirs && ours.unwrap_or(true);
        assert_eq!(stands.await.expect("merges"), (1, Some(only_suspends)), "{theirs} {ours:?}");
    }
}
