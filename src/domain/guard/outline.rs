//! What the plans of many people come to: in numbers, by kind, department and rule; and who of them is meant by a choice.

use crate::domain::guard::preview::Preview;
use crate::domain::plan::kind::ChangeKind;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// People who are named of a group of them.
const NAMED: usize = 3;

/// Changes of one sort: the kind, what is done, and the rule behind it.
pub type Sort = (ChangeKind, String, String);

/// How many it is done to, and who of them comes first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Whom {
    pub people: usize,
    pub named: Vec<String>,
}

/// What ten thousand plans come to.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    pub kinds: BTreeMap<ChangeKind, usize>,
    pub departments: BTreeMap<String, usize>,
    /// People for whom a rule gives or takes something, by its label.
    pub rules: BTreeMap<String, usize>,
    /// What is done to how many, without what differs from person to person, and to whom first; and the rule, for groups and apps.
    pub what: BTreeMap<Sort, Whom>,
    /// What Okta's own group rules will do because of it, and to how many.
    pub by_okta: BTreeMap<String, usize>,
    pub calls: usize,
    /// People from whom something is taken.
    pub takes: usize,
    /// People for whom nothing can be done until somebody changes something.
    pub obstacles: usize,
}

impl Summary {
    /// Of these people.
    pub fn of(people: &[Preview]) -> Self {
        let mut summary = Self::default();
        for person in people {
            if person.obstacle.is_some() {
                summary.obstacles += 1;
                continue;
            }
            summary.calls += person.calls;
            summary.takes += usize::from(person.is_risky());
            *summary.departments.entry(person.department.clone()).or_default() += 1;
            for said in &person.by_okta {
                *summary.by_okta.entry(said.clone()).or_default() += 1;
            }
            let mut rules: Vec<String> = Vec::new();
            for change in person.changes.keys() {
                *summary.kinds.entry(*change).or_default() += 1;
            }
            for (sort, rule) in sorts(person) {
                if !rule.is_empty() && !rules.contains(&rule) {
                    rules.push(rule.clone());
                }
                let whom = summary.what.entry((sort.0, sort.1, rule)).or_default();
                whom.people += 1;
                if whom.named.len() < NAMED {
                    whom.named.push(person.name.clone());
                }
            }
            for rule in rules {
                *summary.rules.entry(rule).or_default() += 1;
            }
        }
        summary
    }

    /// As a document.
    pub fn json(&self) -> Value {
        let what: Vec<_> = self
            .sorted()
            .iter()
            .map(|((change, what, rule), whom)| {
                json!({
                    "change": change, "what": what, "rule": rule, "people": whom.people, "takes": change.is_risky(),
                    "who": whom.named,
                })
            })
            .collect();
        json!({
            "kinds": self.kinds, "departments": self.departments, "rules": self.rules, "what": what, "by_okta": self.by_okta,
            "calls": self.calls, "takes": self.takes, "obstacles": self.obstacles,
        })
    }

    /// What is done, what is taken first.
    pub fn sorted(&self) -> Vec<(&Sort, &Whom)> {
        let mut what: Vec<_> = self.what.iter().collect();
        what.sort_by(|a, b| {
            (a.0.0.is_risky(), a.1.people).cmp(&(b.0.0.is_risky(), b.1.people)).reverse().then(a.0.cmp(b.0))
        });
        what
    }
}

/// What is done to somebody, without what is their own; each with the rule behind it, empty where there is none.
fn sorts(person: &Preview) -> impl Iterator<Item = ((ChangeKind, String), String)> {
    person.changes.iter().flat_map(move |(change, words)| {
        let all = words.iter().flat_map(move |word| generalise(*change, word, person));
        all.map(move |(what, rule)| ((*change, what), rule))
    })
}

/// Words without what is one person's own: attributes by name, groups and apps with the rule that gives or takes them.
fn generalise(change: ChangeKind, word: &str, person: &Preview) -> Vec<(String, String)> {
    let plain = |text: &str| vec![(text.to_owned(), String::new())];
    match change {
        ChangeKind::ChangeAttributes | ChangeKind::ChangeLogin | ChangeKind::ChangeContact => {
            let fields = word.split(", ").filter_map(|part| part.split_once(": ")).map(|(field, _)| field);
            fields.filter(|field| !field.contains('"')).map(|field| (field.to_owned(), String::new())).collect()
        }
        ChangeKind::AddGroup | ChangeKind::RemoveGroup | ChangeKind::GrantAdmin => {
            let rule = person.rules.iter().find(|(name, _)| word.contains(&format!(" {name:?}")));
            vec![(word.to_owned(), rule.map(|(_, rule)| rule.clone()).unwrap_or_default())]
        }
        ChangeKind::Deactivate | ChangeKind::Suspend | ChangeKind::Activate => plain(word),
        ChangeKind::Create if word.starts_with("account ") => plain("account made"),
        ChangeKind::Create => Vec::new(),
        ChangeKind::Adopt => plain("an account that exists is taken over"),
        ChangeKind::LinkManager if word.starts_with("linked") => plain("linked to the manager"),
        ChangeKind::LinkManager => plain(word),
    }
}

/// Which people of a plan are meant; everybody without any of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Exactly these.
    pub targets: Option<BTreeSet<i64>>,
    /// A part of their name, login or department.
    pub text: Option<String>,
    pub department: Option<String>,
    pub change: Option<ChangeKind>,
    /// For whom this rule gives or takes something.
    pub rule: Option<String>,
    /// To whom this is done, in the words of the summary.
    pub what: Option<String>,
    /// From whom something is taken.
    pub takes: bool,
    /// For whom nothing can be done.
    pub blocked: bool,
}

