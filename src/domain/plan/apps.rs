//! Apps that are assigned to people directly, where no group does it (`okta-api.md §3.4`). Groups are cheaper: one call
//! of a large counter instead of one of a small one.

use crate::domain::account::directory::Directory;
use crate::domain::account::user::{Account, Scope};
use crate::domain::mapping::desired::{Desired, Mapping, WantedApp};
use crate::domain::mapping::rules::AppRule;
use crate::domain::plan::awaited::Awaited;
use crate::domain::plan::resolve::Lacking;
use crate::domain::plan::step::Step;
use std::collections::{BTreeMap, BTreeSet};

/// The steps that give and take direct assignments, and the apps that the org does not have. What a group grants is had already, and is not ours to take.
pub(in crate::domain) fn steps(
    account: &Account,
    desired: &Desired,
    mapping: &Mapping,
    directory: &Directory,
) -> (Vec<Step>, Vec<Lacking>) {
    let mut lacking = Vec::new();
    let mut wanted: BTreeMap<&str, (&str, &WantedApp)> = BTreeMap::new();
    for (name, why) in &desired.apps {
        let Some((id, label)) = directory.find_app(name) else {
            let message = match directory.apps_called(name).as_slice() {
                [] => format!("{}: there is no app {name:?} in Okta; correct the name, or add the app there", why.rule),
                several => format!(
                    "{}: several apps of Okta are called {name:?}; name one of them by its id: {}",
                    why.rule,
                    several.join(", ")
                ),
            };
            lacking.push(Lacking { why: message, awaited: Awaited::App(name.clone()) });
            continue;
        };
        wanted.insert(id, (label, why));
    }
    let unsure = &account.marks.unsure.apps;
    let own = account.apps.iter().filter(|(_, scope)| **scope == Scope::User).map(|(app, _)| app);
    let taken: BTreeSet<&String> = own.chain(unsure).collect();
    let no_longer = taken
        .into_iter()
        .filter(|id| !wanted.contains_key(id.as_str()) && governs(mapping, directory, id))
        .map(|app| Step::UnassignApp {
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
    (no_longer.chain(missing).collect(), lacking)
}

/// Whether a rule decides who has an app. Of several apps with one label none is governed by a rule that names the label.
pub(in crate::domain) fn governs(mapping: &Mapping, directory: &Directory, id: &str) -> bool {
    let is_named = |rule: &AppRule| directory.find_app(&rule.app).is_some_and(|(found, _)| found == id);
    mapping.app_rules().iter().any(is_named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::user::tests::bare;
    use crate::domain::mapping::desired::tests::usual;

    #[test]
    fn of_several_apps_with_one_label_none_is_given_or_taken_until_one_is_named_by_its_id() {
        let rule = |app: &str| AppRule { label: "payroll".into(), app: app.into(), when: None, user_name: None };
        let apps = ["0oa1", "0oa2"].map(|id| (id.to_owned(), "Payroll".to_owned()));
        let directory = Directory::default().with_apps(apps);
        let wanted = |app: &str| {
            let why = WantedApp { rule: "payroll".into(), user_name: None };
            Desired { apps: BTreeMap::from([(app.to_owned(), why)]), ..Desired::default() }
        };
        let mut account = bare("00u1", "ada@example.com", None);
        account.apps.insert("0oa2".into(), Scope::User);
        let of = |app: &str| steps(&account, &wanted(app), &usual().with_apps(vec![rule(app)]), &directory);
        let (planned, lacking) = of("Payroll");
        assert_eq!(planned, []);
        assert!(lacking[0].why.contains("several apps") && lacking[0].why.contains("0oa1, 0oa2"), "{}", lacking[0].why);
        let (planned, lacking) = of("0oa1");
        assert!(
            lacking.is_empty() && matches!(&planned[..], [Step::AssignApp { app, .. }] if app == "0oa1"),
            "{planned:?}"
        );
    }
}
