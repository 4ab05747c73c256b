//! Which calls to Okta are made for what is configured, and with which scopes.

use crate::domain::Rulebook;
use crate::domain::record::lifecycle::Means;
use crate::okta::auth::{Credentials, ServiceApp};
use crate::privileges::{self, When};

/// Whether calls of a kind are made for what is configured.
pub fn uses(rulebook: &Rulebook, org: &str, when: When) -> bool {
    match when {
        When::Always => true,
        When::MakesGroups => rulebook.mapping.group_rules().iter().any(|rule| rule.create),
        When::Apps => !rulebook.mapping.app_rules().is_empty(),
        When::ManagerLinks => rulebook.org(org).is_some_and(|org| org.manager_relation.is_some()),
        When::UserTypes => rulebook.mapping.user_type().is_some(),
        When::Codes => matches!(rulebook.policies.onboarding.means, Some(Means::Code { .. })),
    }
}

/// The scopes that a service app needs for what is configured.
pub fn scopes(rulebook: &Rulebook, org: &str) -> Vec<&'static str> {
    privileges::scopes(|when| uses(rulebook, org, when))
}

/// The same credentials, asking for these scopes.
pub fn with_scopes(credentials: Credentials, scopes: &[&'static str]) -> Credentials {
    match credentials {
        Credentials::ServiceApp(app) => Credentials::ServiceApp(ServiceApp { scopes: scopes.to_vec(), ..app }),
        token @ Credentials::Token(_) => token,
    }
}
