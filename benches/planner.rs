//! How many people a second the pure core plans: mapping by CEL and the difference to what Okta holds.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use namely_okta_sync::clock::Clock;
use namely_okta_sync::config::Config;
use namely_okta_sync::identity::plan::{Situation, plan};
use namely_okta_sync::identity::{Account, AccountStatus, Directory, Employee, Entitlement, Group};
use namely_okta_sync::namely::catalogue::GroupTypes;
use namely_okta_sync::namely::{Catalogue, Reader};
use namely_okta_sync::sandbox::http::{Core, Request};
use namely_okta_sync::sandbox::namely::{Namely, Options};
use namely_okta_sync::sandbox::world::company;
use serde_json::Value;
use std::collections::BTreeSet;
use std::hint::black_box;
use std::path::Path;

const PEOPLE: usize = 1000;

/// The people of a simulated company as the service reads them.
fn employees(config: &Config) -> Vec<Employee> {
    let clock = Clock::system();
    let mut tenant = Namely::new(Options::default(), company(PEOPLE, 1, clock.now()), clock.now());
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
    let reader = Reader::new(&config.mapping.reads());
    let pages = (1..=PEOPLE / 50).map(|page| get("/profiles", &format!("page={page}&per_page=50")));
    let profiles: Vec<Value> =
        pages.flat_map(|page| page["profiles"].as_array().cloned().unwrap_or_default()).collect();
    profiles.iter().map(|profile| reader.read(profile, &catalogue).expect("readable")).collect()
}

fn planner(c: &mut Criterion) {
    let text = include_str!("../config/sandbox.toml");
    let config = Config::parse(Path::new("sandbox.toml"), text, &|_| Some("token".into())).expect("sound");
    let employees = employees(&config);
    let mut names: BTreeSet<String> = BTreeSet::from(["All Employees".into(), "People Managers".into()]);
    names.extend(employees.iter().flat_map(|e| e.departments.iter().map(|d| format!("Department {d}"))));
    let groups = names.iter().map(|n| Group { id: format!("00g{n}"), name: n.clone(), writable: true });
    let directory = Directory::new(groups, BTreeSet::new());
    let accounts: Vec<Account> = employees.iter().map(|e| account(e, &config, &directory)).collect();
    let movers: Vec<Employee> =
        employees.iter().map(|e| Employee { departments: vec!["Legal".into()], ..e.clone() }).collect();

    let mut group = c.benchmark_group("planner");
    group.throughput(Throughput::Elements(PEOPLE as u64));
    let run = |people: &[Employee], accounts: Option<&[Account]>| {
        for (n, employee) in people.iter().enumerate() {
            black_box(plan(&Situation {
                employee,
                entitlement: &Entitlement::Entitled,
                account: accounts.map(|a| &a[n]),
                mapping: &config.mapping,
                directory: &directory,
            }));
        }
    };
    group.bench_function("unchanged", |b| b.iter(|| run(&employees, Some(&accounts))));
    group.bench_function("movers", |b| b.iter(|| run(&movers, Some(&accounts))));
    group.bench_function("joiners", |b| b.iter(|| run(&employees, None)));
    group.finish();
}

/// The account exactly as the mapping wants it.
fn account(employee: &Employee, config: &Config, directory: &Directory) -> Account {
    let desired = config.mapping.desired(employee).expect("maps");
    Account {
        id: format!("00u{}", employee.id),
        login: employee.email.clone(),
        anchor: Some(employee.id.clone()),
        status: AccountStatus::Active,
        profile: desired.attributes.into_iter().filter(|(_, v)| !v.is_null()).collect(),
        groups: desired.groups.keys().filter_map(|g| directory.find(g)).map(|g| g.id.clone()).collect(),
        apps: Default::default(),
        exit: None,
    }
}

criterion_group!(benches, planner);
criterion_main!(benches);
