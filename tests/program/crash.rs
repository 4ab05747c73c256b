//! The service is killed: at seeded random moments of a burst, and at every point between two durable steps. Nothing is
//! lost, nothing is out of order, nothing goes without audit.

use crate::common::config::config_file;
use crate::common::quick::{quick_namely, quick_okta};
use crate::common::running::Running;
use crate::common::store::dirty;
use crate::common::wait::{wait_or_report, wait_until};
use crate::common::workspace::Workspace;
use namely_okta_sync::clock::{Clock, Moment};
use namely_okta_sync::failpoint::Point;
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::oracle::{Evidence, Figures, evaluate};
use namely_okta_sync::sandbox::population::Status as Hired;
use namely_okta_sync::sandbox::scenario::{HrChange, Kind, Scenario};
use namely_okta_sync::sandbox::world::{Watch, World, today};
use namely_okta_sync::store::Store;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// Edits of `scenario`, made now.
fn make(world: &World, changes: &[HrChange]) {
    for change in changes {
        let mut tenant = world.namely.core();
        let now = world.clock.now();
        if change.person < tenant.people().count() {
            tenant.edit(change.person, now, |person| *person = change.after.clone());
        } else {
            tenant.hire(change.after.clone(), now);
        }
    }
}

/// Judges what the program left behind on `store`.
fn evaluated(world: &World, scenario: &Scenario, start: Moment, store: &Path) -> Figures {
    let namely = world.namely.core().history().exchanges().to_vec();
    let okta = world.okta.core();
    let evidence = Evidence { scenario, start, okta: &okta, namely: &namely, store, excused: &BTreeSet::new() };
    evaluate(&evidence).expect("the audit can be read")
}

/// Whoever is not done in a store that another process uses, with all that decides about when they are.
fn not_done(store: &Path) -> Vec<String> {
    let Ok(c) = Store::reader(store) else { return Vec::new() };
    let sql =
        "SELECT json_object('target', w.target, 'class', class, 'bucket', bucket, 'due', due_at, 'dirty', dirty_rev,
                 'done', done_rev, 'state', state, 'judged', judged, 'attempt', attempt, 'look', look, 'token', token,
                 'reason', reason, 'cause', cause, 'calls', (SELECT count(*) FROM intent i WHERE i.target = w.target))
               FROM work w WHERE dirty_rev > done_rev";
    let Ok(mut select) = c.prepare(sql) else { return Vec::new() };
    let rows = select.query_map([], |row| row.get(0)).and_then(Iterator::collect);
    rows.unwrap_or_default()
}

/// Waits until the service has brought everything over, then evaluates.
fn settle_and_evaluate(world: &World, scenario: &Scenario, folder: &Path, log: &Path, mut service: Running) {
    let store = folder.join("store.db");
    let watch = std::cell::RefCell::new(Watch::new(scenario));
    let arrived = || {
        assert!(!service.has_ended(), "it ended by itself: {}", std::fs::read_to_string(log).unwrap_or_default());
        watch.borrow_mut().watch(&world.okta.core());
        watch.borrow().is_over() && dirty(&store) == Some((0, 0))
    };
    let message = || {
        let missing = watch.borrow().missing(&world.okta.core());
        format!("missing in Okta: {missing:#?}\nnot done at {}: {:#?}", world.clock.now().millis(), not_done(&store))
    };
    wait_or_report("every change has arrived", log, arrived, message);
    let figures = evaluated(world, scenario, world.clock.now(), &store);
    let verdict = (figures.lost, figures.order_violations, figures.unaudited_effects, figures.http_429);
    assert_eq!(verdict, (0, 0, 0, 0), "{:#?}", figures.findings);
}

#[test]
fn twenty_kills_in_a_burst_lose_nothing() {
    let clock = Clock::system();
    let mut scenario = Scenario::make("day", 120, 3, today(clock.now())).expect("a scenario");
    scenario.changes.iter_mut().for_each(|change| change.at = Duration::ZERO);
    let mut okta = quick_okta();
    okta.latency = 0.15;
    let world = World::start(&scenario, quick_namely(), okta, clock.clone()).expect("ports");
    let folder = tempfile::tempdir().expect("a folder");
    let config = config_file(&world, folder.path());
    let log = folder.path().join("log");
    let seed = 20;
    eprintln!("the moments are those of seed {seed}"); // shown if it fails
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut changes = scenario.changes.chunks(scenario.changes.len().div_ceil(20));
    let writes = || world.okta.core().history().exchanges().iter().filter(|e| e.applied).count();
    for round in 0..20 {
        let (before, begun) = (writes(), clock.monotonic());
        let mut service = Running::service(&config, &log, None);
        make(&world, changes.next().unwrap_or_default());
        // Every other kill comes anywhere after the start, the others once writes have begun, however slow the machine.
        let at_work = || writes() > before || clock.monotonic().since(begun) > Duration::from_secs(20);
        let wait = if round % 2 == 0 { random.random_range(60..900) } else { random.random_range(0..60) };
        if round % 2 == 1 {
            wait_until("writes have begun", &log, at_work);
        }
        std::thread::sleep(Duration::from_millis(wait)); // the moment is the point of this test
        assert!(!service.has_ended(), "{}", std::fs::read_to_string(&log).unwrap_or_default());
        service.kill();
    }
    changes.for_each(|rest| make(&world, rest));
    let service = Running::service(&config, &log, None);
    settle_and_evaluate(&world, &scenario, folder.path(), &log, service);
    let starts = started(&folder.path().join("store.db"));
    assert!(starts.len() > 10, "most starts came to open the store");
    let sum = |key: &str| starts.iter().filter_map(|row| row["detail"][key].as_i64()).sum::<i64>();
    assert!(sum("void_claims") > 0 && sum("unknown_calls") > 0, "the kills met no work: {starts:?}");
}

