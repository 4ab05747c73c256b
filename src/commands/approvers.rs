//! What `check` says about those who decide: whether there are enough, and whether it is known who they are where they sign in.

use super::finding::{Finding, get, good, warning};
use crate::admin::auth;
use crate::config::{Config, Permission, Token};
use crate::okta::OktaClient;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::BTreeMap;

/// Whether there are as many people as must approve. That there are fewer is a warning and no mistake: users of this machine may
/// decide beside the service.
pub(super) fn number_finding(config: &Config) -> Finding {
    let people = auth::approvers(&config.admin.tokens);
    let safeguards = &config.rulebook.safeguards;
    if safeguards.alone().is_some() && safeguards.hears_holds.is_empty() {
        let message = "approvers = 1, and nobody hears what one person decides: nothing is decided alone before a [[notify]] is told of \
                       holds";
        return warning("approvers", message);
    }
    let message = safeguards.lacks_approvers(people);
    match message {
        Some(message) => warning("approvers", message),
        None => good("approvers", format!("{people} people can approve over the admin API")),
    }
}

/// Whether the people of tokens are known to an org whose own sign-in opens the console: whoever is not may be anybody of it, and
/// has no vote beside one who has signed in.
pub(super) async fn people_finding(client: &OktaClient, org: &str, config: &Config) -> Option<Finding> {
    if config.rulebook.safeguards.voices.org() != Some(org) {
        return None;
    }
    let deciding = config.admin.tokens.iter().filter(|token| token.role.may(Permission::Decide));
    let (mut unknown, mut whose) = (Vec::new(), BTreeMap::<String, Vec<&str>>::new());
    let named: Vec<(&Token, &str)> = deciding.filter_map(|token| Some((token, token.person.as_deref()?))).collect();
    for (token, person) in &named {
        let id = utf8_percent_encode(person, NON_ALPHANUMERIC);
        match get(client, &format!("/api/v1/users/{id}")).await {
            Ok(user) => whose.entry(user["id"].to_string()).or_default().push(&token.name),
            Err(why) => unknown.push(format!("{person:?} of {:?} ({why})", token.name)),
        }
    }
    let several = whose.values().find(|tokens| tokens.len() > 1);
    let one = several
        .map_or_else(String::new, |tokens| format!("; {} are one person's, with one vote", tokens.join(" and ")));
    let what = format!("okta {org} approvers");
    Some(match unknown.as_slice() {
        [] if several.is_some() => {
            let message = format!(
                "{} who have tokens are known by id or login{one}: fewer people approve than tokens say",
                whose.len()
            );
            warning(&what, message)
        }
        [] => good(&what, format!("{} who have tokens are known by id or login", whose.len())),
        unknown => warning(
            &what,
            format!(
                "admin.tokens.person: {}: not known to {org}. Until it is corrected, a vote with the token and a vote of somebody who has \
                 signed in may be one person's, and count once; write the id of their Okta account, which no change of a login changes",
                unknown.join(", ")
            ),
        ),
    })
}
