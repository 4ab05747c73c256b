//! Lists that lack people when the service starts: whoever leaves is out all the same, and what many lack is not believed.

use crate::common::running::Running;
use crate::common::store::dirty;
use crate::common::wait::wait_until;
use crate::common::workspace::Workspace;
use namely_okta_sync::sandbox::faults::{Fault, Kind};
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::{Hr, Person, Status as Hired};
use namely_okta_sync::sandbox::world::today;
use serde_json::{Value, json};

/// Lists and searches.
const LISTS: &str = "/api/v1/users?";

fn leave(workspace: &Workspace, person: usize) {
    workspace.world.namely.core().edit(person, workspace.world.clock.now(), |p| p.status = Hired::Inactive);
}

fn is_out(workspace: &Workspace, anchor: &str) -> bool {
    workspace.world.okta.core().user_by_anchor(anchor).is_some_and(|user| user.status == Status::Deprovisioned)
}

#[test]
fn somebody_whom_the_lists_of_a_start_do_not_show_yet_is_ended_by_the_id_that_is_known() {
    let workspace = Workspace::new(8);
    let mut service = workspace.settled();
    let now = workspace.world.clock.now();
    let mut joiner = Hr::new(43, today(now)).joiner(1);
    joiner.email = "joiner43@example.com".into();
    workspace.world.namely.core().hire(joiner.clone(), now);
    let made = || workspace.world.okta.core().user_by_anchor(&joiner.id).is_some();
    wait_until("their account is made", &workspace.log, || made() && dirty(&workspace.store()) == Some((0, 0)));
    service.kill();
    workspace.world.okta.core().faults.add(Fault::always("GET", LISTS, Kind::hide(&[&joiner.id])));
    let _service = Running::service(&workspace.config, &workspace.log, None);
    workspace.until_settled();
    leave(&workspace, 8);
    wait_until("they are out", &workspace.log, || is_out(&workspace, &joiner.id));
}

#[test]
fn a_list_that_lacks_many_is_not_believed_makes_nobody_and_heals_or_is_accepted() {
    let workspace = Workspace::new(60).with_a_port();
    let mut service = workspace.settled();
    service.kill();
    let people: Vec<Person> = workspace.world.namely.core().people().cloned().collect();
    let hidden: Vec<&str> = people[20..].iter().map(|p| p.id.as_str()).collect();
    // A role was narrowed: lists, searches and reads show a third of the people.
    workspace.world.okta.core().faults.add(Fault::always("GET", LISTS, Kind::hide(&hidden)));
    let mut service = Running::service(&workspace.config, &workspace.log, None);
    wait_until("it says so", &workspace.log, || workspace.log().contains("org accept-list sandbox"));
    assert!(workspace.count("account") >= 60, "what was known is kept");
    let left = people[20..].iter().position(|p| p.status == Hired::Active).expect("somebody") + 20;
    leave(&workspace, left);
    wait_until("who leaves is out all the same", &workspace.log, || is_out(&workspace, &people[left].id));
    let now = workspace.world.clock.now();
    let mut joiner = Hr::new(44, today(now)).joiner(1);
    joiner.email = "joiner44@example.com".into();
    workspace.world.namely.core().hire(joiner.clone(), now);
    let waits = || workspace.counted("SELECT count(*) FROM work WHERE reason LIKE '%nobody is made until%'");
    wait_until("the joiner waits", &workspace.log, || waits() == 1);
    assert!(workspace.world.okta.core().user_by_anchor(&joiner.id).is_none());
    // The role has its people again.
    service.kill();
    workspace.world.okta.core().faults.clear();
    let _service = Running::service(&workspace.config, &workspace.log, None);
    let is_made = || workspace.world.okta.core().user_by_anchor(&joiner.id).is_some();
    wait_until("the joiner's account is made", &workspace.log, is_made);
}

#[test]
fn accounts_that_were_deleted_are_forgotten_when_somebody_accepts_the_list() {
    let workspace = Workspace::new(60).with_a_port();
    let mut service = workspace.settled();
    service.kill();
    let known = workspace.count("account");
    let people: Vec<Person> = workspace.world.namely.core().people().cloned().collect();
    for person in &people[40..] {
        workspace.world.okta.core().delete_by_hand(&person.id);
    }
    let _service = Running::service(&workspace.config, &workspace.log, None);
    wait_until("it says so", &workspace.log, || workspace.log().contains("org accept-list sandbox"));
    assert_eq!(workspace.count("account"), known, "nothing follows from it");
    let (accepted, message) = workspace.cli(&["org", "accept-list", "sandbox", "--by", "Ann"]);
    assert!(accepted, "{message}");
    let forgotten = || workspace.counted("SELECT count(*) FROM audit WHERE kind = 'drifted' AND row LIKE '%deleted%'");
    wait_until("each was asked for and is gone", &workspace.log, || forgotten() >= 15);
    assert_eq!(workspace.counted("SELECT count(*) FROM audit WHERE kind = 'list_accepted'"), 1);
}

#[test]
fn what_a_start_shows_of_a_leaver_who_was_believed_to_be_out_makes_them_leave_again() {
    let workspace = Workspace::new(8);
    let mut service = workspace.settled();
    let people: Vec<Person> = workspace.world.namely.core().people().cloned().collect();
    let left = people.iter().position(|p| p.status == Hired::Active).expect("somebody");
    leave(&workspace, left);
    wait_until("they are out", &workspace.log, || {
        is_out(&workspace, &people[left].id) && dirty(&workspace.store()) == Some((0, 0))
    });
    service.kill();
    // Long before the next start, as far as lists can tell.
    let store = rusqlite::Connection::open(workspace.store()).expect("opens");
    store.execute("UPDATE account SET observed_at = observed_at - 3600000", []).expect("writes");
    drop(store);
    workspace.world.okta.core().seed_status(&people[left].id, Status::Active);
    let _service = Running::service(&workspace.config, &workspace.log, None);
    wait_until("they are out again", &workspace.log, || is_out(&workspace, &people[left].id));
    let rows: Value = json!(workspace.counted("SELECT count(*) FROM audit WHERE kind = 'drifted'"));
    assert_eq!(rows, json!(1));
}
