//! How the simulated org behaves where Okta's documentation leaves a choice (`okta-api.md §10`), and how fast it is.

use std::collections::BTreeSet;
use std::time::Duration;

/// Limits per minute by bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// `/api/v1/users`, and what is below one user: lifecycle, groups, roles.
    pub users: u32,
    /// `/api/v1/users/{id}` itself, written.
    pub user_write: u32,
    /// `/api/v1/users/{id:.+}`: one user, read by id or login.
    pub user_read: u32,
    /// `/api/v1/groups`, and what is below one group: its members.
    pub groups: u32,
    /// `/api/v1/groups/{id}` itself.
    pub group: u32,
    /// `/api/v1/apps`, and what is below one app.
    pub apps: u32,
    /// `/api/v1/apps/{id}` itself.
    pub app: u32,
    /// `/api/v1/logs`: the system log.
    pub logs: u32,
    /// `/oauth2/v1/token`: token calls of service apps.
    pub token: u32,
    /// Whatever no other counter has.
    pub other: u32,
}

/// The published defaults of Workforce orgs (`okta-api.md §4.2`).
pub const WORKFORCE: Table = Table {
    users: 600,
    user_write: 600,
    user_read: 2000,
    groups: 500,
    group: 1000,
    apps: 100,
    app: 500,
    logs: 120,
    token: 2000,
    other: 1200,
};

/// What the rate limit headers show (`okta-api.md §4.3`: which counter they reflect is not known).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderView {
    /// The counter of the token.
    Principal,
    /// The counter of the token or of the org, whichever has less left.
    Tighter,
    /// None at all, as behind a proxy that strips them.
    Absent,
    /// Numbers that cannot be true.
    Nonsense,
}

/// How a call without the scope it needs is refused (`okta-api.md §1.2`: not known where it is rendered).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeError {
    /// `WWW-Authenticate: ... error="insufficient_scope"` and an empty body.
    Header,
    /// `{"error":"insufficient_scope","error_description":...}`.
    Body,
}

/// An OAuth service app of the org (`okta-api.md §1.2`).
#[derive(Clone, Debug)]
pub struct ServiceApp {
    /// What the token endpoint knows it by.
    pub client_id: String,
    /// Public keys as a JSON Web Key Set.
    pub jwks: String,
    /// Scopes that were granted to it.
    pub scopes: Vec<String>,
    /// Whether it must prove possession of a key with every call.
    pub dpop: bool,
}

/// A web app of the org that people sign in to over it.
#[derive(Clone, Debug)]
pub struct WebApp {
    /// What the org knows it by.
    pub client_id: String,
    /// What it proves itself with.
    pub client_secret: String,
    /// Where browsers may be sent back to, exactly.
    pub redirects: Vec<String>,
    /// Whether its ID tokens list groups.
    pub groups_claim: bool,
    /// For how many seconds its authorization codes live.
    pub codes_live: i64,
}

/// Other clients of the org.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Competition {
    /// Part of each of the org's counters that they spend, in the mean.
    pub share: f64,
}

