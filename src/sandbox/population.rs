//! A tenant made up from a seed: its people as HR knows them.

use jiff::ToSpan;
use jiff::civil::Date;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::collections::BTreeMap;

/// What departments are called; people have an index of it.
pub const DEPARTMENTS: &[&str] =
    &["Engineering", "Sales", "Finance", "Support", "Marketing", "Operations", "Legal", "Product"];
/// Where offices are; people have an index of it.
pub const OFFICES: &[&str] = &["New York", "Lisbon", "Berlin", "Singapore"];
/// Titles of jobs, each with its tier; people have an index of it.
pub const TITLES: &[(&str, &str)] = &[
    ("Specialist", "Staff"),
    ("Analyst", "Staff"),
    ("Senior Analyst", "Senior"),
    ("Consultant", "Senior"),
    ("Team Manager", "Manager"),
];
const FIRST_NAMES: &[&str] = &[
    "Ada", "Bruno", "Chloé", "Daniel", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kenji", "Léa", "Mateusz",
    "Nadia", "Oskar", "Priya", "Quentin", "Renée", "Søren", "Tomás", "Uma", "Viktor", "Wanjiru", "Ximena", "Yusuf",
    "Zoë",
];
const LAST_NAMES: &[&str] = &[
    "Almeida",
    "Bauer",
    "Castillo",
    "Dubois",
    "Eriksen",
    "Fischer",
    "García",
    "Haddad",
    "Ivanov",
    "Jensen",
    "Kowalski",
    "Lindqvist",
    "Moreau",
    "Nakamura",
    "O'Neill",
    "Petrov",
    "Quispe",
    "Rossi",
    "Silva",
    "Takahashi",
    "Ueda",
    "Varga",
    "Weiss",
    "Xu",
    "Yilmaz",
    "Zhang",
];

/// What a company calls its departments, offices, titles and types of employees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    /// People have an index of it.
    pub departments: &'static [&'static str],
    /// People have an index of it.
    pub offices: &'static [&'static str],
    /// Titles, each with its tier; people have an index of it.
    pub titles: &'static [(&'static str, &'static str)],
    /// Types of employees.
    pub employee_types: &'static [&'static str],
}

/// The words of the companies that are made up.
pub const WORDS: Words = Words {
    departments: DEPARTMENTS,
    offices: OFFICES,
    titles: TITLES,
    employee_types: &["Full Time", "Part Time", "Contractor"],
};

/// Status of a profile in Namely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Employed.
    Active,
    /// Has left.
    Inactive,
    /// Hired, and not taken on yet.
    Pending,
}

/// One person as HR knows them.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// Profile UUID.
    pub id: String,
    /// The legal one.
    pub first_name: String,
    /// The legal one.
    pub last_name: String,
    /// Empty for most.
    pub preferred_name: String,
    /// At work; unique in the tenant.
    pub email: String,
    /// Of HR; nothing promises that it is unique.
    pub employee_id: String,
    /// As Namely says it.
    pub status: Status,
    /// The first day.
    pub start_date: Date,
    /// The last day, if there is one.
    pub departure_date: Option<Date>,
    /// What their company calls what follows.
    pub words: Words,
    /// An index of the titles.
    pub title: usize,
    /// An index of the departments.
    pub department: usize,
    /// An index of the offices.
    pub office: usize,
    /// The title of the type.
    pub employee_type: &'static str,
    /// A number of the office.
    pub direct_dial: String,
    /// Whether HR has entered a leave of absence (Namely has no status for it).
    pub on_leave: bool,
    /// Index of the manager.
    pub manager: Option<usize>,
    /// Overrides of whole JSON values of the profile, for tests of bad input. `None` leaves the key out.
    pub raw: BTreeMap<String, Option<serde_json::Value>>,
}

impl Person {
    /// What the title is called.
    pub fn title(&self) -> &'static str {
        self.words.titles[self.title].0
    }

    /// Whether others report to them.
    pub fn is_manager(&self) -> bool {
        self.words.titles[self.title].1 == "Manager"
    }

    /// What the department is called.
    pub fn department(&self) -> &'static str {
        self.words.departments[self.department]
    }

    /// Where the office is.
    pub fn office(&self) -> &'static str {
        self.words.offices[self.office]
    }
}

