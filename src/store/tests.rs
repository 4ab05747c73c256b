use super::engine::server_tests::place;
use super::rows::meta::{meta, set_meta};
use super::*;
use crate::audit::details::Reconfigured;
use crate::audit::{Author, Call, Effect, Outcome};
use crate::clock::Moment;
use crate::domain::account::user::tests::bare;
use crate::domain::plan::rulebook::tests::rulebook;
use crate::domain::record::document::Changed;
use crate::domain::record::employee::tests::an_employee;
use crate::domain::work::run::{Begun, Claim, Next, Release};
use crate::domain::{Account, Directory, Employee, Learned, Priority, Rulebook, Step, UserStatus};
use crate::metrics::Metrics;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// A store in a folder of its own.
pub(super) struct World {
    pub store: Store,
    pub folder: tempfile::TempDir,
    pub now: Moment,
}

impl World {
    pub async fn new() -> Self {
        Self::under(rulebook()).await
    }

    pub async fn under(rules: Rulebook) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(place(folder.path()), Arc::new(rules), Metrics::new().store).expect("opens");
        let now = Moment::from_secs(1_800_000_000);
        store.recover("rules".into(), now).await.expect("recovers");
        store.put_directory("main", &Directory::default(), now).await.expect("writes");
        Self { store, folder, now }
    }

    fn page(&self, employees: Vec<Employee>) -> PageCommit {
        PageCommit {
            tenant: "acme".into(),
            sent: self.now,
            received: self.now,
            run: 1,
            now: self.now,
            walked: None,
            changed: employees.into_iter().map(Changed::undated).collect(),
            problems: vec![],
            mended: vec![],
            back: vec![],
            endings: vec![],
        }
    }

    pub async fn see(&self, employee: Employee) -> PageOutcome {
        self.store.commit_page(self.page(vec![employee])).await.expect("commits")
    }

    pub async fn claim(&self) -> Vec<Claim> {
        let rooms = vec![("any", 10), ("users", 10), ("user_read", 10)];
        self.store
            .claim("main", Arc::default(), self.now, Want { ordered_only: false, runs: 10, urgent: 10, rooms })
            .await
            .expect("claims")
    }

    pub async fn begin(&self, claim: &Claim) -> Begun {
        self.store.begin_step(claim.lease, call(), BTreeSet::new(), None, self.now).await.expect("begins")
    }

    /// Somebody says something about a match, having seen it, and a second one if it takes two.
    fn opine(&self, operator: &Tx, id: i64, accept: bool) -> Opined {
        let rules = rulebook();
        let shown = review_outlook(operator, &rules, id, self.now).expect("reads").and_then(|(_, outlook)| outlook);
        let code = shown.map(|outlook| outlook.code).unwrap_or_default();
        let mut said = Opined::NothingToDecide;
        for by in ["ada", "ben"] {
            let opinion = Opinion { accept, code: &code, same_person: true, why: Some("two jobs"), by, principal: by };
            said = opine(operator, &rules, id, &opinion, self.now).expect("decides");
            if !matches!(said, Opined::Needs { .. }) {
                break;
            }
        }
        said
    }

    pub async fn audit(&self) -> Vec<serde_json::Value> {
        let rows = self.store.run(|c| read_audit(c, 0, 1000)).await.expect("reads");
        rows.iter().map(|row| serde_json::from_str(&row.text).expect("a row")).collect()
    }
}

/// A page on which these are.
pub(super) fn page_of(world: &World, employees: Vec<Employee>) -> PageCommit {
    world.page(employees)
}

fn step() -> Step {
    Step::AddGroup { id: "u".into(), group: "g".into(), name: "G".into() }
}

pub(super) fn account(anchor: Option<&str>) -> Account {
    bare("00u1", &an_employee().email, anchor)
}

/// The end of a run of somebody who is entitled.
pub(super) fn done() -> Release {
    Release::Done { was: "entitled", decided: None, remark: None, awaits_manager: false }
}

fn call() -> Call {
    Call {
        step: step(),
        method: "PUT".into(),
        path: "/api/v1/groups/g/users/u".into(),
        body_hash: String::new(),
        attempt: 0,
    }
}

pub(super) fn effect(outcome: Outcome) -> Effect {
    Effect { call: call(), outcome, why: None, request_id: None }
}

