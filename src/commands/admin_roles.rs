//! What `check` says about administrators: whether it can be told who is one, and which rules can make somebody one.

use super::finding::{Finding, bad, get, good};
use crate::actors::org::directory::ADMINISTRATORS_AGE;
use crate::domain::account::administrators::PERMISSION;
use crate::domain::{Group, Mapping};
use crate::okta::OktaClient;
use serde_json::Value;

/// Groups whose roles are read at most; the service reads them all.
const MAX_READ: usize = 300;
/// Roles that are read at the same time.
const AT_ONCE: usize = 6;

/// Whether the list of administrators can be read.
pub(super) fn list_finding(what: &str, list: Result<Value, String>) -> Finding {
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
                "cannot be told apart ({why}): {PERMISSION}; until then each leaver is asked about, and whoever may be an \
                 administrator waits for two people"
            ),
        ),
    }
}

/// The rules that can give a group with which an admin role comes.
pub(super) async fn grant_findings(
    client: &OktaClient,
    what: &str,
    groups: Vec<Group>,
    mapping: &Mapping,
) -> Vec<Finding> {
    let mut managed: Vec<Group> = groups.into_iter().filter(|group| group.writable && mapping.manages(group)).collect();
    managed.sort_by(|a, b| a.name.cmp(&b.name));
    let left = managed.len().saturating_sub(MAX_READ);
    managed.truncate(MAX_READ);
    let mut findings = Vec::new();
    for chunk in managed.chunks(AT_ONCE) {
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
                Ok((group, Ok(roles))) => findings.extend(grant_finding(what, &group, &roles, mapping)),
                Ok((group, Err(why))) => {
                    let message =
                        format!("whether one comes with {:?} cannot be told ({why}): {PERMISSION}", group.name);
                    return vec![bad(what, message)];
                }
                Err(e) => return vec![bad(what, e.to_string())],
            }
        }
    }
    if findings.is_empty() {
        findings.push(good(what, format!("none comes with the {} groups that rules can give", managed.len())));
    }
    if left > 0 {
        findings.push(good(what, format!("{left} more groups were not looked at here; the service looks at all")));
    }
    findings
}

fn grant_finding(what: &str, group: &Group, roles: &Value, mapping: &Mapping) -> Option<Finding> {
    let roles: Vec<&str> = roles.as_array()?.iter().map(|role| role["type"].as_str().unwrap_or("a role")).collect();
    if roles.is_empty() {
        return None;
    }
    let rules: Vec<&str> = mapping.owners(group).map(|rule| rule.label.as_str()).collect();
    Some(good(
        what,
        format!(
            "{} can give {:?}, with which {} comes: two people decide about each (grant_admin)",
            rules.join(" and "),
            group.name,
            roles.join(", ")
        ),
    ))
}
