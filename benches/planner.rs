//! How many people a second the pure core plans on one core, and what that costs.
//!
//! `cargo bench --bench planner` times plans of a thousand people by criterion. `cargo bench --bench planner -- snapshots`
//! plans 100,000 people from the documents that the store keeps, prints people a second and the peak of memory, and where
//! the time goes: reading the document, the record's dates, the mapping, the difference.

use criterion::{Criterion, Throughput, criterion_group};
use namely_okta_sync::clock::{Clock, Moment};
use namely_okta_sync::config::Config;
use namely_okta_sync::domain::account::user::Marks;
use namely_okta_sync::domain::guard::planned::plan;
use namely_okta_sync::domain::plan::situation::Situation;
use namely_okta_sync::domain::{Account, AccountStatus, Case, Directory, Employee, Group, Link, Person};
use namely_okta_sync::namely::catalogue::GroupTypes;
use namely_okta_sync::namely::{Catalogue, Reader};
use namely_okta_sync::sandbox::http::{Core, Request};
use namely_okta_sync::sandbox::namely::{Namely, Options};
use namely_okta_sync::sandbox::world::population;
use serde_json::Value;
use std::collections::BTreeSet;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

const PEOPLE: usize = 1000;
const SNAPSHOTS: usize = 100_000;

/// The people of a simulated tenant as the service reads them.
fn employees(config: &Config) -> Vec<Employee> {
    let clock = Clock::system();
    let mut tenant = Namely::new(Options::default(), population(PEOPLE, 1, clock.now()), clock.now());
    let mut get = |path: &str, query: &str| -> Value {
        let request = Request {
            method: "GET".into(),
            path: format!("/api/v1{path}"),
            query: query.into(),
            headers: vec![("authorization".into(), format!("Bearer {}", Options::default().token))],
            body: vec![],
            base: String::new(),
        };
        let _ = tenant.admit(&request, clock.now());
        serde_json::from_slice(&tenant.apply(0, &request, clock.now()).body).expect("JSON")
    };
    let (groups, types, titles) = (get("/groups", ""), get("/group_types", ""), get("/job_titles", ""));
    let catalogue = Catalogue::read(&groups, &types, &titles, &GroupTypes::default());
    let reader = Reader::new(&config.rulebook.reads());
    let pages = (1..=PEOPLE / 50).map(|page| get("/profiles", &format!("page={page}&per_page=50")));
    let profiles: Vec<Value> =
        pages.flat_map(|page| page["profiles"].as_array().cloned().unwrap_or_default()).collect();
    profiles.iter().map(|profile| reader.read(profile, &catalogue).expect("readable")).collect()
}

/// Everything that a plan is made with.
struct World {
    config: Config,
    directory: Directory,
    now: Moment,
    employees: Vec<Employee>,
}

impl World {
    fn new() -> Self {
        let text = include_str!("../config/sandbox.toml");
        let config = Config::parse(Path::new("sandbox.toml"), text, &|_| Some("token".into())).expect("sound");
        let employees = employees(&config);
        let mut names: BTreeSet<String> = BTreeSet::from(["All Employees".into(), "People Managers".into()]);
        names.extend(employees.iter().flat_map(|e| e.departments.iter().map(|d| format!("Department {d}"))));
        let groups = names.iter().map(|n| Group { id: format!("00g{n}"), name: n.clone(), writable: true });
        Self { directory: Directory::new(groups, BTreeSet::new()), config, now: Clock::system().now(), employees }
    }

    fn case(&self, employee: Employee, account: Option<Account>) -> Case {
        Case { account, ..Case::new("sandbox", Person::of("sandbox", employee)) }
    }

    /// The account exactly as the mapping wants it.
    fn account(&self, employee: &Employee) -> Account {
        let desired = self.config.rulebook.desired(&self.case(employee.clone(), None), self.now).expect("maps");
        Account {
            id: format!("00u{}", employee.id),
            login: employee.email.clone(),
            anchor: Some(employee.id.clone()),
            status: AccountStatus::Active,
            profile: desired.attributes.into_iter().filter(|(_, v)| !v.is_null()).collect(),
            groups: desired.groups.keys().filter_map(|g| self.directory.find(g)).map(|g| g.id.clone()).collect(),
            apps: Default::default(),
            app_names: Default::default(),
            user_type: String::new(),
            provider: String::new(),
            created_at: None,
            status_since: None,
            marks: Marks { manager: Link::Nobody, ..Marks::default() },
        }
    }