#[tokio::test]
async fn a_change_is_dirty_until_okta_is_proved_to_hold_it() {
    let world = World::new().await;
    assert_eq!(world.see(an_employee()).await.dirtied, [Priority::Grant]);
    assert_eq!(world.see(an_employee()).await.dirtied, [], "the same document again changes nothing");
    let claims = world.claim().await;
    assert_eq!(claims.len(), 1);
    assert_eq!(world.claim().await.len(), 0, "one lane per person");
    let claim = &claims[0];
    world.store.release(claim.lease, done(), world.now).await.expect("done");
    assert_eq!(world.store.backlog().await.expect("reads").total(), 0);
}

#[tokio::test]
async fn a_revision_that_arrives_during_a_run_stops_it_and_stays_dirty() {
    let world = World::new().await;
    world.see(an_employee()).await;
    let claim = world.claim().await.remove(0);
    world.see(Employee { job_title: "Controller".into(), ..an_employee() }).await;
    assert_eq!(world.begin(&claim).await, Begun::Stale);
    world.store.release(claim.lease, done(), world.now).await.expect("done");
    let again = world.claim().await;
    assert_eq!((again.len(), again[0].lease.rev), (1, 2), "done means the revision that was planned, not the newest");
}

#[tokio::test]
async fn a_termination_overtakes_everything_that_waits() {
    let world = World::new().await;
    world
        .store
        .prime("main", vec![account(Some(&an_employee().id))], BTreeSet::new(), world.now)
        .await
        .expect("primes");
    let joiners =
        (0..30).map(|n| Employee { id: format!("joiner-{n}"), email: format!("j{n}@example.com"), ..an_employee() });
    world.store.commit_page(world.page(joiners.collect())).await.expect("commits");
    world.see(Employee { user_status: UserStatus::Inactive, ..an_employee() }).await;
    let only_revoke = Want { ordered_only: false, runs: 10, urgent: 5, rooms: vec![("users", 0)] };
    let claims = world.store.claim("main", Arc::default(), world.now, only_revoke).await.expect("claims");
    assert_eq!(claims.iter().map(|c| c.priority).collect::<Vec<_>>(), [Priority::Revoke]);
    assert_eq!(world.claim().await.len(), 10);
}

#[tokio::test]
async fn what_comes_under_an_old_token_is_dropped() {
    let world = World::new().await;
    world.see(an_employee()).await;
    let old = world.claim().await.remove(0);
    let later = world.now;
    world.store.recover("rules".into(), later).await.expect("recovers");
    let new = world.claim().await.remove(0);
    assert!(new.lease.token > old.lease.token);
    assert_eq!(world.begin(&old).await, Begun::Stale);
    world.store.release(old.lease, done(), later).await.expect("dropped");
    assert_eq!(world.store.backlog().await.expect("reads").total(), 1);
}

#[tokio::test]
async fn a_call_without_an_outcome_is_unknown_after_a_restart_and_is_looked_at_first() {
    let world = World::new().await;
    world.see(an_employee()).await;
    let claim = world.claim().await.remove(0);
    assert!(matches!(world.begin(&claim).await, Begun::Intent(_)));
    let recovered = world.store.recover("rules".into(), world.now).await.expect("recovers");
    assert_eq!((recovered.claims, recovered.unknown), (1, 1));
    assert!(world.claim().await.remove(0).read_first);
    let unknown: Vec<_> = world.audit().await.into_iter().filter(|r| r["detail"]["outcome"] == "unknown").collect();
    assert_eq!(unknown.len(), 1);
    assert_eq!(unknown[0]["detail"]["path"], "/api/v1/groups/g/users/u");
}

#[tokio::test]
async fn an_outcome_its_account_and_its_audit_row_are_one_commit() {
    let world = World::new().await;
    world.see(an_employee()).await;
    let claim = world.claim().await.remove(0);
    let Begun::Intent(intent) = world.begin(&claim).await else { panic!("stale") };
    let end = EndStep {
        lease: claim.lease,
        intent,
        effect: effect(Outcome::Applied),
        account: Some(account(None)).into(),
        holder: None,
        new_groups: Vec::new(),
        next: Next::Release(done()),
    };
    world.store.end_step(end, world.now).await.expect("ends");
    assert_eq!(world.store.account("main", "00u1").await.expect("reads").map(|a| a.id), Some("00u1".into()));
    let kinds: Vec<_> = world.audit().await.iter().map(|r| r["kind"].as_str().unwrap_or("").to_owned()).collect();
    assert_eq!(kinds, ["started", "observed", "effect", "done"]);
}

