//! Apps that are assigned to people directly, where no group does it (`okta-api.md §3.4`). Groups are cheaper: one call
//! of a large counter instead of one of a small one.

use crate::domain::account::directory::Directory;
use crate::domain::account::user::{Account, Scope};
use crate::domain::mapping::desired::{Desired, Mapping, WantedApp};
use crate::domain::plan::step::Step;
use std::collections::{BTreeMap, BTreeSet};

/// The steps that give and take direct assignments. What a group grants is had already, and is not ours to take.
pub fn steps(
    account: &Account,
    desired: &Desired,
    mapping: &Mapping,
    directory: &Directory,
) -> Result<Vec<Step>, String> {
    let mut wanted: BTreeMap<&str, (&str, &WantedApp)> = BTreeMap::new();
    for (name, why) in &desired.apps {
        let Some((id, label)) = directory.find_app(name) else {
            return Err(format!(
                "{}: there is no app {name:?} in Okta; correct the name, or add the app there",
                why.rule
            ));
        };
        wanted.insert(id, (label, why));
    }
    let managed = |id: &str| directory.find_app(id).is_some_and(|(id, label)| mapping.manages_app(id, label));
    let unsure = &account.marks.unsure.apps;
    let own = account.apps.iter().filter(|(_, scope)| **scope == Scope::User).map(|(app, _)| app);
    let taken: BTreeSet<&String> = own.chain(unsure).collect();
    let no_longer =
        taken.into_iter().filter(|id| !wanted.contains_key(id.as_str()) && managed(id)).map(|app| Step::UnassignApp {
            id: account.id.clone(),
            app: app.clone(),
            name: directory.find_app(app).map_or_else(|| app.clone(), |(_, label)| label.to_owned()),
        });
    let lacks = |id: &str| !account.apps.contains_key(id) || unsure.contains(id);
    let missing = wanted.iter().filter(|(id, _)| lacks(id)).map(|(app, (label, why))| Step::AssignApp {
        id: account.id.clone(),
        app: (*app).to_owned(),
        name: (*label).to_owned(),
        user_name: why.user_name.clone(),
    });
    Ok(no_longer.chain(missing).collect())
}