/// What each start found, by the audit.
fn started(store: &Path) -> Vec<serde_json::Value> {
    let connection = namely_okta_sync::store::Store::reader(store).expect("opens");
    let mut select = connection.prepare("SELECT row FROM audit WHERE kind = 'started'").expect("a query");
    let rows = select.query_map([], |row| row.get::<String>(0)).expect("rows");
    rows.map(|row| serde_json::from_str(&row.expect("a row")).expect("JSON")).collect()
}

/// Lets the service die at each point in turn while one person of this kind is worked on.
fn dies_everywhere(kind: Kind) {
    let clock = Clock::system();
    for (n, point) in Point::ALL.into_iter().enumerate() {
        let day = Scenario::make("day", 30, 40 + n as u64, today(clock.now())).expect("a scenario");
        let mut change = day.changes.iter().find(|c| c.kind == kind).expect("one of each").clone();
        change.at = Duration::ZERO;
        change.person = change.person.min(day.people.len());
        let scenario = Scenario { changes: vec![change], ..day };
        let world = World::start(&scenario, quick_namely(), quick_okta(), clock.clone()).expect("ports");
        let folder = tempfile::tempdir().expect("a folder");
        let config = config_file(&world, folder.path());
        let log = folder.path().join("log");
        make(&world, &scenario.changes);
        let mut service = Running::service(&config, &log, Some(&format!("{point:?}:1")));
        wait_until(&format!("the service dies at {point:?}"), &log, || service.has_ended());
        drop(service);
        let service = Running::service(&config, &log, None);
        settle_and_evaluate(&world, &scenario, folder.path(), &log, service);
    }
}

#[test]
fn a_joiner_survives_a_crash_at_every_point() {
    dies_everywhere(Kind::Joiner);
}

#[test]
fn a_mover_survives_a_crash_at_every_point() {
    dies_everywhere(Kind::Mover);
}

#[test]
fn a_leaver_survives_a_crash_at_every_point() {
    dies_everywhere(Kind::Leaver);
}

#[test]
fn a_panic_in_one_plan_quarantines_that_person_and_the_service_goes_on() {
    let clock = Clock::system();
    let scenario = Scenario::make("day", 30, 5, today(clock.now())).expect("a scenario");
    let world = World::start(&scenario, quick_namely(), quick_okta(), clock).expect("ports");
    let folder = tempfile::tempdir().expect("a folder");
    let config = config_file(&world, folder.path());
    let (log, store) = (folder.path().join("log"), folder.path().join("store.db"));
    let mut service = Running::service(&config, &log, Some("panic:Planned:5"));
    wait_until("one person is quarantined and the others are done", &log, || dirty(&store) == Some((0, 1)));
    assert!(!service.has_ended());
    make(&world, &scenario.changes);
    let mut watch = Watch::new(&scenario);
    wait_until("every change has arrived", &log, || {
        watch.watch(&world.okta.core());
        watch.is_over()
    });
}

#[test]
fn a_leaver_whose_plan_panics_is_out_soon_all_the_same() {
    let workspace = Workspace::new(12);
    let mut service = workspace.settled();
    service.kill();
    let leaver = workspace.world.namely.core().people().nth(5).map(|person| person.id.clone()).expect("somebody");
    let _service = Running::service(&workspace.config, &workspace.log, Some("panic:Planned:1"));
    workspace.world.namely.core().edit(5, workspace.world.clock.now(), |person| person.status = Hired::Inactive);
    wait_until("the plan has panicked", &workspace.log, || workspace.log().contains("a run ended without letting go"));
    wait_until("the leaver is out", &workspace.log, || {
        let okta = workspace.world.okta.core();
        okta.user_by_anchor(&leaver).is_some_and(|user| user.status == Status::Deprovisioned)
    });
}