#[tokio::test]
async fn what_a_call_has_left_open_is_read_first_by_whoever_comes_next() {
    let world = World::new().await;
    world.see(an_employee()).await;
    let claim = world.claim().await.remove(0);
    let Begun::Intent(intent) = world.begin(&claim).await else { panic!("stale") };
    let effect = effect(Outcome::Replan); // the login of a create exists already, perhaps by the first of two copies of the call
    let end = EndStep {
        lease: claim.lease,
        intent,
        effect,
        account: Learned::Nothing,
        holder: None,
        new_groups: Vec::new(),
        next: Next::Read,
    };
    world.store.end_step(end, world.now).await.expect("ends");
    world.see(Employee { email: "another@example.com".into(), ..an_employee() }).await;
    world.store.release(claim.lease, Release::Stale, world.now).await.expect("lets go");
    assert!(world.claim().await.remove(0).read_first, "a newer revision does not write before the account was read");
}

#[tokio::test]
async fn a_second_profile_of_the_same_name_joins_the_person_and_another_name_waits_for_a_verdict() {
    let world = World::new().await;
    world.store.prime("main", vec![account(None)], BTreeSet::new(), world.now).await.expect("primes");
    world.see(an_employee()).await;
    let claim = world.claim().await.remove(0);
    assert_eq!(claim.okta_id.as_deref(), Some("00u1"));
    world.see(Employee { id: "twin".into(), job_title: "Adviser".into(), ..an_employee() }).await;
    assert_eq!(world.begin(&claim).await, Begun::Stale, "the running lane is of half a person");
    let both = world.claim().await.remove(0);
    assert_eq!((both.lease.target, both.case.person.positions().len()), (claim.lease.target, 2));
    world.see(Employee { id: "other".into(), first_name: "Irene".into(), ..an_employee() }).await;
    assert_eq!(world.store.backlog().await.expect("reads").quarantined, 1);
    let waiting = world.store.reviews().await.expect("reads");
    assert!(waiting[0].why.contains("names differ"), "{waiting:?}");
}

#[tokio::test]
async fn a_verdict_is_applied_audited_and_remembered() {
    for accept in [true, false] {
        let world = World::new().await;
        world.store.prime("main", vec![account(None)], BTreeSet::new(), world.now).await.expect("primes");
        world.see(an_employee()).await;
        world.see(Employee { id: "other".into(), first_name: "Irene".into(), ..an_employee() }).await;
        let review = world.store.reviews().await.expect("reads").remove(0);
        let operator = Store::operator(world.store.place()).expect("opens");
        assert_eq!(world.opine(&operator, review.id, accept), Opined::Decided);
        assert_eq!(world.opine(&operator, review.id, !accept), Opined::NothingToDecide, "once");
        world.store.apply_verdicts(world.now).await.expect("applies");
        assert_eq!(world.store.reviews().await.expect("reads"), []);
        let claims = world.claim().await;
        assert_eq!(claims.len(), if accept { 1 } else { 2 });
        let logins: Vec<bool> = claims.iter().map(|claim| claim.case.login.is_ok()).collect();
        assert!(logins.contains(&true) && (accept || logins.contains(&false)), "the login is one person's only");
        let audited = world.audit().await.into_iter().find(|row| row["kind"] == "reviewed").expect("a row");
        assert_eq!(
            (audited["detail"]["by"].as_str(), audited["profile"].as_str()),
            (Some(if accept { "ben" } else { "ada" }), Some("other"))
        );
        // The same profile changes again: what was decided stays decided.
        let again = Employee { id: "other".into(), first_name: "Irene".into(), job_title: "X".into(), ..an_employee() };
        world.see(again).await;
        assert_eq!(world.store.reviews().await.expect("reads"), []);
    }
}

