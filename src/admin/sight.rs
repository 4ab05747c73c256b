//! What a role sees of an answer: HR sees people in HR's words, and what it does not see is named.

use super::decisions::{Decisions, Refusal};
use super::routes::Ask;
use crate::config::Role;
use crate::domain::{ChangeKind, Mapping};
use crate::store::{Tx, directory};
use serde_json::{Value, json};

/// What an answer hides, one sentence each; the key is missing where nothing is hidden.
const HIDDEN: &str = "hidden";

/// What of the attention list HR can act upon or is asked about, in HR's words; nothing where the text as it is says it.
const FOR_HR: &[(&str, Option<&str>)] = &[
    ("leaver with access", Some("has left in Namely and can still sign in: IT sees why and ends it")),
    (
        "access ended",
        Some("IT has ended their access before Namely says that they have left: is a last day to be entered?"),
    ),
    (
        "missing",
        Some("Namely does not show their profile any more: have they left? IT decides what becomes of their access"),
    ),
    ("held", Some("what Namely says of them waits for an approval of IT")),
    ("quarantined", None),
    ("unreadable", None),
    ("remark", None),
];

/// Which names must not be seen; nobody's, where HR may see groups.
pub struct Groups {
    names: Option<Vec<String>>,
    /// An org was not read yet: any text may have a name of its groups.
    unread: bool,
}

impl Groups {
    /// Names of the groups that are known in these orgs, where they are hidden.
    pub fn hidden(c: &Tx, orgs: &[String], mapping: &Mapping) -> Result<Self, Refusal> {
        let mut names: Vec<String> = mapping.group_rules().iter().map(|rule| rule.label.clone()).collect();
        let mut unread = false;
        for org in orgs {
            match directory(c, org)? {
                Some(known) => names.extend(known.names().map(str::to_owned)),
                None => unread = true,
            }
        }
        names.retain(|name| !name.is_empty());
        Ok(Self { names: Some(names), unread })
    }

    /// They are seen.
    pub const fn shown() -> Self {
        Self { names: None, unread: false }
    }

    fn are_hidden(&self) -> bool {
        self.names.is_some()
    }

    /// Whether a text says something of a group that must not be seen.
    fn are_in(&self, text: &str) -> bool {
        let Some(names) = &self.names else { return false };
        self.unread || text.to_lowercase().contains("group") || names.iter().any(|name| stands_in(name, text))
    }

    /// A text as HR reads it: without commands, and without groups where these are hidden.
    fn in_words(&self, text: &str) -> String {
        if self.are_in(text) {
            return "it is about groups, which are hidden for your role: IT sees what it is".into();
        }
        without_commands(text)
    }

    fn reword(&self, value: &mut Value) {
        if let Some(text) = value.as_str() {
            *value = json!(self.in_words(text));
        }
    }
}

/// Whether a name stands in a text as words of its own.
fn stands_in(name: &str, text: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        ![before, after].into_iter().flatten().any(char::is_alphanumeric)
    })
}

/// Sentences without those that name a command: HR has none.
fn without_commands(text: &str) -> String {
    if !text.contains('`') {
        return text.to_owned();
    }
    let parts: Vec<&str> = text.split_inclusive("; ").filter(|part| !part.contains('`')).collect();
    let kept = parts.concat();
    let kept = kept.trim_end_matches("; ");
    if kept.is_empty() { "IT sees what it is, and what mends it".into() } else { kept.to_owned() }
}

/// An answer as a role sees it.
pub fn seen(role: Role, ask: Ask, mut answer: Value, groups: &Groups) -> Value {
    if role != Role::Hr {
        return answer;
    }
    let mut hidden: Vec<String> = Vec::new();
    match ask {
        Ask::Attention => attention(&mut answer, groups, &mut hidden),
        Ask::Starters => each(&mut answer["starters"], |one| groups.reword(&mut one["note"])),
        Ask::People => each(&mut answer["people"], |one| state(one, groups)),
        Ask::Leavers => each(&mut answer["leavers"], |one| {
            one["message"] = json!(why_access(one["why"].as_str().unwrap_or_default()));
            one["command"] = json!("");
        }),
        Ask::Target => target(&mut answer, groups, &mut hidden),
        _ => {}
    }
    if !hidden.is_empty() {
        answer[HIDDEN] = json!(hidden);
    }
    answer
}

