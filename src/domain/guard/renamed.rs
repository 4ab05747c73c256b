//! An org or a tenant that has another name in the configuration than the store knows it by.
//!
//! **Invariant:** what is known of people hangs on the name: under another one they would all be new, and the old ones would be
//! read by nobody, for ever.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::str::FromStr;

/// Where each org and tenant of a configuration is: its address by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// Of Okta.
    pub orgs: BTreeMap<String, String>,
    /// Of Namely.
    pub tenants: BTreeMap<String, String>,
}

/// What has a name in the configuration and is known by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// An Okta org.
    Org,
    /// A Namely company.
    Tenant,
}

impl Named {
    /// Where it stands in the configuration.
    pub const fn section(self) -> &'static str {
        match self {
            Named::Org => "okta",
            Named::Tenant => "namely",
        }
    }
}

/// A name of before, and the one that somebody has confirmed in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renaming {
    /// As the store knows it.
    pub old: String,
    /// As the configuration has it.
    pub new: String,
}

impl FromStr for Renaming {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=').map(|(old, new)| (old.trim(), new.trim())) {
            Some((old, new)) if !old.is_empty() && !new.is_empty() && old != new => {
                Ok(Self { old: old.to_owned(), new: new.to_owned() })
            }
            _ => Err(format!("{text:?} is not OLD=NEW: the name of an org or a tenant before, and the one of now")),
        }
    }
}

/// What of the confirmed names is to be carried out: the old one is known and the configuration has the new one in its place.
/// What was carried out before is not.
pub fn confirmed<'a>(before: &Addresses, now: &Addresses, renamings: &'a [Renaming]) -> Vec<(Named, &'a Renaming)> {
    let is = |before: &BTreeMap<String, String>, now: &BTreeMap<String, String>, one: &Renaming| {
        let (old, new) = (&one.old, &one.new);
        before.contains_key(old) && !before.contains_key(new) && now.contains_key(new) && !now.contains_key(old)
    };
    let of = |one: &'a Renaming| {
        let tenant = is(&before.tenants, &now.tenants, one).then_some((Named::Tenant, one));
        let org = is(&before.orgs, &now.orgs, one).then_some((Named::Org, one));
        tenant.into_iter().chain(org)
    };
    renamings.iter().flat_map(of).collect()
}

impl Addresses {
    /// What was known under the old name is known under the new one.
    pub fn rename(&mut self, what: Named, renaming: &Renaming) {
        let all = match what {
            Named::Org => &mut self.orgs,
            Named::Tenant => &mut self.tenants,
        };
        if let Some(address) = all.remove(&renaming.old) {
            all.insert(renaming.new.clone(), address);
        }
    }

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
                 {old}, and under another one they would be strangers; write name = {old:?} again, or confirm it once with \
                 `run --renamed {old}={new}`"
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
