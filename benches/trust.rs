//! What proof costs: audit rows a second with durable commits, verifying a million of them, and comparing a tenant of
//! 100,000 people; how long exchanging the rules for all of them takes; and finding those who have left and still have access. `cargo bench --bench
//! trust` prints all five; `-- 10` does a tenth of each, `-- leavers` the last only.

use namely_okta_sync::audit::details::Reconfigured;
use namely_okta_sync::audit::{Author, Call, Effect, Event, Outcome, Record, SigningKey};
use namely_okta_sync::clock::{Clock, Moment};
use namely_okta_sync::config::Config;
use namely_okta_sync::domain::account::user::Marks;
use namely_okta_sync::domain::plan::leaver::WhyAccess;
use namely_okta_sync::domain::record::document::Changed;
use namely_okta_sync::domain::record::employee::UserStatus;
use namely_okta_sync::domain::{Account, AccountStatus, Case, Directory, Employee, Group, Link, Person, Step};
use namely_okta_sync::metrics::Metrics;
use namely_okta_sync::report::Reconciliation;
use namely_okta_sync::store::{
    PageCommit, Store, append, checkpoints, findings, leavers_with_access, verify_audit, vitals,
};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const PEOPLE: usize = 100_000;
const ROWS: usize = 1_000_000;
const DURABLE: usize = 20_000;
/// Runs that write at the same time.
const WRITERS: usize = 64;
const ORG: &str = "sandbox";

fn config() -> Config {
    let text = include_str!("../config/sandbox.toml");
    Config::parse(Path::new("sandbox.toml"), text, &|_| Some("token".into())).expect("sound")
}

/// The most memory this process has used, in MiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn record(n: usize, now: Moment) -> Record {
    let call = Call {
        step: Step::AddGroup { id: "00u1".into(), group: "00g1".into(), name: "Finance".into() },
        method: "PUT".into(),
        path: "/api/v1/groups/00g1/users/00u1".into(),
        body_hash: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".into(),
        attempt: 0,
    };
    let effect = Effect { call, outcome: Outcome::Applied, why: None, request_id: Some(format!("req{n}")) };
    Record { rev: Some(1), ..Record::about(1, ORG.into(), now, Event::Effect(effect)) }
}