fn each(list: &mut Value, mut reword: impl FnMut(&mut Value)) {
    list.as_array_mut().into_iter().flatten().for_each(&mut reword);
}

/// Why somebody is not done: which limit holds them is for those who decide.
fn state(person: &mut Value, groups: &Groups) {
    if person["state"] == "held" {
        person["reason"] = json!("waits for an approval of IT");
    }
    groups.reword(&mut person["reason"]);
}

/// Why somebody who has left still has access, in HR's words.
fn why_access(why: &str) -> &'static str {
    match why {
        "refused" => "Okta refuses to end it; IT is asked to mend that",
        "held" => "ending it waits for an approval of IT",
        "not_found" => "it is not known which account is theirs; IT must say so",
        "org_not_configured" => "nobody ends access in that org any more; IT must say who does",
        "by_decision" => "IT has decided that it stays",
        _ => "it is about to end",
    }
}

fn attention(answer: &mut Value, groups: &Groups, hidden: &mut Vec<String>) {
    let Some(items) = answer["items"].as_array_mut() else { return };
    let before = items.len();
    items.retain_mut(|item| {
        let what = item["what"].as_str().unwrap_or_default();
        let Some((_, words)) = FOR_HR.iter().find(|(known, _)| *known == what) else { return false };
        match words {
            Some(words) => item["why"] = json!(words),
            None => groups.reword(&mut item["why"]),
        }
        true
    });
    match before - items.len() {
        0 => {}
        1 => hidden.push("1 item that is for IT alone".into()),
        n => hidden.push(format!("{n} items that are for IT alone")),
    }
}

fn target(answer: &mut Value, groups: &Groups, hidden: &mut Vec<String>) {
    state(answer, groups);
    answer["timeline"] = json!([]);
    hidden.push("what happened: rows of the audit".into());
    for attribute in answer["mapping"]["attributes"].as_array_mut().into_iter().flatten() {
        attribute["expression"] = json!("");
        attribute["inputs"] = json!({});
        groups.reword(&mut attribute["note"]);
    }
    answer["mapping"]["groups"] = json!([]);
    answer["mapping"]["apps"] = json!([]);
    hidden.push("the rules of the mapping: configuration".into());
    let plan = &mut answer["plan"];
    for key in ["rules", "by_okta", "unfilled", "ungoverned", "rejected"] {
        if let Some(plan) = plan.as_object_mut() {
            plan.remove(key);
        }
    }
    if plan["obstacle"].is_string() {
        groups.reword(&mut plan["obstacle"]);
    }
    each(&mut plan["remarks"], |remark| groups.reword(remark));
    if let Some(decided) = answer["decided"].as_object_mut() {
        decided.insert("message".into(), json!("IT has decided otherwise than Namely says"));
        decided.insert("command".into(), json!(""));
    }
    if !groups.are_hidden() {
        return;
    }
    for kind in [ChangeKind::AddGroup, ChangeKind::RemoveGroup, ChangeKind::GrantAdmin] {
        let words = &mut answer["plan"]["changes"][kind.as_str()];
        let count = words.as_array().map_or(0, Vec::len);
        if count > 0 {
            *words = json!([format!("{count} of groups or apps, whose names are hidden")]);
        }
    }
    if let Some(changes) = answer["plan"]["changes"].as_object_mut() {
        changes.retain(|_, words| !words.is_null());
        for words in changes.values_mut() {
            each(words, |word| {
                if word.as_str().is_some_and(|word| !word.contains("names are hidden") && groups.are_in(word)) {
                    groups.reword(word);
                }
            });
        }
    }
    if answer["account"].is_object() {
        answer["account"]["groups"] = json!([]);
    }
    answer["groups_hidden"] = json!(true);
    hidden.push("names of groups".into());
}