/// A world with one edit, and the service on it with a fail point; returns its log.
fn one_change(seed: u64, failpoint: &str, rewrite: impl Fn(String) -> String) -> String {
    let clock = Clock::system();
    let day = Scenario::make("day", 30, seed, today(clock.now())).expect("a scenario");
    let mut change = day.changes.iter().find(|c| c.kind == Kind::Mover).expect("one of each").clone();
    change.at = Duration::ZERO;
    let scenario = Scenario { changes: vec![change], ..day };
    let world = World::start(&scenario, quick_namely(), quick_okta(), clock).expect("ports");
    let folder = tempfile::tempdir().expect("a folder");
    let config = config_file(&world, folder.path());
    let text = std::fs::read_to_string(&config).expect("reads");
    std::fs::write(&config, rewrite(text)).expect("writes");
    let log = folder.path().join("log");
    make(&world, &scenario.changes);
    let service = Running::service(&config, &log, Some(failpoint));
    settle_and_evaluate(&world, &scenario, folder.path(), &log, service);
    let log = std::fs::read_to_string(&log).expect("reads");
    let said = if failpoint.starts_with("lose") { "a run made no progress" } else { "failed by a mistake" };
    assert!(log.contains(said), "{failpoint} was never reached:\n{log}");
    log
}

#[test]
fn a_writer_that_fails_at_one_call_costs_that_call_and_nothing_else() {
    for (n, point) in ["Ordered:3", "IntentCommitted:1", "AnswerRead:1"].into_iter().enumerate() {
        one_change(60 + n as u64, &format!("panic:{point}"), |text| text);
    }
}

#[test]
fn claims_that_a_dispatcher_has_lost_are_released_and_taken_again() {
    for (n, point) in ["Claimed:1", "Dispatched:1"].into_iter().enumerate() {
        one_change(70 + n as u64, &format!("panic:{point}"), |text| text);
    }
}

#[test]
fn a_page_that_the_poller_fails_at_is_read_again() {
    for (n, point) in ["PageFetched:1", "PageCommitted:1"].into_iter().enumerate() {
        one_change(80 + n as u64, &format!("panic:{point}"), |text| text);
    }
}

#[test]
fn a_run_whose_answer_never_comes_is_let_go_of_and_its_person_is_brought_to_what_namely_says() {
    let quick = |text: String| text.replace("[[okta]]\n", "[[okta]]\ntimeout = \"1s\"\n");
    one_change(90, "lose:AnswerRead:1", quick);
}

/// Parts that are started again, or go on, when they fail at a piece of their work.
const PARTS: [&str; 16] = [
    "audit sink",
    "dispatcher",
    "forecaster",
    "gauges",
    "groups of the org",
    "notifier",
    "opener",
    "poller",
    "proof of the lists",
    "reconciler",
    "sealer",
    "searcher",
    "timekeeper",
    "verifier",
    "watchdog",
    "writer",
];

#[test]
fn every_part_that_fails_is_said_to_have_failed_and_is_at_work_again_with_nothing_lost() {
    let failpoints = PARTS.map(|part| format!("panic:{part}:1")).join(",");
    let secret = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(secret.path(), "http://127.0.0.1:9/").expect("writes"); // nobody listens there
    let url = format!("file:{}", secret.path().display());
    let channel = format!("\n[[notify]]\nname = \"test\"\nkind = \"webhook\"\nurl = \"{url}\"\n");
    let log = one_change(100, &failpoints, |text| text + &channel);
    for part in PARTS {
        assert!(log.contains(&format!("the fail point {part} was asked to panic")), "{part} never began:\n{log}");
    }
}

#[test]
fn a_service_that_an_actor_is_gone_of_ends_with_its_own_code_and_goes_on_from_its_store() {
    for (n, gone) in
        ["all of writer:3", "all of dispatcher:3", "all of poller:1", "org:1", "tenant:1"].into_iter().enumerate()
    {
        let clock = Clock::system();
        let day = Scenario::make("day", 30, 110 + n as u64, today(clock.now())).expect("a scenario");
        let mut change = day.changes.iter().find(|c| c.kind == Kind::Leaver).expect("one of each").clone();
        change.at = Duration::ZERO;
        let scenario = Scenario { changes: vec![change], ..day };
        let world = World::start(&scenario, quick_namely(), quick_okta(), clock).expect("ports");
        let folder = tempfile::tempdir().expect("a folder");
        let (config, log) = (config_file(&world, folder.path()), folder.path().join("log"));
        make(&world, &scenario.changes);
        let mut service = Running::service(&config, &log, Some(&format!("panic:{gone}")));
        wait_until("it ends by itself", &log, || service.has_ended());
        assert_eq!(service.0.wait().expect("ended").code(), Some(70), "{gone}");
        let said = std::fs::read_to_string(&log).expect("reads");
        assert!(said.contains("is gone; the process ends and can be started again on the same store"), "{said}");
        let service = Running::service(&config, &log, None);
        settle_and_evaluate(&world, &scenario, folder.path(), &log, service);
    }
}