async fn durable(store: &Store, clock: &Clock, rows: usize) {
    let start = clock.monotonic();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (store, now) = (store.clone(), clock.now());
            tokio::spawn(async move {
                for n in 0..rows / WRITERS {
                    let record = record(writer * rows + n, now);
                    store.run(move |c| append(c, &record)).await.expect("appends");
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("writes");
    }
    let seconds = clock.monotonic().since(start).as_secs_f64();
    println!("audit, durable, {WRITERS} at a time: {:.0} rows/s", rows as f64 / seconds);
}

async fn verify(store: &Store, clock: &Clock, rows: usize) {
    for from in (0..rows).step_by(10_000) {
        let now = clock.now();
        store
            .run(move |c| (from..from + 10_000).try_for_each(|n| append(c, &record(n, now)).map(drop)))
            .await
            .expect("appends");
    }
    let key = Arc::new(SigningKey::generate().expect("a key").0);
    store.seal(key, clock.now()).await.expect("seals");
    let reader = Store::reader(store.path()).expect("opens");
    let sealed = checkpoints(&reader).expect("reads");
    let start = clock.monotonic();
    let verdict = verify_audit(&reader, &sealed, || {}).expect("reads");
    let seconds = clock.monotonic().since(start).as_secs_f64();
    assert!(verdict.is_good() && verdict.vouched_to == verdict.last, "{verdict:?}");
    println!("audit verify: {} rows in {seconds:.1} s, {:.0} rows/s", verdict.rows, verdict.rows as f64 / seconds);
}

fn a_person(n: usize) -> Employee {
    let text = |text: &str| text.to_owned();
    let department = format!("Department {}", n % 40);
    Employee {
        id: format!("00000000-0000-4000-8000-{n:012}"),
        user_status: UserStatus::Active,
        email: format!("person{n}@example.com"),
        first_name: text("Some"),
        last_name: format!("Body{n}"),
        middle_name: String::new(),
        preferred_name: String::new(),
        start_date: "2020-01-06".parse().ok(),
        departure_date: None,
        employee_id: n.to_string(),
        employee_type: text("Full Time"),
        job_title: text("Analyst"),
        job_tier: text("Staff"),
        departments: vec![department.clone()],
        offices: vec![text("Lisbon")],
        groups: [(text("Department"), vec![department])].into(),
        teams: Vec::new(),
        pay_group: String::new(),
        office_city: text("Lisbon"),
        office_state: String::new(),
        office_country: text("PT"),
        manager: None,
        office_main_number: String::new(),
        office_direct_dial: text("+1 555 0100"),
        office_phone: String::new(),
        office_company_mobile: String::new(),
        linkedin_url: String::new(),
        custom: [("leave_status".to_owned(), serde_json::Value::Null)].into(),
    }
}

fn page(changed: Vec<Changed>, clock: &Clock) -> PageCommit {
    let sent = clock.monotonic();
    PageCommit {
        tenant: ORG.to_owned(),
        sent,
        received: sent,
        run: 1,
        now: clock.now(),
        walked: None,
        changed,
        problems: vec![],
        mended: vec![],
        back: vec![],
        endings: vec![],
    }
}

/// A tenant of which the store knows everybody, in agreement with Okta but for one in a hundred.
async fn fill(config: &Config, store: &Store, clock: &Clock, people: usize) {
    let groups: BTreeSet<String> =
        (0..40).map(|n| format!("Department Department {n}")).chain(["All Employees".into()]).collect();
    let groups = groups.into_iter().map(|name| Group { id: format!("00g {name}"), name, writable: true });
    let directory = Directory::new(groups, BTreeSet::new());
    store.put_directory(ORG, &directory, clock.now()).await.expect("writes");
    let now = clock.now();
    let account = |n: usize| {
        let employee = a_person(n);
        let case = Case::new(ORG, Person::of(ORG, employee.clone()));
        let desired = config.rulebook.desired(&case, now).expect("maps");
        // One in a hundred is not as Namely says.
        let title = if n.is_multiple_of(100) { json!("Emperor") } else { json!(employee.job_title) };
        let mut profile: std::collections::BTreeMap<_, _> =
            desired.attributes.into_iter().filter(|(_, v)| !v.is_null()).collect();
        profile.insert("title".into(), title);
        Account {
            id: format!("00u{n}"),
            login: employee.email,
            anchor: Some(employee.id),
            status: AccountStatus::Active,
            profile,
            groups: desired.groups.keys().filter_map(|g| directory.find(g)).map(|g| g.id.clone()).collect(),
            apps: Default::default(),
            app_names: Default::default(),
            user_type: String::new(),
            provider: String::new(),
            created_at: None,
            status_since: None,
            marks: Marks { manager: Link::Nobody, ..Marks::default() },
        }
    };
    store.prime(ORG, (0..people).map(account).collect(), BTreeSet::new(), now).await.expect("primes");
    for from in (0..people).step_by(1000) {
        let changed = (from..from + 1000).map(a_person).map(Changed::undated).collect();
        store.commit_page(page(changed, clock)).await.expect("commits");
    }
}

fn report(config: &Config, store: &Store, clock: &Clock, people: usize) {
    let before = peak();
    let reader = Store::reader(store.path()).expect("opens");
    let start = clock.monotonic();
    let report = Reconciliation::new(findings(&reader, &config.rulebook, ORG, clock.now(), || {}).expect("reads"));
    let compared = clock.monotonic().since(start).as_secs_f64();
    let html = report.html().expect("renders");
    let seconds = clock.monotonic().since(start).as_secs_f64();
    assert_eq!((report.people, report.mismatches()), (people, people.div_ceil(100)));
    println!(
        "reconciliation report of {people} people: {seconds:.1} s ({compared:.1} s to compare), page of {} KiB, peak {} MiB (was {before})",
        html.len() / 1024,
        peak()
    );
}

/// Exchanging the rules makes everybody dirty whom it may concern; what others write meanwhile waits for so long at most.
async fn exchange(config: &Config, store: &Store, clock: &Clock, people: usize) {
    let start = clock.monotonic();
    let beside = tokio::spawn({
        let (store, clock) = (store.clone(), clock.clone());
        async move {
            let mut longest = Duration::ZERO;
            loop {
                let asked = clock.monotonic();
                let dirty: i64 = store
                    .run(|c| Ok(c.query_row("SELECT count(*) FROM work WHERE cause = 'rules'", [], |row| row.get(0))?))
                    .await
                    .expect("counts");
                longest = longest.max(clock.monotonic().since(asked));
                if dirty == i64::try_from(people).expect("fits") {
                    return longest;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    });
    let rules = config.rulebook.clone();
    let audited = Reconfigured { changes: Vec::new(), author: Author::new("Ann", "uid:1") };
    assert!(store.exchange_rules(rules, "other".into(), audited, clock.now()).await.expect("exchanges"));
    store.relink_everybody("other", clock.now()).await.expect("looks");
    let longest = beside.await.expect("ends");
    let seconds = clock.monotonic().since(start).as_secs_f64();
    println!(
        "rules exchanged for {people} people: {seconds:.1} s; others waited {:.2} s at most",
        longest.as_secs_f64()
    );
}

/// One in twenty has left, and one in ten of those is held: who watches asks for them every few seconds.
async fn leavers(config: &Config, store: &Store, clock: &Clock, people: usize) {
    const ROUNDS: usize = 7;
    let left: Vec<usize> = (0..people).step_by(20).collect();
    for part in left.chunks(1000) {
        let gone = |n: &usize| Employee { user_status: UserStatus::Inactive, ..a_person(*n) };
        let changed = part.iter().map(gone).map(Changed::undated).collect();
        store.commit_page(page(changed, clock)).await.expect("commits");
    }
    store
        .run(|c| {
            for sql in [
                "INSERT INTO hold (org, change, scope, why, needs, since, reminded)
                   VALUES ('sandbox', 'deactivate', 'sandbox', 'too many', 1, 0, 0)",
                "UPDATE work SET done_rev = dirty_rev, state = 0",
                "UPDATE work SET state = 2, done_rev = dirty_rev - 1
                   WHERE target IN (SELECT id FROM target WHERE ended_at IS NOT NULL AND id % 200 = 1)",
                "INSERT INTO risk (target, change, org, tenant, department, rev, shown, at, run, hold)
                   SELECT target, 'deactivate', 'sandbox', 'sandbox', '', dirty_rev, 'out', 0, 1, 1 FROM work WHERE state = 2",
                "UPDATE account SET status = 'DEPROVISIONED', doc = json_set(doc, '$.status', 'DEPROVISIONED')
                   WHERE okta_id IN (SELECT okta_id FROM target JOIN work ON target = id WHERE ended_at IS NOT NULL AND state = 0)",
            ] {
                c.execute(sql, [])?;
            }
            Ok(())
        })
        .await
        .expect("writes");
    let now = clock.now() + Duration::from_secs(600);
    let mut took: Vec<(f64, f64)> = (0..ROUNDS)
        .map(|_| {
            let reader = Store::reader(store.path()).expect("opens");
            let start = clock.monotonic();
            let found = leavers_with_access(&reader, &config.rulebook, now).expect("reads");
            let alone = clock.monotonic().since(start).as_secs_f64();
            assert!(
                !found.is_empty() && found.iter().all(|leaver| leaver.why == WhyAccess::Held),
                "{:?}",
                found.first()
            );
            let reader = Store::reader(store.path()).expect("opens");
            let start = clock.monotonic();
            vitals(&reader, &config.rulebook, now).expect("reads");
            (alone, clock.monotonic().since(start).as_secs_f64())
        })
        .collect();
    took.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (alone, all) = took[ROUNDS / 2];
    let held: i64 =
        store.run(|c| Ok(c.query_row("SELECT count(*) FROM risk", [], |row| row.get(0))?)).await.expect("counts");
    println!(
        "leavers with access among {people} people, {} of whom have left and {held} are held: {:.0} ms, all gauges {:.0} ms",
        left.len(),
        alone * 1000.0,
        all * 1000.0
    );
}

fn main() {
    let only_leavers = std::env::args().any(|argument| argument == "leavers");
    let part: usize = std::env::args().skip(1).find_map(|a| a.parse().ok()).unwrap_or(1).max(1);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (clock, config) = (Clock::system(), config());
        let folder = tempfile::tempdir().expect("a folder");
        let open = |name: &str| {
            let rules = config.rulebook.clone();
            Store::open(folder.path().join(name), rules, Metrics::new().store).expect("opens")
        };
        let (audit, tenant) = (open("audit.db"), open("company.db"));
        audit.recover("rules".into(), clock.now()).await.expect("recovers");
        tenant.recover("rules".into(), clock.now()).await.expect("recovers");
        if !only_leavers {
            durable(&audit, &clock, DURABLE / part).await;
            verify(&audit, &clock, ROWS / part).await;
        }
        fill(&config, &tenant, &clock, PEOPLE / part).await;
        if !only_leavers {
            report(&config, &tenant, &clock, PEOPLE / part);
            exchange(&config, &tenant, &clock, PEOPLE / part).await;
        }
        leavers(&config, &tenant, &clock, PEOPLE / part).await;
    });
}
