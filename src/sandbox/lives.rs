//! Three weeks of every path that a life in a tenant takes, each person another one.

use super::edit::{HrChange, Kind};
use super::population::{Hr, Person, Status};
use jiff::ToSpan;
use jiff::civil::Date;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

/// Makes the edits: people take the paths in turn, nobody whom others report to.
pub fn changes(people: &[Person], hr: &mut Hr, today: Date) -> Vec<HrChange> {
    let mut story = Story { people: people.to_vec(), today, changes: Vec::new() };
    let movers: Vec<usize> = (0..people.len()).filter(|n| n % 10 != 0).collect();
    for (path, n) in movers.into_iter().enumerate() {
        story.live(path % PATHS, n);
    }
    let managers = people.len().div_ceil(10);
    for path in 0..(people.len() / 8).max(4) {
        story.begin(path % 4, hr.joiner(managers));
    }
    story.changes.sort_by_key(|change| change.at);
    story.changes
}

const PATHS: usize = 12;

struct Story {
    people: Vec<Person>,
    today: Date,
    changes: Vec<HrChange>,
}

impl Story {
    fn edit(&mut self, day: i32, kind: Kind, n: usize, edit: impl FnOnce(&mut Person)) {
        edit(&mut self.people[n]);
        let at = DAY * day.unsigned_abs() + Duration::from_secs(u64::try_from(n % 30).unwrap_or(0));
        self.changes.push(HrChange { at, kind, person: n, after: self.people[n].clone() });
    }

    fn day(&self, days: i32) -> Date {
        self.today + days.days()
    }

    /// Somebody who works here goes one of the ways.
    fn live(&mut self, path: usize, n: usize) {
        let (in_two, in_six) = (self.day(2), self.day(6));
        match path {
            0 => self.edit(0, Kind::Leaver, n, |p| p.departure_date = Some(in_two)),
            1 => {
                // Resigned, and changed their mind.
                self.edit(0, Kind::Attribute, n, |p| p.departure_date = Some(in_two));
                self.edit(1, Kind::Attribute, n, |p| p.departure_date = None);
            }
            2 => {
                self.edit(0, Kind::Leaver, n, |p| p.departure_date = Some(in_two));
                self.edit(1, Kind::Leaver, n, |p| p.departure_date = Some(in_six));
            }
            3 => {
                // On leave, promoted meanwhile, and back.
                self.edit(0, Kind::Admission, n, |p| p.on_leave = true);
                self.edit(4, Kind::Admission, n, |p| {
                    p.title = (p.title + 1) % p.words.titles.len().saturating_sub(1).max(1)
                });
                self.edit(9, Kind::Admission, n, |p| p.on_leave = false);
            }
            4 => {
                let back = self.day(8);
                self.edit(0, Kind::Leaver, n, |p| p.status = Status::Inactive);
                self.edit(8, Kind::Rehire, n, |p| {
                    p.status = Status::Active;
                    p.start_date = back;
                    p.department = (p.department + 1) % p.words.departments.len();
                });
            }
            5 => self.edit(2, Kind::Mover, n, |p| {
                // A contractor is hired, or the reverse; the address changes its domain.
                p.employee_type = if p.employee_type == "Contractor" { "Full Time" } else { "Contractor" };
                p.email = p.email.replace("@example.com", "@corp.example.com");
                p.department = (p.department + 1) % p.words.departments.len();
            }),
            6 => self.edit(3, Kind::Attribute, n, |p| {
                // A new name, and the address that goes with it.
                p.last_name = format!("{}-Weber", p.last_name);
                p.email = p.email.replace('@', ".weber@");
            }),
            7 => self.edit(3, Kind::Mover, n, |p| p.manager = Some(if p.manager == Some(0) { 10 } else { 0 })),
            8 => {
                // Goes on leave and does not come back.
                self.edit(1, Kind::Admission, n, |p| p.on_leave = true);
                self.edit(5, Kind::Leaver, n, |p| p.status = Status::Inactive);
            }
            9 => self.edit(2, Kind::Mover, n, |p| p.department = (p.department + 3) % p.words.departments.len()),
            10 => {
                // Somebody in HR enters a start in the future for a person who works here: nothing may happen.
                let later = self.day(10);
                self.edit(2, Kind::Attribute, n, |p| p.start_date = later);
            }
            _ => self.edit(2, Kind::Attribute, n, |p| p.status = Status::Pending),
        }
    }

    /// Somebody new begins one of the ways.
    fn begin(&mut self, path: usize, mut person: Person) {
        let n = self.people.len();
        person.status = if path == 3 { Status::Active } else { Status::Pending };
        person.start_date = self.day([3, 20, 3, 5][path]);
        self.people.push(person.clone());
        self.changes.push(HrChange {
            at: Duration::from_millis(u64::try_from(n).unwrap_or(0)),
            kind: Kind::Joiner,
            person: n,
            after: person,
        });
        match path {
            // HR moves the start by two days, the day before.
            2 => {
                let later = self.day(5);
                self.edit(2, Kind::Joiner, n, |p| p.start_date = later);
            }
            // Onboarding is completed before the start: active, and not yet here.
            0 => self.edit(1, Kind::Joiner, n, |p| p.status = Status::Active),
            _ => {}
        }
    }
}