#[tokio::test]
async fn a_login_is_one_persons_from_before_the_account_exists() {
    let world = World::new().await;
    let other = Employee { id: "other".into(), first_name: "Irene".into(), ..an_employee() };
    world.store.prime("main", Vec::new(), BTreeSet::new(), world.now).await.expect("primes");
    world.see(an_employee()).await;
    let first = world.claim().await.remove(0);
    assert!(first.case.login.is_ok());
    // The two were found to be different people.
    world.see(other).await;
    let review = world.store.reviews().await.expect("reads").remove(0);
    let operator = Store::operator(world.store.place()).expect("opens");
    assert_eq!(world.opine(&operator, review.id, false), Opined::Decided);
    world.store.apply_verdicts(world.now).await.expect("applies");
    let second = world.claim().await.remove(0);
    assert!(second.case.login.is_err_and(|why| why.contains("about to be made")));
}

#[tokio::test]
async fn managers_are_found_awaited_and_never_fatal() {
    use crate::domain::Manager;
    use crate::domain::plan::case::ManagerLink;
    let world = World::new().await;
    let reports_to = |id: &str| Some(Manager { id: id.into(), name: "Ada Byron".into(), email: String::new() });
    let person = |id: &str, manager: &str| Employee {
        id: id.into(),
        email: format!("{id}@example.com"),
        first_name: id.to_uppercase(),
        manager: (!manager.is_empty()).then(|| reports_to(manager)).flatten(),
        ..an_employee()
    };
    let people = vec![
        person("boss", ""),
        person("report", "boss"),
        person("self", "self"),
        person("a", "b"),
        person("b", "a"),
        person("lost", "nobody-knows"),
    ];
    world.store.commit_page(world.page(people)).await.expect("commits");
    let claims = world.claim().await;
    let link = |id: &str| {
        let claim = claims.iter().find(|claim| claim.case.person.has(id)).expect("a claim");
        claim.case.manager.clone()
    };
    assert_eq!(link("boss"), ManagerLink::Nobody);
    assert_eq!(link("report"), ManagerLink::Awaited("Ada Byron".into()));
    for (id, word) in [("self", "themselves"), ("a", "in the end"), ("b", "in the end"), ("lost", "no profile")] {
        assert!(matches!(link(id), ManagerLink::Broken(why) if why.contains(word)), "{id}: {:?}", link(id));
    }
    for claim in &claims {
        let awaits_manager = claim.case.person.has("report");
        let done = Release::Done { was: "entitled", decided: None, remark: None, awaits_manager };
        world.store.release(claim.lease, done, world.now).await.expect("done");
    }
    // The boss gets an account: whoever waits for it is dirty again, and nobody else.
    world.see(Employee { job_title: "Chief".into(), ..person("boss", "") }).await;
    let boss = world.claim().await.remove(0);
    let Begun::Intent(intent) = world.begin(&boss).await else { panic!("stale") };
    let account = bare("00uBoss", "boss@example.com", Some("boss"));
    let end = EndStep {
        lease: boss.lease,
        intent,
        effect: effect(Outcome::Applied),
        account: Some(account).into(),
        holder: None,
        new_groups: Vec::new(),
        next: Next::Release(done()),
    };
    world.store.end_step(end, world.now).await.expect("ends");
    let woken = world.claim().await;
    assert_eq!(woken.len(), 1);
    let ManagerLink::Account { id, login, .. } = &woken[0].case.manager else { panic!("{:?}", woken[0].case.manager) };
    assert_eq!((id.as_str(), login.as_str()), ("00uBoss", "boss@example.com"));
}

#[tokio::test]
async fn an_answer_that_was_under_way_while_a_newer_one_arrived_is_not_believed() {
    let world = World::new().await;
    let newer = Employee { job_title: "Controller".into(), ..an_employee() };
    let second = std::time::Duration::from_secs(1);
    let page = |employee: Employee, sent, received| PageCommit { sent, received, ..world.page(vec![employee]) };
    let newer_page = page(newer.clone(), world.now + second, world.now + second * 2);
    world.store.commit_page(newer_page).await.expect("commits");
    let slow = page(an_employee(), world.now, world.now + second * 9);
    assert_eq!(world.store.commit_page(slow).await.expect("commits"), PageOutcome::default());
    assert_eq!(world.claim().await[0].case.person.primary().employee, newer);
}

