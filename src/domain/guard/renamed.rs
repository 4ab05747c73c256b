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

/// What of the confirmed names is to be carried out, all of it together: two may take one another's name. The error says why one of
/// them cannot be; what was carried out before is left out.
pub fn confirmed<'a>(
    before: &Addresses,
    now: &Addresses,
    renamings: &'a [Renaming],
) -> Result<Vec<(Named, &'a Renaming)>, String> {
    let mut found = Vec::new();
    for one in renamings {
        let tenant = meant(&before.tenants, &now.tenants, one, renamings)?;
        let org = meant(&before.orgs, &now.orgs, one, renamings)?;
        if tenant == Meant::Nothing && org == Meant::Nothing {
            let Renaming { old, new } = one;
            return Err(format!(
                "--renamed {old}={new} is about nothing: no org or tenant {old} is known that the configuration calls {new}; take it out"
            ));
        }
        let all = [(tenant, Named::Tenant), (org, Named::Org)];
        found.extend(all.into_iter().filter(|(meant, _)| *meant == Meant::ToDo).map(|(_, what)| (what, one)));
    }
    Ok(found)
}

/// What a confirmed name is about, among the orgs or among the tenants.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meant {
    Nothing,
    Done,
    ToDo,
}

fn meant(
    before: &BTreeMap<String, String>,
    now: &BTreeMap<String, String>,
    one: &Renaming,
    all: &[Renaming],
) -> Result<Meant, String> {
    let Renaming { old, new } = one;
    let Some(address) = before.get(old) else {
        let is_done = before.contains_key(new) && now.contains_key(new);
        return Ok(if is_done { Meant::Done } else { Meant::Nothing });
    };
    match now.get(new) {
        _ if now.get(old) == Some(address) => Ok(if now.contains_key(new) { Meant::Done } else { Meant::Nothing }),
        None => Ok(Meant::Nothing),
        Some(other) if other != address => Err(format!(
            "--renamed {old}={new} cannot be carried out: {old} was at {address}, and {new} is at {other}; change the name first and \
             the address afterwards, or take it out if they are two"
        )),
        Some(_) => match before.get(new) {
            Some(taken) if !all.iter().any(|other| other.old == *new) => Err(format!(
                "--renamed {old}={new} cannot be carried out: {new} is known already, as what was at {taken}, and what was decided about \
                 it would hold for {old}; choose a name that was never used"
            )),
            _ => Ok(Meant::ToDo),
        },
    }
}

impl Addresses {
    /// What was known under the old names is known under the new ones.
    pub fn rename(&mut self, renamings: &[(Named, &Renaming)]) {
        for (what, all) in [(Named::Org, &mut self.orgs), (Named::Tenant, &mut self.tenants)] {
            let of = renamings.iter().filter(|(kind, _)| *kind == what);
            let moved: Vec<_> = of.filter_map(|(_, one)| Some((one.new.clone(), all.remove(&one.old)?))).collect();
            all.extend(moved);
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
        let mut moved = before.iter().filter(|(name, address)| now.get(*name) != Some(address));
        // It need not be a new name: two may have taken one another's.
        let called = |address: &String| {
            now.iter().find(|(name, url)| *url == address && before.get(*name) != Some(address)).map(|(name, _)| name)
        };
        moved.find_map(|(old, address)| {
            let new = called(address)?;
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
        let swapped = tenants(&[("acme", "https://zoo"), ("zoo", "https://acme")]);
        assert!(renamed(&before, &swapped).is_some_and(|why| why.contains("acme is called zoo")));
        let taken = tenants(&[("zoo", "https://acme")]);
        assert!(renamed(&before, &taken).is_some_and(|why| why.contains("acme is called zoo")), "a name of before");
        let orgs = |name: &str| Addresses { orgs: tenants(&[(name, "https://a")]).tenants, ..Addresses::default() };
        assert!(renamed(&orgs("main"), &orgs("first")).is_some_and(|why| why.contains("the org main")));
    }

    fn names(all: &[&str]) -> Vec<Renaming> {
        all.iter().map(|text| text.parse().expect("parses")).collect()
    }

    #[test]
    fn names_that_are_exchanged_or_passed_on_go_together_and_only_once() {
        let before = tenants(&[("a", "https://1"), ("b", "https://2")]);
        for (given, now) in [
            (names(&["a=b", "b=a"]), tenants(&[("a", "https://2"), ("b", "https://1")])),
            (names(&["a=b", "b=c"]), tenants(&[("b", "https://1"), ("c", "https://2")])),
        ] {
            let found = confirmed(&before, &now, &given).expect("can be done");
            assert_eq!(found.len(), 2);
            let mut after = before.clone();
            after.rename(&found);
            assert_eq!(after, now);
            assert_eq!(confirmed(&after, &now, &given), Ok(Vec::new()), "the same start once more");
        }
    }

    #[test]
    fn a_confirmed_name_that_cannot_be_carried_out_is_refused_and_says_why() {
        let before = tenants(&[("a", "https://1"), ("b", "https://2")]);
        for (given, now, why) in [
            ("a=b", tenants(&[("b", "https://1")]), "b is known already, as what was at https://2"),
            ("a=c", tenants(&[("c", "https://3"), ("b", "https://2")]), "a was at https://1, and c is at https://3"),
            ("x=y", before.clone(), "is about nothing"),
            ("a=c", before.clone(), "is about nothing"),
        ] {
            let refused = confirmed(&before, &now, &names(&[given])).expect_err(given);
            assert!(refused.contains(why), "{given}: {refused}");
        }
    }
}