impl Choice {
    /// Whether it leaves nobody out.
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// Whether somebody is meant.
    pub fn fits(&self, person: &Preview) -> bool {
        if self.is_all() {
            return true;
        }
        let holds =
            |text: &str| self.text.as_deref().is_none_or(|part| text.to_lowercase().contains(&part.to_lowercase()));
        // Who has an obstacle has changes that are not done: the numbers leave them out.
        let is_done = person.obstacle.is_none();
        let counted = self.takes || [&self.rule, &self.what, &self.department].iter().any(|one| one.is_some());
        let by_number = counted || self.change.is_some();
        (if self.blocked { !is_done } else { is_done || !by_number })
            && self.targets.as_ref().is_none_or(|targets| targets.contains(&person.target))
            && (!self.takes || person.is_risky())
            && self.change.is_none_or(|change| person.changes.contains_key(&change))
            && self.department.as_ref().is_none_or(|department| *department == person.department)
            && [&person.name, &person.login, &person.department].iter().any(|text| holds(text))
            && (self.rule.is_none() && self.what.is_none() || self.sort_fits(person))
    }

    fn sort_fits(&self, person: &Preview) -> bool {
        sorts(person).any(|((change, what), rule)| {
            self.change.is_none_or(|wanted| wanted == change)
                && self.rule.as_ref().is_none_or(|wanted| *wanted == rule)
                && self.what.as_ref().is_none_or(|wanted| *wanted == what)
        })
    }
}

/// In which order a plan is shown: from whom something is taken first, who cannot be helped last, then by name.
pub fn order(people: &[Preview]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..people.len()).collect();
    let key = |n: &usize| {
        let person = &people[*n];
        (person.obstacle.is_some(), !person.is_risky(), person.name.to_lowercase())
    };
    order.sort_by_cached_key(key);
    order
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn person(n: i64, change: ChangeKind, words: &[&str]) -> Preview {
        Preview {
            rejected: BTreeMap::new(),
            ungoverned: Vec::new(),
            org: "main".into(),
            target: n,
            tenant: "acme".into(),
            profile: format!("p{n}"),
            name: format!("Person {n}"),
            department: if n % 2 == 0 { "Sales".into() } else { "Legal".into() },
            login: format!("{n}@acme.com"),
            entitlement: "entitled".into(),
            changes: BTreeMap::from([(change, words.iter().map(|word| (*word).to_owned()).collect())]),
            rules: BTreeMap::from([("Staff".to_owned(), "groups[1]".to_owned())]),
            by_okta: Vec::new(),
            unfilled: Vec::new(),
            obstacle: None,
            remarks: Vec::new(),
            basis: format!("b{n}"),
            calls: 1,
            steps: BTreeMap::new(),
        }
    }

    fn some() -> Vec<Preview> {
        let mut blocked = person(4, ChangeKind::AddGroup, &["into group \"Staff\""]);
        blocked.obstacle = Some("no group".into());
        vec![
            person(1, ChangeKind::AddGroup, &["into group \"Staff\""]),
            person(2, ChangeKind::RemoveGroup, &["out of group \"Staff\""]),
            person(3, ChangeKind::ChangeAttributes, &["title: \"A\" -> \"B\", manager: \"C\" -> \"D\""]),
            blocked,
        ]
    }

    #[test]
    fn what_is_taken_stands_first_and_who_cannot_be_helped_is_counted_apart() {
        let summary = Summary::of(&some());
        assert_eq!((summary.takes, summary.obstacles, summary.calls), (1, 1, 3));
        assert_eq!(summary.rules["groups[1]"], 2);
        assert_eq!((summary.departments["Legal"], summary.departments["Sales"]), (2, 1));
        let what = summary.sorted();
        assert_eq!(what[0].0.0, ChangeKind::RemoveGroup);
        assert_eq!(what[0].1.named, ["Person 2"]);
        let named: Vec<&str> = what.iter().map(|((_, what, _), _)| what.as_str()).collect();
        assert!(named.contains(&"title") && named.contains(&"manager"), "{named:?}");
        assert_eq!(order(&some()), [1, 0, 2, 3]);
    }

    #[test]
    fn a_choice_of_a_plan_means_exactly_those_whom_its_number_counts() {
        let people = some();
        let meant = |choice: Choice| -> Vec<i64> {
            people.iter().filter(|one| choice.fits(one)).map(|one| one.target).collect()
        };
        assert_eq!(meant(Choice::default()), [1, 2, 3, 4]);
        assert_eq!(meant(Choice { takes: true, ..Choice::default() }), [2]);
        assert_eq!(meant(Choice { blocked: true, ..Choice::default() }), [4]);
        assert_eq!(meant(Choice { rule: Some("groups[1]".into()), ..Choice::default() }), [1, 2]);
        assert_eq!(meant(Choice { what: Some("title".into()), ..Choice::default() }), [3]);
        let sales = Choice { department: Some("Sales".into()), ..Choice::default() };
        assert_eq!((meant(sales.clone()), meant(Choice { blocked: true, ..sales })), (vec![2], vec![4]));
        let of_rule =
            Choice { change: Some(ChangeKind::AddGroup), rule: Some("groups[1]".into()), ..Choice::default() };
        assert_eq!(meant(of_rule), [1]);
        assert_eq!(meant(Choice { text: Some("PERSON 3".into()), ..Choice::default() }), [3]);
    }
}