#[tokio::test]
async fn a_circle_of_managers_is_found_whatever_its_length_and_only_by_those_who_stand_in_it() {
    let world = World::new().await;
    let reports_to = |n: usize| Some(crate::domain::Manager { id: format!("p{n}"), ..Default::default() });
    let person = |n: usize, manager| Employee {
        id: format!("p{n}"),
        email: format!("p{n}@example.com"),
        manager,
        ..an_employee()
    };
    // A chain of a hundred below a circle of fifty; then one edit breaks the circle up.
    let manager = |n: usize| match n {
        49 => 0,
        n if n < 49 => n + 1,
        n => n - 1,
    };
    let all = (0..150).map(|n| person(n, reports_to(manager(n)))).collect();
    world.store.commit_page(world.page(all)).await.expect("commits");
    let circle = async |n: usize| {
        let id = format!("p{n}");
        world.store.run(move |c| circles::circle_of(c, "acme", &id)).await.expect("reads").len()
    };
    for (n, length) in [(0, 50), (25, 50), (49, 50), (50, 0), (149, 0)] {
        assert_eq!(circle(n).await, length, "{n}");
    }
    world.see(person(49, None)).await;
    assert_eq!(circle(0).await, 0);
}

#[tokio::test]
async fn a_last_day_that_passes_makes_a_termination_without_any_edit() {
    let world = World::new().await;
    world
        .store
        .prime("main", vec![account(Some(&an_employee().id))], BTreeSet::new(), world.now)
        .await
        .expect("primes");
    let today = world.now.to_string()[..10].parse().expect("a date");
    world.see(Employee { departure_date: Some(today), ..an_employee() }).await;
    let claim = world.claim().await.remove(0);
    world.store.release(claim.lease, done(), world.now).await.expect("done");
    let at = world.store.next_change().await.expect("reads").expect("a change ahead");
    assert_eq!(world.store.wake_due(world.now).await.expect("wakes"), []);
    assert_eq!(world.store.wake_due(at).await.expect("wakes"), [Priority::Revoke]);
    assert_eq!(world.store.next_change().await.expect("reads"), None);
}

#[tokio::test]
async fn changed_rules_make_everybody_dirty_once() {
    let world = World::new().await;
    world.see(an_employee()).await;
    let claim = world.claim().await.remove(0);
    world.store.release(claim.lease, done(), world.now).await.expect("done");
    assert!(world.store.recover("other rules".into(), world.now).await.expect("recovers").rules_changed);
    assert_eq!(world.store.backlog().await.expect("reads").total(), 1);
    assert!(!world.store.recover("other rules".into(), world.now).await.expect("recovers").rules_changed);
}

#[tokio::test]
async fn a_failing_job_leaves_no_trace_and_its_neighbours_are_committed() {
    let world = World::new().await;
    let bad = world.store.run(|c| {
        c.execute("INSERT INTO meta VALUES ('half', 'done')", [])?;
        Err::<(), _>(StoreError::Stopped)
    });
    let good = world.store.run(|c| set_meta(c, "whole", "done"));
    let (bad, good) = tokio::join!(bad, good);
    assert!(bad.is_err() && good.is_ok());
    let read = |key: &'static str| world.store.run(move |c| meta(c, key));
    assert_eq!(read("half").await.expect("reads"), None);
    assert_eq!(read("whole").await.expect("reads").as_deref(), Some("done"));
}

#[tokio::test]
async fn the_chain_holds_over_everything_that_was_written() {
    let world = World::new().await;
    for n in 0..20 {
        world.see(Employee { job_title: format!("T{n}"), ..an_employee() }).await;
    }
    let rows = world.store.run(|c| read_audit(c, 0, 1000)).await.expect("reads");
    assert_eq!(rows.len(), 21);
    let mut previous = Vec::new();
    for row in rows {
        assert_eq!(row.hash, crate::audit::record::chain(&previous, &row.text), "row {}", row.seq);
        previous = row.hash;
    }
}

#[tokio::test]
async fn a_second_process_is_told_who_has_the_store() {
    let world = World::new().await;
    let second = Store::open(world.folder.path().join("s.db"), Arc::new(rulebook()), Metrics::new().store);
    assert!(second.is_err_and(|e| e.to_string().contains("in use by process")));
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s.db");
    Tx::stranger(&path).execute_batch("PRAGMA user_version = 99").expect("sets");
    let opened = Store::open(&path, Arc::new(rulebook()), Metrics::new().store);
    assert!(opened.is_err_and(|e| e.to_string().contains("schema version 99")));
}

