//! Whom each rule of a mapping concerns: counted over a whole population.

use crate::clock::Moment;
use crate::domain::mapping::desired::{Shown, attribute};
use crate::domain::plan::case::Case;
use crate::domain::plan::rulebook::Rulebook;
use serde::Serialize;

/// How many people a rule concerns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Concerned {
    /// To whom it gives something.
    pub people: usize,
    /// For whom it fails.
    pub fails: usize,
}

/// Counted rules, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// People who should have something at all.
    pub people: usize,
    pub attributes: Vec<Concerned>,
    pub groups: Vec<Concerned>,
    pub apps: Vec<Concerned>,
}

impl Usage {
    /// Of these rules, and of nobody.
    pub fn of(rules: &Rulebook) -> Self {
        let none = |n: usize| vec![Concerned::default(); n];
        let mapping = &rules.mapping;
        let (attributes, groups) = (none(mapping.attribute_rules().len()), none(mapping.group_rules().len()));
        Self { people: 0, attributes, groups, apps: none(mapping.app_rules().len()) }
    }

    /// Counts one person.
    pub fn add(&mut self, rules: &Rulebook, case: &Case, now: Moment) {
        if !rules.lifecycle(case, now).entitlement.counts() {
            return;
        }
        self.people += 1;
        let positions = rules.counting(case, now);
        let login = case.login.as_ref().map(|chosen| chosen.login.as_str()).unwrap_or_default();
        let mapping = &rules.mapping;
        let bound = mapping.bind(&Shown { org: &case.org, login, manager_login: None, positions: &positions });
        for (rule, counted) in mapping.attribute_rules().iter().zip(&mut self.attributes) {
            counted.add(attribute(rule, &bound).map(|value| !value.is_null()).ok());
        }
        for (rule, counted) in mapping.group_rules().iter().zip(&mut self.groups) {
            let of = if rule.primary_only { 1 } else { bound.len() };
            let given = bound[..of].iter().map(|(_, bound)| rule.give(bound, mapping.engine().tables()));
            let given: Result<Vec<bool>, _> =
                given.map(|one| one.map(|given| given.is_some_and(|all| !all.is_empty()))).collect();
            counted.add(given.map(|given| given.contains(&true)).ok());
        }
        for (rule, counted) in mapping.app_rules().iter().zip(&mut self.apps) {
            let given = bound.first().map(|(_, bound)| rule.give(bound));
            counted.add(given.map_or(Some(false), |given| given.map(|given| given.is_some()).ok()));
        }
    }
}

impl Concerned {
    /// Whether a rule gives somebody something; nothing where it fails.
    fn add(&mut self, gives: Option<bool>) {
        match gives {
            Some(gives) => self.people += usize::from(gives),
            None => self.fails += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::plan::rulebook::tests::rulebook;
    use crate::domain::record::employee::tests::an_employee;
    use crate::domain::record::employee::{Employee, UserStatus};
    use crate::domain::record::person::Person;

    #[test]
    fn rules_are_counted_by_whom_they_give_something_and_leavers_count_for_none() {
        let rules = rulebook();
        let now = Moment::from_secs(1_800_000_000);
        let mut usage = Usage::of(&rules);
        let untitled = Employee { job_title: String::new(), ..an_employee() };
        let left = Employee { user_status: UserStatus::Inactive, ..an_employee() };
        for employee in [an_employee(), untitled, left] {
            usage.add(&rules, &Case::new("main", Person::of("acme", employee)), now);
        }
        assert_eq!(usage.people, 2);
        let title = rules.mapping.attribute_rules().iter().position(|rule| rule.name == "title").expect("a title");
        assert_eq!(usage.attributes[title], Concerned { people: 1, fails: 0 });
        assert!(usage.groups.iter().any(|rule| rule.people == 2), "{usage:?}");
    }
}
