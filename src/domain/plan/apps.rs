//! Apps that are assigned to people directly, where no group does it (`okta-api.md §3.4`). Groups are cheaper: one call
//! of a large counter instead of one of a small one.
//!
//! What somebody is called in an app follows its rule where the assignment is theirs alone; of a group's it is the app's own.

use crate::domain::account::directory::Directory;
use crate::domain::account::user::{Account, Scope};
use crate::domain::mapping::desired::{Desired, Mapping, WantedApp};
use crate::domain::mapping::login::{before_temporary, temporary};
use crate::domain::mapping::rules::AppRule;
use crate::domain::plan::awaited::Awaited;
use crate::domain::plan::case::NameOfAnother;
use crate::domain::plan::resolve::Lacking;
use crate::domain::plan::step::Step;
use crate::domain::text::login_key;
use std::collections::{BTreeMap, BTreeSet};

/// The steps that give and take direct assignments and change the names in them, and the apps that the org does not have. What a group grants is had already, and is not ours to take.
pub(in crate::domain) fn steps(
    account: &Account,
    desired: &Desired,
    mapping: &Mapping,
    directory: &Directory,
    others: &[NameOfAnother],
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
    // Who is called as somebody else is in an app is let into what is theirs.
    for (app, (label, why)) in &wanted {
        let Some(name) = &why.user_name else { continue };
        let is_so = account.app_names.get(*app) == Some(name) && !account.marks.unsure.app_names.contains(*app);
        // What a group gives is the app's own.
        let is_ours =
            !account.apps.contains_key(*app) || unsure.contains(*app) || account.apps.get(*app) == Some(&Scope::User);
        let makes_room = in_between(account, app, name, others).is_some();
        if let Some(whose) = whose_name(others, app, name).filter(|_| is_ours && !is_so && !makes_room) {
            let message = format!(
                "{}: {whose} goes by {name:?} in {label}: two people would be one there; correct the record, or who is called so",
                why.rule
            );
            lacking.push(Lacking { why: message, awaited: Awaited::AppName(name.clone()) });
        }
    }
    let is_free =
        |app: &str, why: &WantedApp| why.user_name.as_ref().is_none_or(|name| whose_name(others, app, name).is_none());
    let no_longer = taken
        .into_iter()
        .filter(|id| !wanted.contains_key(id.as_str()) && governs(mapping, directory, id))
        .map(|app| Step::UnassignApp {
            id: account.id.clone(),
            app: app.clone(),
            name: directory.find_app(app).map_or_else(|| app.clone(), |(_, label)| label.to_owned()),
        });
    let lacks = |id: &str| !account.apps.contains_key(id) || unsure.contains(id);
    let missing = wanted.iter().filter(|(id, (_, why))| lacks(id) && is_free(id, why)).map(|(app, (label, why))| {
        Step::AssignApp {
            id: account.id.clone(),
            app: (*app).to_owned(),
            name: (*label).to_owned(),
            user_name: why.user_name.clone(),
        }
    });
    let named = wanted.iter().filter(|(id, _)| !lacks(id)).filter_map(|(app, (label, why))| {
        let wanted = why.user_name.clone()?;
        let user_name = if is_free(app, why) { wanted } else { in_between(account, app, &wanted, others)? };
        let before = account.app_names.get(*app);
        let is_otherwise = before.is_some_and(|before| *before != user_name);
        let is_own = account.apps.get(*app) == Some(&Scope::User);
        // What was never read is unknown, and no reason for a call.
        (is_own && (is_otherwise || account.marks.unsure.app_names.contains(*app))).then(|| Step::NameInApp {
            id: account.id.clone(),
            app: (*app).to_owned(),
            name: (*label).to_owned(),
            before: before.cloned(),
            user_name,
        })
    });
    (no_longer.chain(missing).chain(named).collect(), lacking)
}

/// Who else goes by a name in an app, or may.
fn whose_name<'o>(others: &'o [NameOfAnother], app: &str, name: &str) -> Option<&'o str> {
    who_is_called(others, app, name).map(|other| other.whose.as_str())
}

fn who_is_called<'o>(others: &'o [NameOfAnother], app: &str, name: &str) -> Option<&'o NameOfAnother> {
    let key = login_key(name);
    let mut all = others.iter().filter(|other| other.name == key && !other.except.contains(app));
    all.find(|other| other.app.as_deref().is_none_or(|of| of == app))
}