    fn plan(&self, case: &Case) -> usize {
        let rulebook = &self.config.rulebook;
        let lifecycle = rulebook.lifecycle(case, self.now);
        let (directory, now) = (&self.directory, self.now);
        let made =
            plan(&Situation { case, lifecycle: &lifecycle, rulebook, directory, now, fresh: false, refused: &[] });
        made.map_or(0, |plan| plan.steps.len())
    }
}

fn planner(c: &mut Criterion) {
    let world = World::new();
    let unchanged: Vec<Case> = world.employees.iter().map(|e| world.case(e.clone(), Some(world.account(e)))).collect();
    let moved = |e: &Employee| Employee { departments: vec!["Legal".into()], ..e.clone() };
    let movers: Vec<Case> = world.employees.iter().map(|e| world.case(moved(e), Some(world.account(e)))).collect();
    let joiners: Vec<Case> = world.employees.iter().map(|e| world.case(e.clone(), None)).collect();
    let mut group = c.benchmark_group("planner");
    group.throughput(Throughput::Elements(PEOPLE as u64));
    for (name, cases) in [("unchanged", &unchanged), ("movers", &movers), ("joiners", &joiners)] {
        group.bench_function(name, |b| b.iter(|| cases.iter().map(|case| black_box(world.plan(case))).sum::<usize>()));
    }
    group.finish();
}

/// Plans a large tenant from documents and prints where the time goes.
fn snapshots() {
    let world = World::new();
    let documents: Vec<(String, String)> = (0..SNAPSHOTS)
        .map(|n| {
            let employee = &world.employees[n % PEOPLE];
            let account = serde_json::to_string(&world.account(employee)).expect("serialises");
            (serde_json::to_string(employee).expect("serialises"), account)
        })
        .collect();
    let size: usize = documents.iter().map(|(e, a)| e.len() + a.len()).sum();
    let before = peak_mib();
    let clock = Clock::system();
    let mut parts = [Duration::ZERO; 4];
    let mut steps = 0;
    for (employee, account) in &documents {
        let mut timed = |part: usize, from| parts[part] += clock.monotonic().since(from);
        let start = clock.monotonic();
        let employee: Employee = serde_json::from_str(employee).expect("a document");
        let case = world.case(employee, Some(serde_json::from_str(account).expect("a document")));
        timed(0, start);
        let start = clock.monotonic();
        black_box(world.config.rulebook.lifecycle(&case, world.now));
        timed(1, start);
        let start = clock.monotonic();
        black_box(world.config.rulebook.desired(&case, world.now).expect("maps"));
        timed(2, start);
        let start = clock.monotonic();
        steps += world.plan(&case);
        timed(3, start);
    }
    // A plan reads the dates and the mapping again: what is left of it is the difference itself.
    parts[3] = parts[3].saturating_sub(parts[1] + parts[2]);
    let total: Duration = parts.iter().sum();
    let rate = f64::from(u32::try_from(SNAPSHOTS).unwrap_or(0)) / total.as_secs_f64();
    println!("{SNAPSHOTS} people from {} MiB of documents, {steps} steps", size >> 20);
    println!("{rate:.0} people a second on one core; memory {before} MiB before, {} MiB at most", peak_mib());
    for (name, part) in ["reading documents", "dates and leave", "mapping", "difference"].iter().zip(parts) {
        println!("  {:>5.1} %  {name}", 100.0 * part.as_secs_f64() / total.as_secs_f64());
    }
}

/// The most memory this process has held so far.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) >> 10
}

criterion_group!(benches, planner);

fn main() {
    if std::env::args().any(|argument| argument == "snapshots") {
        return snapshots();
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}
