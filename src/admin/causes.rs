//! Reasons that are the same but for names and numbers: who waits for one thing is seen together.

use crate::store::QuarantinedPerson;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Why people wait, and how many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Names it: the reason without what differs from person to person.
    pub cause: String,
    pub people: usize,
    pub orgs: BTreeSet<String>,
    /// Since when the first of them waits, in milliseconds.
    pub since: i64,
    /// The reason of one of them, where they differ.
    pub example: Option<String>,
}

/// A reason without quoted texts, addresses, ids and numbers.
pub fn cause(why: &str) -> String {
    let mut out = String::new();
    let (mut in_quotes, mut is_status) = (false, false);
    for word in why.split_inclusive(' ') {
        let (bare, space) = word.strip_suffix(' ').map_or((word, ""), |bare| (bare, " "));
        let quotes = bare.matches('"').count();
        // What Okta answered is the cause.
        let differs = in_quotes || quotes > 0 || is_of_one(bare) && !is_status && !is_code(bare);
        is_status = bare == "HTTP";
        if quotes % 2 == 1 {
            in_quotes = !in_quotes;
        }
        if !differs {
            out.push_str(bare);
        } else if !out.trim_end().ends_with('…') {
            out.push('…');
        } else {
            continue;
        }
        out.push_str(space);
    }
    out.trim_end().to_owned()
}

/// Whether a word is an error code of Okta's.
fn is_code(word: &str) -> bool {
    let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
    let digits = bare.strip_prefix('E').unwrap_or_default();
    digits.len() == 7 && digits.bytes().all(|b| b.is_ascii_digit())
}

/// Whether a word is about one person: an address, an id, a number.
fn is_of_one(word: &str) -> bool {
    let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
    bare.contains('@')
        || (bare.chars().any(|c| c.is_ascii_digit()) && bare.len() > 3)
        || bare.bytes().all(|b| b.is_ascii_digit()) && !bare.is_empty()
}

/// The causes of these people's waiting, the one of most people first.
pub fn causes(people: &[QuarantinedPerson]) -> Vec<Cause> {
    let mut found: BTreeMap<String, Cause> = BTreeMap::new();
    for person in people {
        let cause = cause(&person.why);
        let known = found.entry(cause.clone()).or_insert_with(|| Cause {
            people: 0,
            orgs: BTreeSet::new(),
            since: person.since,
            example: (cause != person.why).then(|| person.why.clone()),
            cause,
        });
        known.people += 1;
        known.orgs.insert(person.org.clone());
        known.since = known.since.min(person.since);
    }
    let mut all: Vec<Cause> = found.into_values().collect();
    all.sort_by(|a, b| b.people.cmp(&a.people).then_with(|| a.cause.cmp(&b.cause)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_that_differ_in_names_and_numbers_are_one_cause() {
        let one = cause("the login \"ann.lee@acme.com\" is taken by 00u1234567890; rename one of the two");
        assert_eq!(one, "the login … is taken by … rename one of the two");
        assert_eq!(one, cause("the login \"bob@acme.com\" is taken by 00u9876543210; rename one of the two"));
        assert_eq!(cause("Okta has no group \"Sales Team\" yet"), "Okta has no group … yet");
        assert_eq!(cause("grant the scope okta.users.manage"), "grant the scope okta.users.manage");
        assert_eq!(cause(""), "");
        let refused = cause("add_group \"Sales\": HTTP 403 E0000006 You do not have permission");
        assert_eq!(refused, "add_group … HTTP 403 E0000006 You do not have permission");
    }

    #[test]
    fn the_cause_of_most_people_stands_first() {
        let person = |target: i64, org: &str, why: &str| QuarantinedPerson {
            target,
            org: org.into(),
            profile: String::new(),
            name: String::new(),
            why: why.into(),
            since: target,
            attempts: 1,
        };
        let people =
            [person(3, "a", "no group \"x\""), person(1, "b", "no permission"), person(2, "b", "no group \"y\"")];
        let found = causes(&people);
        assert_eq!((found[0].cause.as_str(), found[0].people, found[0].since), ("no group …", 2, 2));
        assert_eq!((found[0].orgs.len(), found[1].example.clone()), (2, None));
    }
}
