//! What `check` says about the roles of whoever calls Okta: what is missing, and what cannot be done without it.

use super::finding::{Finding, bad, get, good, warning};
use crate::config;
use crate::domain::Rulebook;
use crate::okta::OktaClient;
use crate::okta::auth::Credentials;
use crate::okta::request::segment;
use crate::privileges::{self, When};
use serde_json::Value;
use std::collections::BTreeSet;

/// Roles that permit everything that is needed, whatever is configured.
const ENOUGH: [&str; 2] = ["SUPER_ADMIN", "ORG_ADMIN"];

/// Whether the roles of the token's owner, or of the service app, permit what is needed.
pub(super) async fn role_finding(
    what: &str,
    client: &OktaClient,
    credentials: &Credentials,
    rulebook: &Rulebook,
    org: &str,
) -> Finding {
    let who = match credentials {
        Credentials::Token(_) => "the token's owner",
        Credentials::ServiceApp(_) => "the service app",
    };
    let roles = match roles(client, credentials).await {
        Ok(roles) => roles,
        Err(why) => return untold(what, who, &why),
    };
    let names: Vec<&str> = roles.iter().map(|role| role["type"].as_str().unwrap_or("a role")).collect();
    if names.iter().any(|name| ENOUGH.contains(name)) {
        return good(what, format!("{who} is {}", names.join(", ")));
    }
    let custom: Vec<&Value> = roles.iter().filter(|role| role["type"] == "CUSTOM").collect();
    if custom.is_empty() {
        let found = if names.is_empty() { "no administrator".to_owned() } else { names.join(", ") };
        let message =
            format!("{who} is {found}; writing users and memberships needs a custom role, ORG_ADMIN or SUPER_ADMIN");
        return bad(what, message);
    }
    let mut held = BTreeSet::new();
    for role in &custom {
        match permissions(client, role).await {
            Ok(found) => held.extend(found),
            Err(why) => return untold(what, who, &why),
        }
    }
    let labels: Vec<String> =
        custom.iter().filter_map(|role| role["label"].as_str()).map(|l| format!("{l:?}")).collect();
    compared(what, &labels.join(" and "), &held, |when| config::uses(rulebook, org, when))
}

fn untold(what: &str, who: &str, why: &str) -> Finding {
    warning(what, format!("the roles of {who} cannot be told ({why}), so neither can what they lack"))
}

/// The permissions that a role has, beside those that are needed.
fn compared(what: &str, role: &str, held: &BTreeSet<String>, used: impl Fn(When) -> bool + Copy) -> Finding {
    let needed = privileges::permissions(used);
    let lacking = needed.iter().filter(|permission| !privileges::holds(held, permission));
    let lacking: Vec<String> = lacking
        .map(|permission| format!("{permission} (to {})", privileges::purposes(permission, used).join(", to ")))
        .collect();
    match lacking.as_slice() {
        [] => good(what, format!("the role {role} has all {} permissions that are needed", needed.len())),
        _ => bad(
            what,
            format!("the role {role} lacks {}; add it under Security > Administrators > Roles", lacking.join("; ")),
        ),
    }
}

/// The roles of whoever calls.
async fn roles(client: &OktaClient, credentials: &Credentials) -> Result<Vec<Value>, String> {
    let target = match credentials {
        Credentials::ServiceApp(app) => format!("/oauth2/v1/clients/{}/roles", segment(&app.client_id)),
        Credentials::Token(_) => {
            let owner = get(client, "/api/v1/users/me").await?;
            let id = owner["id"].as_str().ok_or("Okta's answer about the owner of the token names nobody")?;
            format!("/api/v1/users/{}/roles", segment(id))
        }
    };
    match get(client, &target).await? {
        Value::Array(roles) => Ok(roles),
        _ => Err("the answer is no list".into()),
    }
}

/// The permissions of one custom role.
async fn permissions(client: &OktaClient, role: &Value) -> Result<Vec<String>, String> {
    let Some(id) = role["role"].as_str() else { return Err("Okta does not say which custom role it is".into()) };
    let found = get(client, &format!("/api/v1/iam/roles/{}/permissions", segment(id))).await?;
    let Some(found) = found["permissions"].as_array() else {
        return Err("the answer is no list of permissions".into());
    };
    Ok(found.iter().filter_map(|one| one["label"].as_str()).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_permission_that_a_role_lacks_is_named_with_what_cannot_be_done_and_a_wider_one_is_enough() {
        let all: BTreeSet<String> = privileges::permissions(|_| true).into_iter().map(str::to_owned).collect();
        let found = compared("permissions", "\"Sync\"", &all, |_| true);
        assert!(found.ok, "{found:?}");
        for missing in &all {
            let held = all.iter().filter(|one| *one != missing).cloned().collect();
            let found = compared("permissions", "\"Sync\"", &held, |_| true);
            assert!(!found.ok && found.found.contains(&format!("lacks {missing} (to ")), "{found:?}");
        }
        let wide = ["okta.users.manage", "okta.groups.manage", "okta.iam.read"].map(str::to_owned).into();
        assert!(compared("permissions", "\"Sync\"", &wide, |when| when != When::Apps).ok);
    }
}
