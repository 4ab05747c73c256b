//! An org or a tenant that has another name in the configuration than the store knows it by.
//!
//! **Invariant:** what is known of people hangs on the name: under another one they would all be new, and the old ones would be
//! read by nobody, for ever.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where each org and tenant of a configuration is: its address by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// Of Okta.
    pub orgs: BTreeMap<String, String>,
    /// Of Namely.
    pub tenants: BTreeMap<String, String>,
}

impl Addresses {
    /// Those that were known before, and those of now in their place.
    #[must_use]
    pub fn with(mut self, now: Addresses) -> Self {
        self.orgs.extend(now.orgs);
        self.tenants.extend(now.tenants);
        self
    }
}

/// Why nothing begins with the addresses of `now`, if something of `before` has got another name.
pub fn renamed(before: &Addresses, now: &Addresses) -> Option<String> {
    let found = |what: &str, before: &BTreeMap<String, String>, now: &BTreeMap<String, String>| {
        let mut gone = before.iter().filter(|(name, _)| !now.contains_key(*name));
        let is_new = |address: &String| {
            now.iter().find(|(name, url)| *url == address && !before.contains_key(*name)).map(|(name, _)| name)
        };
        gone.find_map(|(old, address)| {
            let new = is_new(address)?;
            Some(format!(
                "{what} {old} is called {new} in the configuration now ({address}): what is known of its people is kept under the name \
                 {old}, and under another one they would be strangers; write name = {old:?} again"
            ))
        })
    };
    found("the tenant", &before.tenants, &now.tenants).or_else(|| found("the org", &before.orgs, &now.orgs))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenants(all: &[(&str, &str)]) -> Addresses {
        let tenants = all.iter().map(|(name, url)| ((*name).to_owned(), (*url).to_owned())).collect();
        Addresses { tenants, ..Addresses::default() }
    }

    #[test]
    fn another_name_for_the_same_address_is_named_and_whatever_is_new_or_gone_is_not() {
        let before = tenants(&[("acme", "https://acme"), ("zoo", "https://zoo")]);
        let why = renamed(&before, &tenants(&[("acme2", "https://acme"), ("zoo", "https://zoo")])).expect("named");
        assert!(why.contains("acme is called acme2") && why.contains("name = \"acme\""), "{why}");
        let fine = [
            tenants(&[("acme", "https://acme")]),
            tenants(&[("acme", "https://acme.eu"), ("zoo", "https://zoo")]),
            tenants(&[("zoo", "https://zoo"), ("new", "https://new")]),
            tenants(&[("acme", "https://acme"), ("second", "https://acme"), ("zoo", "https://zoo")]),
        ];
        for now in fine {
            assert_eq!(renamed(&before, &now), None, "{now:?}");
        }
        let orgs = |name: &str| Addresses { orgs: tenants(&[(name, "https://a")]).tenants, ..Addresses::default() };
        assert!(renamed(&orgs("main"), &orgs("first")).is_some_and(|why| why.contains("the org main")));
    }
}
