//! What `check` finds in the places of a configuration: addresses that stand there twice, and tenants that lead nowhere.

use super::finding::{Finding, bad, warning};
use crate::config::Config;
use std::collections::BTreeMap;

/// All of it; nothing where every place is one, and leads somewhere.
pub(super) fn places(config: &Config) -> Vec<Finding> {
    let orgs = config.okta.iter().map(|org| (org.name.as_str(), org.url.as_str()));
    let tenants = config.namely.iter().map(|tenant| (tenant.name.as_str(), tenant.url.as_str()));
    let mut findings = twice("[[okta]]", "orgs", "each would undo what the other does", orgs);
    findings.extend(twice("[[namely]]", "tenants", "everybody would be two people", tenants));
    let (rules, names) = (&config.rulebook.orgs, config.namely.iter().map(|tenant| &tenant.name));
    for org in rules.iter().filter(|org| org.tenants.is_empty()) {
        let found = "from = []: it takes nobody of any tenant; name the tenants whose people belong there";
        findings.push(warning(&org.name, found));
    }
    for name in names.filter(|name| !rules.iter().any(|org| org.tenants.contains(name))) {
        let found = "no org takes this tenant: it is read, and nothing is written for its people; name it in `from` of an [[okta]]";
        findings.push(warning(name, found));
    }
    findings
}

/// Addresses that several sections have.
fn twice<'a>(section: &str, what: &str, harm: &str, all: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<Finding> {
    let mut by_address: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (name, url) in all {
        by_address.entry(url.trim_end_matches('/').to_lowercase()).or_default().push(name);
    }
    let several = by_address.into_iter().filter(|(_, names)| names.len() > 1);
    let found = several.map(|(url, names)| {
        let names = names.join(" and ");
        bad(section, format!("the {what} {names} have one url, {url}: {harm}; keep one of them, or correct the other"))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_of_two_orgs_is_named_with_both() {
        let all =
            [("main", "https://acme.okta.com"), ("emea", "https://ACME.okta.com/"), ("apac", "https://a.okta.com")];
        let found = twice("[[okta]]", "orgs", "harm", all.into_iter());
        assert_eq!(found.len(), 1);
        assert!(!found[0].ok && found[0].found.contains("main and emea have one url, https://acme.okta.com"));
    }
}