#[tokio::test]
async fn a_disk_that_is_full_in_the_middle_of_a_group_leaves_nothing_of_the_group() {
    let world = World::new().await;
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let write = |key: &'static str, value: String| {
        let store = world.store.clone();
        tokio::spawn(async move { store.run(move |c| set_meta(c, key, &value)).await })
    };
    // All of these are one group: they wait behind a job that waits itself.
    let first = {
        let store = world.store.clone();
        tokio::spawn(async move {
            let job = move |c: &Tx| {
                held.recv().expect("is told");
                let pages: i64 = c.query_row("PRAGMA page_count", [], |row| row.get(0))?;
                Ok(c.execute_batch(&format!("PRAGMA max_page_count = {}", pages + 2))?)
            };
            store.run(job).await
        })
    };
    tokio::task::yield_now().await;
    let before = write("before", "small".into());
    tokio::task::yield_now().await;
    let large = write("large", "x".repeat(1 << 20));
    tokio::task::yield_now().await;
    let after = write("after", "small".into());
    tokio::task::yield_now().await;
    hold.send(()).expect("somebody waits");
    let ends = [first.await, before.await, large.await, after.await].map(|end| end.expect("ends").is_ok());
    let found = |key: &'static str| world.store.run(move |c| meta(c, key));
    for (key, message) in ["before", "large", "after"].into_iter().zip(&ends[1..]) {
        assert_eq!(
            found(key).await.expect("reads").is_some(),
            *message,
            "{key} is there exactly if that was told: {ends:?}"
        );
    }
    assert!(!ends[2], "the disk was full");
}

#[tokio::test]
async fn whoever_was_not_looked_at_under_exchanged_rules_is_by_the_next_start() {
    let world = World::new().await;
    let tenant = 600_i64;
    let one = |n: i64| Employee { id: format!("{n:08}"), email: format!("p{n}@acme.com"), ..an_employee() };
    world.store.commit_page(world.page((0..tenant).map(one).collect())).await.expect("commits");
    let exchange = async |to: &str| {
        let rules = Arc::new(rulebook());
        let changes = Reconfigured { changes: Vec::new(), author: Author::new("Ann", "uid:1") };
        world.store.exchange_rules(rules, to.into(), changes, world.now).await.expect("exchanges")
    };
    let evaluated_people = async || {
        let sql = "SELECT count(*) FROM work WHERE cause = 'rules'";
        world.store.run(move |c| Ok(c.query_row(sql, [], |row| row.get::<i64>(0))?)).await.expect("counts")
    };
    assert!(!exchange("rules").await, "the same rules concern nobody");
    assert!(exchange("others").await);
    assert!(exchange("rules").await, "back to those from before, while nobody knows who was looked at under which");
    assert!(exchange("others").await);
    world.store.relink_everybody("rules", world.now).await.expect("looks");
    assert_eq!(evaluated_people().await, 0, "those rules do not hold any more");
    let begun = world.store.recover("others".into(), world.now).await.expect("recovers");
    assert!(begun.rules_changed, "the service ended before it had looked at everybody");
    assert_eq!(evaluated_people().await, tenant);
    assert!(exchange("third").await);
    world.see(Employee { job_title: "Controller".into(), ..one(7) }).await;
    world.store.relink_everybody("third", world.now).await.expect("looks");
    assert_eq!(evaluated_people().await, tenant, "in parts, everybody once");
    assert!(!world.store.recover("third".into(), world.now).await.expect("recovers").rules_changed);
}

#[tokio::test]
async fn a_clock_that_is_set_back_makes_nobody_wait() {
    let world = World::new().await;
    let hour = Duration::from_secs(3600);
    world.see(an_employee()).await;
    let earlier = World { now: world.now - hour, ..world };
    assert_eq!(earlier.claim().await.len(), 0, "due in an hour, by the calendar");
    earlier.store.clock_was_set_back(hour).await.expect("moves");
    let claim = earlier.claim().await.remove(0);
    earlier
        .store
        .release(claim.lease, Release::Retry { at: earlier.now + hour, why: "later".into() }, earlier.now)
        .await
        .expect("waits");
    earlier.store.recover("rules".into(), earlier.now - hour - hour).await.expect("recovers");
    let started = World { now: earlier.now - hour, ..earlier };
    assert_eq!(started.claim().await.len(), 1, "a start finds that its clock is behind what the store has seen");
}
