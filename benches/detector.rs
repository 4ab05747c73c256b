//! How fast 100,000 profiles are looked through, and what remembering one costs.

use namely_okta_sync::clock::{Clock, Moment};
use namely_okta_sync::domain::mapping::view::Reads;
use namely_okta_sync::namely::{Catalogue, Detector, Reader};
use serde_json::{Value, json};

const PROFILES: usize = 100_000;
const PAGE: usize = 50;

/// A page of profiles, made on the fly: the benchmark's own memory must not hide the detector's.
fn page(number: usize, phone: &str) -> Vec<Value> {
    (number * PAGE..(number + 1) * PAGE)
        .map(|n| {
            json!({
                "id": format!("{n:08x}-0000-4000-8000-000000000000"), "email": format!("person{n}@example.com"),
                "first_name": "First", "last_name": format!("Last{n}"), "middle_name": null, "preferred_name": "",
                "user_status": "active", "start_date": "2020-01-01", "departure_date": "", "employee_id": n.to_string(),
                "employee_type": { "title": "Full Time" }, "job_title": { "id": "t", "title": "Analyst" },
                "reports_to": [{ "id": "no_guid", "first_name": "Nobody", "last_name": "Nobody", "email": "None" }],
                "office_direct_dial": phone, "links": { "groups": [] }
            })
        })
        .collect()
}

/// Resident memory of this process, in bytes.
fn person() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

fn main() {
    let clock = Clock::system();
    let (reader, catalogue) = (Reader::new(&Reads::default()), Catalogue::default());
    let mut detector = Detector::default();
    let before = person();
    let mut pass = |name: &str, phone: &str, expected: usize| {
        let (mut spent, mut changed) = (std::time::Duration::ZERO, 0);
        for number in 0..PROFILES / PAGE {
            let profiles = page(number, phone);
            let start = clock.monotonic();
            let findings = detector.examine(&profiles, false, Moment::from_secs(0), &reader, &catalogue);
            spent += clock.monotonic().since(start);
            changed += findings.changed.len();
            findings.changed.iter().for_each(|changed| detector.commit(&changed.employee.id, changed.held()));
        }
        assert_eq!(changed, expected);
        println!("detector  {name:<22} {:>9.0} profiles/s", PROFILES as f64 / spent.as_secs_f64());
    };
    pass("first sight", "+1 555 1", PROFILES);
    pass("nothing changed", "+1 555 1", 0);
    pass("everybody changed", "+1 555 2", PROFILES);
    println!("detector  {:<22} {:>9} bytes/person", "memory", person().saturating_sub(before) / detector.len());
}