impl Decisions {
    /// An answer as a role sees it.
    pub(super) fn seen_by(&self, role: Role, hide_groups: bool, ask: Ask, answer: Value) -> Result<Value, Refusal> {
        let groups = if role == Role::Hr && hide_groups {
            Groups::hidden(&*crate::store::Store::reader(&self.store)?, &self.orgs, &self.rules()?.mapping)?
        } else {
            Groups::shown()
        };
        Ok(seen(role, ask, answer, &groups))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden() -> Groups {
        Groups { names: Some(vec!["Sales Team".into(), "IT".into()]), unread: false }
    }

    #[test]
    fn while_nobody_has_read_what_an_org_calls_its_groups_any_text_may_name_one() {
        let text = "Okta refuses the login";
        assert_eq!(hidden().in_words(text), text);
        assert!(Groups { unread: true, ..hidden() }.in_words(text).contains("hidden for your role"));
    }

    #[test]
    fn hr_reads_what_waits_without_commands_and_how_much_is_for_others() {
        let item = |what: &str, why: &str| json!({ "what": what, "why": why, "name": "Ann" });
        let all = json!({ "items": [
            item("leaver with access", "held: hold 3; see `holds show 3`"),
            item("unreadable", "start_date: 2026-31-01 is no date"),
            item("quarantined", "Okta refuses the login; see `explain ann`"),
            item("paused", "everything; see `pause --list`"),
            item("review", "look at it with `review show 1`"),
        ] });
        let shown = seen(Role::Hr, Ask::Attention, all.clone(), &Groups::shown());
        let why: Vec<&str> =
            shown["items"].as_array().expect("a list").iter().filter_map(|i| i["why"].as_str()).collect();
        assert_eq!(
            why,
            [
                "has left in Namely and can still sign in: IT sees why and ends it",
                "start_date: 2026-31-01 is no date",
                "Okta refuses the login"
            ]
        );
        assert_eq!(shown["hidden"], json!(["2 items that are for IT alone"]));
        assert_eq!(seen(Role::Auditor, Ask::Attention, all.clone(), &Groups::shown()), all);
    }

    #[test]
    fn a_name_of_a_group_is_hidden_wherever_it_stands_and_a_word_that_holds_it_is_not() {
        let groups = hidden();
        assert!(groups.are_in("not in Sales Team any more") && groups.are_in("the group is gone"));
        assert!(!groups.are_in("WITHOUT a login"));
        assert!(!Groups::shown().are_in("Sales Team"));
    }

    #[test]
    fn hr_sees_a_person_without_audit_and_configuration_and_names_of_groups_only_where_they_may() {
        let person = json!({
            "reason": null, "decided": null, "timeline": [{ "seq": 1 }],
            "account": { "login": "ann", "groups": ["Sales Team"] },
            "mapping": { "attributes": [{ "attribute": "title", "value": "CEO", "expression": "employee.job_title", "inputs": { "a": 1 } }],
                         "groups": [{ "rule": "sales" }], "apps": [] },
            "plan": { "changes": { "add_group": ["joins Sales Team", "joins IT"], "change_attributes": ["title: CEO"] },
                      "rules": { "Sales Team": "sales" }, "remarks": ["Sales Team is full"], "obstacle": null },
        });
        let open = seen(Role::Hr, Ask::Target, person.clone(), &Groups::shown());
        assert_eq!(open["account"]["groups"], json!(["Sales Team"]));
        assert_eq!((&open["timeline"], &open["mapping"]["groups"]), (&json!([]), &json!([])));
        let held =
            seen(Role::Hr, Ask::Target, json!({ "state": "held", "reason": "at most 0 an hour" }), &Groups::shown());
        assert_eq!(held["reason"], "waits for an approval of IT");
        let text = seen(Role::Hr, Ask::Target, person, &hidden()).to_string();
        assert!(!text.contains("Sales Team") && !text.contains("employee.job_title"), "{text}");
        assert!(
            text.contains("2 of groups or apps") && text.contains("title: CEO") && text.contains("names of groups"),
            "{text}"
        );
    }
}
