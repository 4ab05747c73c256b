//! What `check` says about administrators: whether it can be told who is one, and which rules can make somebody one.

use super::finding::{Finding, bad, get, good};
use crate::actors::org::directory::ADMINISTRATORS_AGE;
use crate::domain::account::administrators::mend;
use crate::domain::account::group_rule::OktaRule;
use crate::domain::{Group, Mapping};
use crate::okta::OktaClient;
use serde_json::Value;
use std::collections::BTreeSet;

/// Groups whose roles are read at most; the service reads them all.
const MAX_READ: usize = 300;
/// Roles that are read at the same time.
const AT_ONCE: usize = 6;

/// Whether the list of administrators can be read.
pub(super) fn list_finding(what: &str, list: Result<Value, String>) -> Finding {
    let is_empty = |list: &Value| list["value"].as_array().or(list.as_array()).is_none_or(Vec::is_empty);
    let list = list.and_then(|list| match is_empty(&list) {
        true => Err("nobody is on the list, although every org has an administrator".to_owned()),
        false => Ok(list),
    });
    match list {
        Ok(_) => good(
            what,
            format!(
                "can be told apart from everybody else; the list is read every {} s: who was given a role after the last time \
                 and leaves before the next is ended like everybody else, without two people",
                ADMINISTRATORS_AGE.as_secs()
            ),
        ),
        Err(why) => bad(
            what,
            format!(
                "cannot be told apart ({why}): {}; until then each leaver is asked about, and whoever may be an administrator \
                 waits for two people",
                mend(&why)
            ),
        ),
    }
}

/// What gives groups: the rules of the mapping, and Okta's own.
pub(super) struct Given<'a> {
    pub groups: Vec<Group>,
    pub rules: &'a [OktaRule],
    pub mapping: &'a Mapping,
    /// Names of the groups whose members decide here.
    pub deciding: &'a BTreeSet<String>,
}

impl Given<'_> {
    fn is_given(&self, group: &Group) -> bool {
        group.writable && self.mapping.manages(group) || self.filling(group).next().is_some()
    }

    /// Okta's own rules that fill a group.
    fn filling<'g>(&'g self, group: &'g Group) -> impl Iterator<Item = &'g OktaRule> {
        self.rules.iter().filter(|rule| rule.active && rule.groups.contains(&group.id))
    }

    /// What gives a group, and what comes with it.
    fn finding(&self, what: &str, group: &Group, roles: &Value) -> Option<Finding> {
        let roles = roles.as_array()?.iter().map(|role| role["type"].as_str().unwrap_or("a role").to_owned());
        let say = self.deciding.contains(&group.name).then(|| "a say in what is decided here".to_owned());
        let powers: Vec<String> = roles.chain(say).collect();
        if powers.is_empty() {
            return None;
        }
        let owners = self.mapping.owners(group).filter(|_| group.writable).map(|rule| rule.label.clone());
        let filling = self.filling(group).map(|rule| format!("Okta's rule {:?}", rule.name));
        let givers: Vec<String> = owners.chain(filling).collect();
        Some(good(
            what,
            format!(
                "{} can give {:?}, with which {} comes: two people decide about each (grant_admin)",
                givers.join(" and "),
                group.name,
                powers.join(", ")
            ),
        ))
    }
}

/// The rules that can give a group with which an admin role comes, or a say in what is decided here.
pub(super) async fn grant_findings(client: &OktaClient, what: &str, given: Given<'_>) -> Vec<Finding> {
    let mut asked: Vec<Group> = given.groups.iter().filter(|group| given.is_given(group)).cloned().collect();
    asked.sort_by(|a, b| a.name.cmp(&b.name));
    let left = asked.len().saturating_sub(MAX_READ);
    asked.truncate(MAX_READ);
    let mut findings = Vec::new();
    for chunk in asked.chunks(AT_ONCE) {
        let mut reads = tokio::task::JoinSet::new();
        for group in chunk.iter().cloned() {
            let client = client.clone();
            reads.spawn(async move {
                let roles = get(&client, &format!("/api/v1/groups/{}/roles", group.id)).await;
                (group, roles)
            });
        }
        while let Some(read) = reads.join_next().await {
            match read {
                Ok((group, Ok(roles))) => findings.extend(given.finding(what, &group, &roles)),
                Ok((group, Err(why))) => {
                    let message =
                        format!("whether one comes with {:?} cannot be told ({why}): {}", group.name, mend(&why));
                    return vec![bad(what, message)];
                }
                Err(e) => return vec![bad(what, e.to_string())],
            }
        }
    }
    if findings.is_empty() {
        findings.push(good(what, format!("none comes with the {} groups that rules can give", asked.len())));
    }
    if left > 0 {
        findings.push(good(what, format!("{left} more groups were not looked at here; the service looks at all")));
    }
    findings
}
