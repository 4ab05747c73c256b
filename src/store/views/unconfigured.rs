//! Orgs and tenants that the store knows people of, and that the configuration does not have (any more).
//!
//! **Invariant:** an account that nobody reads or ends any more because its org is not configured is told of for as long as it was
//! live when it was last seen; whoever has left and has one is a leaver with access.

use crate::domain::Rulebook;
use crate::store::StoreError;
use crate::store::engine::Tx;
use crate::store::rows::people;
use serde::{Deserialize, Serialize};

/// What the configuration does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Section {
    /// One Okta organization.
    Org,
    /// One Namely company.
    Tenant,
}

/// An org or a tenant that the store knows people of, and that the configuration does not have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unconfigured {
    /// Which of the two.
    pub what: Section,
    /// The name that it had in the configuration.
    pub name: String,
    /// People who had a live account there, or were read from there and have one, when it was last seen.
    pub people: i64,
}

impl Unconfigured {
    /// What is so, and what to do, for people.
    pub fn message(&self) -> String {
        let (name, people) = (&self.name, self.people);
        let people = if people == 1 { "1 person".to_owned() } else { format!("{people} people") };
        match self.what {
            Section::Org => format!(
                "the org {name} is in the store and not in the configuration: the live accounts of {people} there are neither read \
                 nor ended, whoever leaves; put its section [[okta]] back and start again"
            ),
            Section::Tenant => format!(
                "the tenant {name} is in the store and not in the configuration: {people} with live accounts are not read any more \
                 and stay as they are, also if they leave, and nobody counts as missing by it; put its section [[namely]] back and \
                 start again"
            ),
        }
    }
}

/// All of them of whom somebody has a live account, as far as it was seen: orgs first.
pub fn unconfigured(c: &Tx, rules: &Rulebook) -> Result<Vec<Unconfigured>, StoreError> {
    let mut found = Vec::new();
    for name in unconfigured_orgs(c, rules)? {
        let people = people::live_in_org(c, &name)?;
        found.push(Unconfigured { what: Section::Org, name, people });
    }
    let tenants = people::tenants(c)?.into_iter();
    for name in tenants.filter(|name| !rules.tenants.iter().any(|tenant| tenant.name == *name)) {
        let people = people::live_of_tenant(c, &name)?;
        found.push(Unconfigured { what: Section::Tenant, name, people });
    }
    found.retain(|one| one.people > 0);
    Ok(found)
}

/// Orgs of people that the configuration does not have.
pub(super) fn unconfigured_orgs(c: &Tx, rules: &Rulebook) -> Result<Vec<String>, StoreError> {
    Ok(people::orgs(c)?.into_iter().filter(|org| rules.org(org).is_none()).collect())
}
