//! Managers who report to each other in the end.

use std::collections::HashSet;

/// Who stands in a circle with `profile`, that one first, if the managers above lead back to it; nobody otherwise. A circle
/// further up is that of others: who reports into it has a manager.
pub fn circle<E>(profile: &str, manager_of: impl Fn(&str) -> Result<Option<String>, E>) -> Result<Vec<String>, E> {
    let mut chain = vec![profile.to_owned()];
    let mut seen: HashSet<String> = HashSet::from([profile.to_owned()]);
    loop {
        let last = chain.last().map(String::as_str).unwrap_or_default();
        match manager_of(last)? {
            Some(manager) if manager == profile => return Ok(chain),
            Some(manager) if seen.insert(manager.clone()) => chain.push(manager),
            _ => return Ok(Vec::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn of(profile: &str, above: &[(&str, &str)]) -> Vec<String> {
        let manager_of = |one: &str| -> Result<_, Infallible> {
            Ok(above.iter().find(|(who, _)| *who == one).map(|(_, manager)| (*manager).to_owned()))
        };
        circle(profile, manager_of).unwrap_or_default()
    }

    #[test]
    fn a_circle_is_everybody_on_the_way_back_and_one_further_up_is_that_of_others() {
        let above = [("a", "b"), ("b", "c"), ("c", "a"), ("d", "a"), ("e", "f"), ("g", "g")];
        assert_eq!(of("b", &above), ["b", "c", "a"]);
        assert_eq!(of("d", &above), Vec::<String>::new(), "they report into it");
        assert_eq!(of("e", &above), Vec::<String>::new());
        assert_eq!(of("g", &above), ["g"], "their own manager");
    }
}