/// The name by which one of those is called for a moment who are to have one another's names: somebody must be first.
fn in_between(account: &Account, app: &str, name: &str, others: &[NameOfAnother]) -> Option<String> {
    let (own, other) = (account.app_names.get(app)?, who_is_called(others, app, name)?);
    let is_first = other.yields() == Some(&account.id) && before_temporary(own, &account.id).is_none();
    is_first.then(|| temporary(own, &account.id, name).login)
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
    use crate::domain::plan::doubt::{Ending, doubt};
    use crate::domain::plan::observe::{Answer, observe};

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
        let of = |app: &str| steps(&account, &wanted(app), &usual().with_apps(vec![rule(app)]), &directory, &[]);
        let (planned, lacking) = of("Payroll");
        assert_eq!(planned, []);
        assert!(lacking[0].why.contains("several apps") && lacking[0].why.contains("0oa1, 0oa2"), "{}", lacking[0].why);
        let (planned, lacking) = of("0oa1");
        assert!(
            lacking.is_empty() && matches!(&planned[..], [Step::AssignApp { app, .. }] if app == "0oa1"),
            "{planned:?}"
        );
    }

    #[test]
    fn a_name_in_an_app_that_is_the_persons_alone_follows_its_rule_and_what_was_never_read_is_left() {
        let directory = Directory::default().with_apps([("0oa1".to_owned(), "Payroll".to_owned())]);
        let rule = AppRule { label: "payroll".into(), app: "Payroll".into(), when: None, user_name: None };
        let mapping = usual().with_apps(vec![rule]);
        let why = WantedApp { rule: "payroll".into(), user_name: Some("ada@example.com".into()) };
        let desired = Desired { apps: BTreeMap::from([("Payroll".to_owned(), why)]), ..Desired::default() };
        let mut account = bare("00u1", "ada@example.com", None);
        account.apps.insert("0oa1".into(), Scope::User);
        let planned = |account: &Account| steps(account, &desired, &mapping, &directory, &[]).0;
        assert_eq!(planned(&account), [], "nobody has read what they are called");
        account.app_names.insert("0oa1".into(), "ada".into());
        let named = planned(&account);
        let follows = |step: &Step| matches!(step, Step::NameInApp { before: Some(before), .. } if before == "ada");
        assert!(named.len() == 1 && follows(&named[0]), "{named:?}");
        let now = observe(Some(&account), &named[0], &Answer::Assigned { user_name: None }).expect("an account");
        assert_eq!(planned(&now), []);
        doubt(&mut account, &named[0], Ending::Untold);
        account.app_names.clear();
        assert_eq!(planned(&account).len(), 1, "whose answer was lost is written again");
        account.apps.insert("0oa1".into(), Scope::Group);
        assert_eq!(planned(&account), [], "what a group gives is the app's own");
        let assign = Step::AssignApp { id: "00u1".into(), app: "0oa1".into(), name: "Payroll".into(), user_name: None };
        let before = observe(Some(&account), &assign, &Answer::AssignedBefore).expect("an account");
        assert_eq!(planned(&before), [], "a rule without a name says nothing about it");
        let assign = Step::AssignApp {
            id: "00u1".into(),
            app: "0oa1".into(),
            name: "Payroll".into(),
            user_name: Some("ada@example.com".into()),
        };
        let before = observe(Some(&account), &assign, &Answer::AssignedBefore).expect("an account");
        assert_eq!(planned(&before).len(), 1, "who had it before may be called otherwise");
    }

    #[test]
    fn nobody_is_called_in_an_app_as_somebody_else_is_there_or_may_be() {
        let mapping = usual().with_apps(Vec::new());
        let directory = Directory::default().with_apps([("0oa1".to_owned(), "Payroll".to_owned())]);
        let why = WantedApp { rule: "pay".into(), user_name: Some("Ben@Example.com".into()) };
        let desired = Desired { apps: BTreeMap::from([("Payroll".to_owned(), why)]), ..Desired::default() };
        let other = |app: Option<&str>| {
            let app = app.map(str::to_owned);
            [NameOfAnother { app, ..NameOfAnother::of("ben@example.com", "ben@example.com") }]
        };
        let account = bare("00u1", "ada@example.com", None);
        let mut named = account.clone();
        named.apps.insert("0oa1".into(), Scope::User);
        named.app_names.insert("0oa1".into(), "ada@example.com".into());
        for account in [&account, &named] {
            for others in [other(Some("0oa1")), other(None)] {
                let (planned, lacking) = steps(account, &desired, &mapping, &directory, &others);
                assert_eq!(planned, []);
                assert!(
                    lacking[0].why.contains("ben@example.com goes by \"Ben@Example.com\" in Payroll"),
                    "{}",
                    lacking[0].why
                );
            }
            let (planned, lacking) = steps(account, &desired, &mapping, &directory, &other(Some("0oa2")));
            assert!(planned.len() == 1 && lacking.is_empty(), "what they are called elsewhere is nothing to this app");
        }
        named.apps.insert("0oa1".into(), Scope::Group);
        assert!(
            steps(&named, &desired, &mapping, &directory, &other(None)).1.is_empty(),
            "what a group gives is the app's own"
        );
    }
}