/// Everything that can be chosen about an org.
#[derive(Clone, Debug)]
pub struct Options {
    /// Of latencies, ids and dice.
    pub seed: u64,
    /// The SSWS token that is accepted.
    pub token: String,
    /// OAuth service apps.
    pub service_apps: Vec<ServiceApp>,
    /// Apps that people sign in to.
    pub web_apps: Vec<WebApp>,
    /// Part of every bucket and of the concurrency that the token may use.
    pub principal_share: f64,
    /// Limits per minute; `None` switches them off (headers then show a very high limit).
    pub limits: Option<Table>,
    /// Simultaneous requests of the whole org.
    pub concurrency: usize,
    /// What the rate limit headers show.
    pub headers: HeaderView,
    /// Lists and searches of users spend a counter of their own.
    pub search_bucket: bool,
    /// Other clients that spend the same counters.
    pub competition: Option<Competition>,
    /// Factor on every latency; 0 answers at once.
    pub latency: f64,
    /// How long lists and searches lag behind.
    pub index_lag: Duration,
    /// How far the server's clock is ahead, in seconds.
    pub skew: i64,
    /// Admin roles of the token's owner and of every service app (`SUPER_ADMIN`, `READ_ONLY_ADMIN`, ...).
    pub roles: Vec<&'static str>,
    /// What the role `CUSTOM` permits; `None` permits everything.
    pub permissions: Option<BTreeSet<String>>,
    /// How a missing scope is said.
    pub scope_error: ScopeError,
    /// How long an activation goes on after its answer.
    pub activation: Duration,
    /// What an asynchronous deactivation answers: 200 or 202.
    pub respond_async: u16,
    /// What deactivating a DEPROVISIONED user answers: 404 E0000007 or 403 E0000038 (both are on record).
    pub deactivated_again: u16,
    /// What revoking the sessions of a DEPROVISIONED user answers: 204, 403 or 404.
    pub sessions_of_deactivated: u16,
    /// Whether PROVISIONED and PASSWORD_EXPIRED users can be suspended.
    pub suspend_pending: bool,
    /// What adding a DEPROVISIONED user to a group answers: 403 E0000038 or 400 E0000001.
    pub add_deactivated: u16,
    /// Whether the profile of a DEPROVISIONED user can be edited (an option of the org).
    pub edit_deactivated: bool,
    /// Whether somebody activated again who has a password becomes ACTIVE rather than PROVISIONED.
    pub rehire_active: bool,
    /// What assigning an app again answers: 200 or 409 E0000062.
    pub assigned_again: u16,
    /// Whether apps can be assigned to SUSPENDED users.
    pub assign_suspended: bool,
    /// Whether the org has the linked object manager and subordinate.
    pub manager_links: bool,
    /// What putting somebody into a group that cannot be written answers: 403 E0000006, or 501 as orgs did before 2026.04.
    pub add_to_read_only: u16,
    /// Whether a part that `fields` names twice is an internal error, as it was before 2025.10.
    pub fields_twice_fails: bool,
    /// Whether a PUT of an inactive group rule can change the groups that it fills (since 2026.07; older orgs refuse).
    pub rule_actions_replaceable: bool,
    /// Whether `==` in a group rule takes texts for the same that differ by case only (no source says).
    pub rules_ignore_case: bool,
    /// Whether a deactivation runs the group rules that look at the status (no source says).
    pub rules_heed_deactivation: bool,
    /// Whether `iam/assignees/users` lists whoever holds a role by a group only (no source says).
    pub assignees_by_group: bool,
    /// Whether pages of `iam/assignees/users` have `Link` lines besides the `_links` in their body.
    pub assignees_link_header: bool,
    /// Whether it has pages for people, at `/_ui`.
    pub ui: bool,
}

impl Options {
    /// The same org, where the token and the service apps have a custom role with these permissions.
    pub fn with_role<T: Into<String>>(self, permissions: impl IntoIterator<Item = T>) -> Self {
        let permissions = Some(permissions.into_iter().map(Into::into).collect());
        Self { roles: vec!["CUSTOM"], permissions, ..self }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            token: "00sandbox-token".into(),
            service_apps: Vec::new(),
            web_apps: Vec::new(),
            principal_share: 0.5,
            limits: Some(WORKFORCE),
            concurrency: 75,
            headers: HeaderView::Principal,
            search_bucket: false,
            competition: None,
            latency: 1.0,
            index_lag: Duration::from_millis(700),
            skew: 0,
            roles: vec!["SUPER_ADMIN"],
            permissions: None,
            scope_error: ScopeError::Header,
            activation: Duration::from_millis(1500),
            respond_async: 200,
            deactivated_again: 404,
            sessions_of_deactivated: 204,
            suspend_pending: false,
            add_deactivated: 403,
            edit_deactivated: false,
            rehire_active: false,
            assigned_again: 200,
            assign_suspended: false,
            manager_links: true,
            add_to_read_only: 403,
            fields_twice_fails: false,
            rule_actions_replaceable: true,
            rules_ignore_case: false,
            rules_heed_deactivation: true,
            assignees_by_group: false,
            assignees_link_header: true,
            ui: false,
        }
    }
}
