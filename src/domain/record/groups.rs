//! Groups of Namely that are called something else since.

use std::collections::{BTreeMap, BTreeSet};

/// Those of the groups, by id, that were known under another name: that name, and the one of now.
pub fn renamed<'a>(
    known: &'a BTreeMap<String, String>,
    now: &'a BTreeMap<String, String>,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let names = now.iter().filter_map(|(id, name)| Some((known.get(id)?, name)));
    names.filter(|(was, name)| was != name).map(|(was, name)| (was.as_str(), name.as_str()))
}

/// Which groups somebody may have changed for which: each that they are not in any more, with each that they are in since.
pub fn moves<'a>(
    before: &'a BTreeMap<String, Vec<String>>,
    after: &'a BTreeMap<String, Vec<String>>,
) -> Vec<(&'a str, &'a str)> {
    if before == after {
        return Vec::new();
    }
    let all = |groups: &'a BTreeMap<String, Vec<String>>| {
        groups.values().flatten().map(String::as_str).collect::<BTreeSet<_>>()
    };
    let (before, after) = (all(before), all(after));
    let entered: Vec<&str> = after.difference(&before).copied().collect();
    before.difference(&after).flat_map(|was| entered.iter().map(|name| (*was, *name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map<V: Clone>(entries: &[(&str, V)]) -> BTreeMap<String, V> {
        entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
    }

    #[test]
    fn a_group_is_renamed_if_it_was_known_under_another_name() {
        let known = map(&[("g1", "Sales".to_owned()), ("g2", "Legal".to_owned())]);
        let now = map(&[("g1", "Sales EMEA".to_owned()), ("g2", "Legal".to_owned()), ("g3", "New".to_owned())]);
        assert_eq!(renamed(&known, &now).collect::<Vec<_>>(), [("Sales", "Sales EMEA")]);
    }

    #[test]
    fn somebody_has_moved_from_what_they_left_to_what_they_entered() {
        let of = |names: &[&str]| map(&[("Department", names.iter().map(|name| (*name).to_owned()).collect())]);
        let (before, after) = (of(&["Sales", "Legal"]), of(&["Sales EMEA", "Legal"]));
        assert_eq!(moves(&before, &after), [("Sales", "Sales EMEA")]);
        assert_eq!(moves(&after, &after), []);
    }
}
