//! The two harms that nothing outweighs: somebody who left keeps access, and somebody's account becomes somebody else's.
//!
//! Judged from the org's own state and history, and from who is who by the scenario: never from what the service says.

use super::super::okta::Okta;
use super::super::okta::users::{Status, User, login_key};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Who is who by the scenario: people by number, each with one profile or several.
#[derive(Clone, Debug, Default)]
pub struct WhoIsWho {
    /// People by their profiles.
    pub profiles: HashMap<String, usize>,
    /// People by every address that HR ever had of them, as logins are compared.
    pub addresses: HashMap<String, BTreeSet<usize>>,
    /// Who has left at the end.
    pub left: BTreeSet<usize>,
}

impl WhoIsWho {
    /// One more profile of a person, with an address.
    pub fn add(&mut self, person: usize, profile: &str, address: &str) {
        self.profiles.insert(profile.to_owned(), person);
        self.addresses.entry(login_key(address)).or_default().insert(person);
    }

    fn by_anchor(&self, profile: &BTreeMap<String, Value>) -> Option<usize> {
        self.profiles.get(profile.get("namelyId")?.as_str()?).copied()
    }
}

/// Whose each account is: by what it carried when it was put into the org, or when it was made. `None`: nobody's.
fn owners(okta: &Okta, who: &WhoIsWho) -> HashMap<String, Option<usize>> {
    let mut owners: HashMap<String, Option<usize>> =
        okta.seeded().iter().map(|(id, profile)| (id.clone(), who.by_anchor(profile))).collect();
    let creates =
        okta.history().exchanges().iter().filter(|e| e.applied && e.method == "POST" && e.path.ends_with("/users"));
    for exchange in creates {
        let person = exchange.body["profile"]["namelyId"].as_str().and_then(|id| who.profiles.get(id)).copied();
        if let (Some(user), Some(person)) = (&exchange.user, person) {
            owners.entry(user.clone()).or_insert(Some(person));
        }
    }
    owners
}

/// Every account that became somebody else's, or that is nobody's and was written, in words.
pub fn takeovers(okta: &Okta, who: &WhoIsWho) -> BTreeMap<String, String> {
    let owners = owners(okta, who);
    let mut found = BTreeMap::new();
    for exchange in okta.history().exchanges().iter().filter(|e| e.applied && e.method != "GET") {
        let Some((id, owner)) = exchange.user.as_ref().and_then(|id| Some((id, owners.get(id)?))) else { continue };
        let call = format!("{} {}", exchange.method, exchange.path);
        match owner {
            None => {
                found.entry(id.clone()).or_insert(format!("takeover: {id} is nobody's in HR and was written: {call}"));
            }
            Some(owner) => {
                if let Some(what) = gives_away(&exchange.body["profile"], *owner, who) {
                    found.entry(id.clone()).or_insert(format!("takeover: {id} of person {owner} got {what}: {call}"));
                }
            }
        }
    }
    for user in okta.users() {
        let owner = owners.get(&user.id).copied().flatten();
        let is = who.by_anchor(&user.profile);
        if owners.contains_key(&user.id) && is.is_some() && is != owner {
            found
                .entry(user.id.clone())
                .or_insert(format!("takeover: {} of person {owner:?} carries the profile of person {is:?}", user.id));
        }
    }
    found
}

/// What of these attributes is somebody else's.
fn gives_away(sent: &Value, owner: usize, who: &WhoIsWho) -> Option<String> {
    let anchor = sent["namelyId"].as_str().filter(|id| who.profiles.get(*id).is_some_and(|person| *person != owner));
    if let Some(anchor) = anchor {
        return Some(format!("the profile {anchor}"));
    }
    ["login", "email"].iter().find_map(|name| {
        let address = sent[*name].as_str()?;
        let people = who.addresses.get(&login_key(address))?;
        (!people.contains(&owner)).then(|| format!("the {name} {address}, which is another person's"))
    })
}

/// Every person who left and has an account that is live, in words. Whoever may be suspended for a while first counts as
/// without access while they are.
pub fn leavers_with_access(okta: &Okta, who: &WhoIsWho, grace: bool) -> BTreeMap<usize, String> {
    let owners = owners(okta, who);
    let is_live = |user: &User| match user.status {
        Status::Deprovisioned => false,
        Status::Suspended => !grace,
        _ => true,
    };
    let mut found = BTreeMap::new();
    for user in okta.users().filter(|user| is_live(user)) {
        let owner = who.by_anchor(&user.profile).or_else(|| owners.get(&user.id).copied().flatten());
        if let Some(person) = owner.filter(|person| who.left.contains(person)) {
            let what =
                format!("leaver with access: person {person} has left, and {} is {}", user.id, user.status.as_str());
            found.entry(person).or_insert(what);
        }
    }
    found
}