/// Makes people.
pub struct Hr {
    random: ChaCha8Rng,
    made: usize,
    today: Date,
    words: Words,
    /// Those who work here already, where they are not made up.
    given: Option<Vec<Person>>,
}

impl Hr {
    /// A department that makes the same people for the same seed.
    pub fn new(seed: u64, today: Date) -> Self {
        Self { random: ChaCha8Rng::seed_from_u64(seed), made: 0, today, words: WORDS, given: None }
    }

    /// The same for a company of these people: who joins is made up, in its words.
    pub fn of(people: Vec<Person>, seed: u64, today: Date) -> Self {
        let words = people.first().map_or(WORDS, |person| person.words);
        Self { words, made: people.len(), given: Some(people), ..Self::new(seed, today) }
    }

    /// A tenant of `size` people; every tenth is a manager, the first one of nobody's. Where people were given, it is theirs.
    pub fn population(&mut self, size: usize) -> Vec<Person> {
        if let Some(given) = &self.given {
            return given.clone();
        }
        (0..size).map(|n| self.person((n % 10 == 0).then_some(n), n.div_ceil(10))).collect()
    }

    /// Somebody new, reporting to one of the first `managers` managers.
    pub fn joiner(&mut self, managers: usize) -> Person {
        let mut person = self.person(None, managers);
        // The day before is over wherever the tenant is.
        person.start_date = self.today.yesterday().unwrap_or(self.today);
        person
    }

    fn person(&mut self, manager: Option<usize>, managers: usize) -> Person {
        let n = self.made;
        self.made += 1;
        let pick = |random: &mut ChaCha8Rng, of: usize| random.random_range(0..of);
        let first = FIRST_NAMES[pick(&mut self.random, FIRST_NAMES.len())];
        let last = LAST_NAMES[pick(&mut self.random, LAST_NAMES.len())];
        let days = self.random.random_range(30..3000i64);
        let mut uuid = [0u8; 16];
        self.random.fill(&mut uuid);
        let (words, titles, types) = (self.words, self.words.titles.len(), self.words.employee_types);
        let reports_to = if managers == 0 { None } else { Some(pick(&mut self.random, managers) * 10) };
        Person {
            id: uuid::Builder::from_random_bytes(uuid).into_uuid().to_string(),
            first_name: first.into(),
            last_name: last.into(),
            preferred_name: if n % 17 == 3 { format!("{}-{n}", &first[..1]) } else { String::new() },
            email: format!("{}.{}.{n}@example.com", plain(first), plain(last)),
            employee_id: (1000 + n / 2).to_string(), // not unique, as in real tenants
            status: Status::Active,
            start_date: self.today.checked_sub(days.days()).unwrap_or(self.today),
            departure_date: None,
            words,
            title: if manager.is_some() { titles - 1 } else { pick(&mut self.random, titles.saturating_sub(1).max(1)) },
            department: pick(&mut self.random, words.departments.len()),
            office: pick(&mut self.random, words.offices.len()),
            // Most are of the first type.
            employee_type: types[pick(&mut self.random, types.len() + 2).saturating_sub(2)],
            direct_dial: format!("+1 555 {:04}", pick(&mut self.random, 10_000)),
            on_leave: false,
            manager: reports_to.filter(|m| Some(*m) != manager && *m < n),
            raw: BTreeMap::new(),
        }
    }
}

fn plain(name: &str) -> String {
    use unicode_normalization::UnicodeNormalization;
    name.nfkd().filter(char::is_ascii_alphabetic).collect::<String>().to_lowercase()
}

/// A number that differs from `from`, below `of`, if there is one.
pub fn other(random: &mut ChaCha8Rng, from: usize, of: usize) -> usize {
    if of < 2 {
        return from;
    }
    (from + random.random_range(1..of)) % of
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_same_seed_makes_the_same_tenant_and_nobody_twice() {
        let today = "2026-05-01".parse().expect("a date");
        let population = |seed| Hr::new(seed, today).population(300);
        assert_eq!(population(1), population(1));
        assert_ne!(population(1), population(2));
        let unique = |key: fn(&Person) -> &String| population(1).iter().map(key).collect::<BTreeSet<_>>().len();
        assert_eq!((unique(|p| &p.id), unique(|p| &p.email)), (300, 300));
        assert!(population(1).iter().all(|p| p.manager.is_none_or(|m| population(1)[m].is_manager())));
    }
}
