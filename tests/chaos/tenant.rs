//! What HR does at random, and what Okta should hold of every person then: written down here from Namely's own records.

use jiff::ToSpan;
use jiff::civil::Date;
use namely_okta_sync::clock::Clock;
use namely_okta_sync::sandbox::okta::Okta;
use namely_okta_sync::sandbox::okta::users::{Status as Account, User};
use namely_okta_sync::sandbox::population::{DEPARTMENTS, Hr, Person, Status, TITLES, other};
use namely_okta_sync::sandbox::world::{World, today};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// How many profiles there are at most: a service that is killed every few seconds has to read them all each time.
const MOST_PEOPLE: usize = 400;

/// Everything that was ever an address of somebody, and what HR has done.
pub struct Office {
    random: ChaCha8Rng,
    hr: Hr,
    pub changes: BTreeMap<&'static str, u64>,
    made: usize,
    /// Logins of accounts that are nobody's and that a hire may come to have as an address.
    pub bait: Vec<String>,
    /// People who were hired with an address that is the login of an account of somebody else.
    pub namesakes: BTreeSet<String>,
}

impl Office {
    pub fn new(seed: u64, people: usize, clock: &Clock) -> Self {
        let mut hr = Hr::new(seed, today(clock.now()));
        // People who were there from the start have the first numbers.
        hr.population(people);
        Self {
            random: ChaCha8Rng::seed_from_u64(seed ^ 0x0ff1ce),
            hr,
            changes: BTreeMap::new(),
            made: 0,
            bait: Vec::new(),
            namesakes: BTreeSet::new(),
        }
    }

    /// HR does one thing.
    pub fn act(&mut self, world: &World) {
        let mut tenant = world.namely.core();
        let (now, day) = (world.clock.now(), today(world.clock.now()));
        let count = tenant.people().count();
        self.made += 1;
        let pick = self.random.random_range(0..100);
        if pick < 12 && count < MOST_PEOPLE {
            let mut person = self.hr.joiner(count.min(60).div_ceil(10));
            let what = match pick {
                0..5 => "hire",
                5..7 => {
                    person.status = Status::Pending;
                    person.start_date = day + 3.days();
                    "hire ahead"
                }
                7..8 => {
                    person.start_date = day + 60.days();
                    "hire far ahead"
                }
                _ => match self.bait.pop() {
                    Some(login) => {
                        person.email = login;
                        self.namesakes.insert(person.id.clone());
                        "hire with the address of an account that exists"
                    }
                    None => "hire",
                },
            };
            tenant.hire(person, now);
            *self.changes.entry(what).or_default() += 1;
            return;
        }
        let index = self.random.random_range(0..count);
        let (random, made) = (&mut self.random, self.made);
        let person = tenant.person(index).clone();
        let gone = person.status == Status::Inactive || person.departure_date.is_some_and(|date| date < day);
        let mut after = person.clone();
        let what = match pick {
            _ if gone && pick < 40 => {
                (after.status, after.departure_date, after.on_leave) = (Status::Active, None, false);
                after.start_date = day - 2.days();
                after.department = other(random, person.department, DEPARTMENTS.len());
                "rehire"
            }
            _ if gone => return,
            12..30 => {
                after.status = Status::Inactive;
                "leave"
            }
            30..36 => {
                after.departure_date = Some(day - 3.days());
                "last day is over"
            }
            36..42 => {
                after.departure_date = Some(day + 30.days());
                "last day ahead"
            }
            42..46 => {
                after.departure_date = None;
                "last day taken back"
            }
            46..56 => {
                after.on_leave = !person.on_leave;
                if after.on_leave { "leave of absence" } else { "return" }
            }
            56..70 => {
                after.department = other(random, person.department, DEPARTMENTS.len());
                "transfer"
            }
            70..76 => {
                after.title = other(random, person.title, TITLES.len());
                "title"
            }
            76..82 => {
                after.last_name = format!("{}-{made}", person.last_name.split('-').next().unwrap_or_default());
                "name"
            }
            82..88 => {
                after.email =
                    format!("{}.c{made}@example.com", person.email.split(['.', '@']).next().unwrap_or_default());
                "address"
            }
            // Those whom everybody reports to report to whom they did: a circle of managers is HR's to mend.
            88..93 if index % 10 != 0 || index >= 60 => {
                after.manager = Some(random.random_range(0..6) * 10);
                "manager"
            }
            93..96 if person.status == Status::Pending || person.start_date > day => {
                (after.status, after.start_date) = (Status::Active, day - 2.days());
                "start comes"
            }
            _ => {
                after.direct_dial = format!("+1 555 {made}");
                "phone"
            }
        };
        if after != person {
            tenant.edit(index, now, |person| *person = after);
            *self.changes.entry(what).or_default() += 1;
        }
    }
}

/// What a person should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// A live account, working.
    Work,
    /// An account that is not activated yet.
    Ahead,
    /// No account, or what there was before: the start is far away.
    NotYet,
    Suspended,
    /// No account that could be used, and no group.
    Nothing,
}

pub fn due(person: &Person, day: Date) -> Due {
    let over = person.departure_date.is_some_and(|date| date < day && date >= person.start_date);
    match person.status {
        Status::Inactive => Due::Nothing,
        _ if over => Due::Nothing,
        _ if person.start_date > day + 7.days() => Due::NotYet,
        _ if person.start_date > day => Due::Ahead,
        Status::Pending => Due::Work,
        Status::Active if person.on_leave => Due::Suspended,
        Status::Active => Due::Work,
    }
}

/// Accounts by the profile that they carry.
pub fn accounts(okta: &Okta) -> BTreeMap<String, Vec<&User>> {
    let mut accounts: BTreeMap<String, Vec<&User>> = BTreeMap::new();
    for user in okta.users() {
        if let Some(anchor) = user.profile.get("namelyId").and_then(Value::as_str) {
            accounts.entry(anchor.to_owned()).or_default().push(user);
        }
    }
    accounts
}

/// People who have left and whose account can be used.
pub fn leavers_with_access(people: &[Person], okta: &Okta, day: Date) -> Vec<String> {
    let accounts = accounts(okta);
    let live = |person: &&Person| {
        let own = accounts.get(&person.id).into_iter().flatten();
        own.into_iter().any(|user| !matches!(user.status, Account::Deprovisioned | Account::Suspended))
    };
    let left = people.iter().filter(|person| due(person, day) == Due::Nothing);
    left.filter(live).map(|person| person.id.clone()).collect()
}

/// What differs of each person, by profile.
pub fn differences(
    people: &[Person],
    okta: &Okta,
    day: Date,
    namesakes: &BTreeSet<String>,
) -> BTreeMap<String, String> {
    let accounts = accounts(okta);
    let mut found = BTreeMap::new();
    for person in people {
        let own = accounts.get(&person.id).map_or(&[][..], Vec::as_slice);
        // Whom the reports of somebody who is away are linked to, and when, is not what is compared here.
        let manager = person.manager.map(|at| &people[at]);
        let at_work =
            manager.is_none_or(|manager| due(manager, day) == Due::Work && accounts.contains_key(&manager.id));
        if let Some(what) = differs(person, manager, at_work, own, okta, day) {
            // Whoever has the address of somebody else's account waits until somebody decides.
            if !(namesakes.contains(&person.id) && own.is_empty()) {
                found.insert(person.id.clone(), what);
            }
        }
    }
    found
}

fn differs(
    person: &Person,
    manager: Option<&Person>,
    at_work: bool,
    own: &[&User],
    okta: &Okta,
    day: Date,
) -> Option<String> {
    let due = due(person, day);
    let user = match (own, due) {
        // Whoever goes on leave before there is an account gets one when they return.
        ([], Due::Nothing | Due::NotYet | Due::Suspended) => return None,
        ([], _) => return Some(format!("{due:?}, and there is no account")),
        ([user], _) => user,
        _ => return Some(format!("{} accounts", own.len())),
    };
    let fits = match due {
        Due::Work => !matches!(user.status, Account::Staged | Account::Suspended | Account::Deprovisioned),
        // Whoever used an account before keeps it.
        Due::Ahead => user.status != Account::Deprovisioned,
        Due::NotYet => true,
        // Whoever goes on leave while deactivated, or before they ever began, is activated when they return.
        Due::Suspended => matches!(user.status, Account::Suspended | Account::Deprovisioned | Account::Staged),
        Due::Nothing => user.status == Account::Deprovisioned,
    };
    if !fits {
        return Some(format!("{due:?}, and the account is {}", user.status.as_str()));
    }
    let groups = okta.groups_of(&user.id);
    if due == Due::Nothing {
        return (!groups.is_empty()).then(|| format!("left, and is in {groups:?}"));
    }
    if matches!(due, Due::NotYet | Due::Ahead) || user.status == Account::Deprovisioned {
        return None;
    }
    let mut wanted = BTreeSet::from(["All Employees".to_owned(), format!("Department {}", person.department())]);
    if person.is_manager() {
        wanted.insert("People Managers".to_owned());
    }
    if groups != wanted {
        return Some(format!("is in {groups:?}, and should be in {wanted:?}"));
    }
    let first = if person.preferred_name.is_empty() { &person.first_name } else { &person.preferred_name };
    let mut attributes = vec![
        ("login", json!(person.email)),
        ("email", json!(person.email)),
        ("firstName", json!(first)),
        ("lastName", json!(person.last_name)),
        ("displayName", json!(format!("{first} {}", person.last_name))),
        ("title", json!(person.title())),
        ("department", json!(person.department())),
        ("userType", json!(person.employee_type)),
        ("employeeNumber", json!(person.employee_id)),
        ("primaryPhone", json!(person.direct_dial)),
    ];
    attributes.extend(manager.filter(|_| at_work).map(|manager| ("managerId", json!(manager.email))));
    let wrong = attributes.into_iter().find(|(name, value)| user.profile.get(*name) != Some(value));
    if let Some((name, value)) = wrong {
        return Some(format!("has {name} = {:?}, and should have {value}", user.profile.get(name)));
    }
    let linked = okta.manager_of(&user.id).and_then(|m| m.profile.get("namelyId")).and_then(Value::as_str);
    let wanted = manager.map(|manager| manager.id.as_str());
    (at_work && linked != wanted).then(|| format!("is linked to the manager {linked:?}, and should be to {wanted:?}"))
}

/// Everything of an account that somebody could have touched.
pub fn fingerprint(user: &User, okta: &Okta) -> String {
    let groups = okta.groups_of(&user.id);
    format!("{} {:?} {:?} {groups:?} {:?}", user.status.as_str(), user.profile, user.updated, user.sessions_revoked)
}
