//! What an org consists of: users, groups and their rules, apps, attributes, links, roles, the log; and how each is shown.

use super::expression::Expression;
use crate::clock::Moment;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Login of the administrator who owns the SSWS token.
pub const OWNER: &str = "admin@example.com";

/// Attributes that every single-user answer shows, set or not.
const ALWAYS_SHOWN: &[&str] = &["firstName", "lastName", "mobilePhone", "secondEmail", "login", "email"];

/// The simulator's own statuses of a user, as Okta spells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Made, and never activated.
    Staged,
    /// Activated, without a password.
    Provisioned,
    /// May sign in.
    Active,
    /// Its password was reset.
    Recovery,
    /// Its password is too old.
    PasswordExpired,
    /// Too many failed sign-ins.
    LockedOut,
    /// May not sign in for now.
    Suspended,
    /// Deactivated.
    Deprovisioned,
}

impl Status {
    /// Okta's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Status::Staged => "STAGED",
            Status::Provisioned => "PROVISIONED",
            Status::Active => "ACTIVE",
            Status::Recovery => "RECOVERY",
            Status::PasswordExpired => "PASSWORD_EXPIRED",
            Status::LockedOut => "LOCKED_OUT",
            Status::Suspended => "SUSPENDED",
            Status::Deprovisioned => "DEPROVISIONED",
        }
    }

    /// The status that Okta spells so.
    pub fn parse(word: &str) -> Option<Self> {
        use Status::{Active, Deprovisioned, LockedOut, PasswordExpired, Provisioned, Recovery, Staged, Suspended};
        let all = [Staged, Provisioned, Active, Recovery, PasswordExpired, LockedOut, Suspended, Deprovisioned];
        all.into_iter().find(|status| status.as_str() == word)
    }

    /// Operations that a single-user answer advertises (recorded): what each is called, and where it is below the user.
    pub(super) const fn links(self) -> &'static [(&'static str, &'static str)] {
        const ACTIVATE: (&str, &str) = ("activate", "/lifecycle/activate");
        const DEACTIVATE: (&str, &str) = ("deactivate", "/lifecycle/deactivate");
        const SUSPEND: (&str, &str) = ("suspend", "/lifecycle/suspend");
        const RESET_PASSWORD: (&str, &str) = ("resetPassword", "/lifecycle/reset_password");
        const RESET_FACTORS: (&str, &str) = ("resetFactors", "/lifecycle/reset_factors");
        match self {
            Status::Staged => &[ACTIVATE, RESET_FACTORS],
            Status::Provisioned => {
                &[SUSPEND, RESET_PASSWORD, ("reactivate", "/lifecycle/reactivate"), RESET_FACTORS, DEACTIVATE]
            }
            Status::Suspended => &[("unsuspend", "/lifecycle/unsuspend"), DEACTIVATE, RESET_FACTORS],
            Status::Deprovisioned => &[ACTIVATE, ("delete", "")],
            Status::LockedOut => &[("unlock", "/lifecycle/unlock"), RESET_PASSWORD, RESET_FACTORS, DEACTIVATE],
            _ => &[
                SUSPEND,
                RESET_PASSWORD,
                ("forgotPassword", "/credentials/forgot_password"),
                ("expirePassword", "/lifecycle/expire_password"),
                ("changePassword", "/credentials/change_password"),
                ("changeRecoveryQuestion", "/credentials/change_recovery_question"),
                RESET_FACTORS,
                DEACTIVATE,
            ],
        }
    }
}

/// What lists still show.
#[derive(Clone, Debug)]
pub(super) struct Stale {
    /// Until when a new user is not in the index at all.
    pub(super) hidden_until: Option<Moment>,
    pub(super) until: Moment,
    pub(super) status: Status,
    pub(super) profile: BTreeMap<String, Value>,
    /// What the status is shown to be on its way to.
    pub(super) becomes: Option<Status>,
}

/// A user of the org.
#[derive(Clone, Debug)]
pub struct User {
    /// What paths call it.
    pub id: String,
    /// What the calls of its life have come to.
    pub status: Status,
    /// Attributes that are set.
    pub profile: BTreeMap<String, Value>,
    /// When it was made.
    pub created: Moment,
    /// When it was activated last; `None` before the first time.
    pub activated: Option<Moment>,
    /// When its status became what it is.
    pub status_changed: Moment,
    /// When anything of it was written last.
    pub updated: Moment,
    /// When sessions were last revoked, and whether OAuth tokens went with them.
    pub sessions_revoked: Option<(Moment, bool)>,
    /// What the user can sign in with for the first time: the newest activation link or temporary access code alone is valid.
    pub sign_in: Option<String>,
    /// Id of the user type.
    pub kind: String,
    /// When a password was set last.
    pub(super) password_changed: Option<Moment>,
    pub(super) recovery_question: Option<String>,
    /// Who vouches for them.
    pub(super) provider: Value,
    pub(super) realm: Option<String>,
    /// What becomes of an asynchronous change, and when.
    pub(super) transition: Option<(Status, Moment)>,
    /// What lists show until the index has caught up.
    pub(super) shown: Option<Stale>,
}

impl User {
    /// As if it had been made just now, by nobody's call.
    pub fn new(id: &str, profile: BTreeMap<String, Value>, status: Status, now: Moment) -> Self {
        let activated = (status != Status::Staged).then_some(now);
        Self {
            id: id.into(),
            status,
            profile,
            created: now,
            activated,
            status_changed: now,
            updated: now,
            sessions_revoked: None,
            sign_in: None,
            kind: DEFAULT_TYPE.into(),
            password_changed: (status == Status::Active).then_some(now),
            recovery_question: None,
            provider: json!({ "type": "OKTA", "name": "OKTA" }),
            realm: None,
            transition: None,
            shown: None,
        }
    }

    /// Whether this person can sign in, or could after finishing a password step.
    pub fn is_live(&self) -> bool {
        self.status != Status::Deprovisioned
    }

    /// Status and attributes as lists show them at `now`; `None` while a new user is not in the index.
    pub(super) fn listed(&self, now: Moment) -> Option<(Status, &BTreeMap<String, Value>)> {
        match &self.shown {
            Some(stale) if stale.hidden_until.is_some_and(|until| now < until) => None,
            Some(stale) if now < stale.until => Some((stale.status, &stale.profile)),
            _ => Some((self.status, &self.profile)),
        }
    }

    pub(super) fn has_password(&self) -> bool {
        self.password_changed.is_some()
    }

    /// Lists show what is so now until `until`.
    pub(super) fn lag(&mut self, until: Moment) {
        let (status, profile) = (self.status, self.profile.clone());
        self.shown = Some(Stale { hidden_until: None, until, status, profile, becomes: None });
    }

    pub(super) fn etag(&self) -> String {
        // Of the profile only: it does not move when the status does.
        format!("W/\"{}\"", &super::super::history::body_hash(json!(self.profile).to_string().as_bytes())[..20])
    }

    pub(super) fn json(
        &self,
        status: Status,
        profile: &BTreeMap<String, Value>,
        single: Option<&str>,
        base: &str,
    ) -> Value {
        let mut shown: Map<String, Value> = Map::new();
        for name in ALWAYS_SHOWN {
            shown.insert((*name).to_owned(), Value::Null);
        }
        shown.extend(profile.clone());
        let this = format!("{base}/api/v1/users/{}", self.id);
        let mut links = json!({ "self": { "href": this } });
        if let Some(schema) = single {
            links["schema"] = json!({ "href": format!("{base}/api/v1/meta/schemas/user/{schema}") });
            links["type"] = json!({ "href": format!("{base}/api/v1/meta/types/user/{}", self.kind) });
            for (name, path) in status.links() {
                let method = if path.is_empty() { "DELETE" } else { "POST" };
                links[*name] = json!({ "href": format!("{this}{path}"), "method": method });
            }
        }
        let never_moved = self.status == Status::Staged && !self.has_password() && self.activated.is_none();
        let mut credentials = json!({ "provider": self.provider });
        if self.has_password() {
            credentials["password"] = json!({});
        }
        if let Some(question) = &self.recovery_question {
            credentials["recovery_question"] = json!({ "question": question });
        }
        let addresses = [("email", "PRIMARY"), ("secondEmail", "SECONDARY")];
        let emails: Vec<Value> = addresses
            .iter()
            .filter_map(|(name, kind)| {
                let address = profile.get(*name)?.as_str()?;
                Some(json!({ "value": address, "status": "VERIFIED", "type": kind }))
            })
            .collect();
        credentials["emails"] = json!(emails);
        let mut user = json!({
            "id": self.id, "status": status.as_str(), "created": time(self.created), "activated": self.activated.map(time),
            "statusChanged": (!never_moved).then(|| time(self.status_changed)), "lastLogin": null,
            "lastUpdated": time(self.updated), "passwordChanged": self.password_changed.map(time),
            "type": { "id": self.kind }, "profile": shown, "credentials": credentials, "_links": links
        });
        // Only while something runs; the index may know of less.
        let runs = match &self.shown {
            Some(stale) if stale.status == status && stale.becomes.is_some() => stale.becomes,
            _ => self.transition.map(|(status, _)| status),
        };
        if let Some(next) = runs.filter(|next| *next != status) {
            user["transitioningToStatus"] = json!(next.as_str());
        }
        if let Some(realm) = &self.realm {
            user["realmId"] = json!(realm);
        }
        user
    }
}

/// Second-granular, as recorded.
pub fn time(at: Moment) -> String {
    Moment::from_secs(at.secs()).timestamp().strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}

/// Logins are one if they differ by case or diacritics only.
pub fn login_key(login: &str) -> String {
    use unicode_normalization::UnicodeNormalization;
    login.nfkd().filter(|c| !unicode_normalization::char::is_combining_mark(*c)).collect::<String>().to_lowercase()
}

/// A group of the org.
#[derive(Clone, Debug)]
pub struct Group {
    pub id: String,
    pub name: String,
    pub description: Option<String>,
    /// `OKTA_GROUP`, `APP_GROUP` or `BUILT_IN`.
    pub kind: &'static str,
    pub created: Moment,
    pub updated: Moment,
    /// When somebody came or went last.
    pub membership_updated: Moment,
}

impl Group {
    pub fn new(id: &str, name: &str, kind: &'static str, now: Moment) -> Self {
        let (created, updated, membership_updated) = (now, now, now);
        Self { id: id.into(), name: name.into(), description: None, kind, created, updated, membership_updated }
    }

    pub fn json(&self, base: &str) -> Value {
        let this = format!("{base}/api/v1/groups/{}", self.id);
        let logo = |size: &str| json!({ "name": size, "href": format!("{base}/img/logos/groups/odyssey/okta-{size}.png"), "type": "image/png" });
        json!({
            "id": self.id, "created": time(self.created), "lastUpdated": time(self.updated),
            "lastMembershipUpdated": time(self.membership_updated), "objectClass": ["okta:user_group"], "type": self.kind,
            "profile": { "name": self.name, "description": self.description },
            "_links": {
                "logo": [logo("medium"), logo("large")], "users": { "href": format!("{this}/users") },
                "apps": { "href": format!("{this}/apps") }, "owners": { "href": format!("{this}/owners") }
            }
        })
    }
}

/// What becomes of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RuleStatus {
    /// Does nothing; can be changed.
    Inactive,
    /// Puts people into its groups, and takes them out.
    Active,
    /// A group of it was deleted: does nothing any more.
    Invalid,
}

/// A group rule.
#[derive(Clone, Debug)]
pub struct Rule {
    pub id: String,
    pub name: String,
    pub(super) status: RuleStatus,
    /// As it was sent.
    pub expression: String,
    /// What it says.
    pub(super) condition: Expression,
    pub groups: Vec<String>,
    /// Users that the rule will never add: left out by whoever made it, or removed by somebody afterwards.
    pub excluded: BTreeSet<String>,
    pub created: Moment,
    pub updated: Moment,
}

impl Rule {
    pub(super) fn is_active(&self) -> bool {
        self.status == RuleStatus::Active
    }

    pub(super) fn json(&self) -> Value {
        let status = match self.status {
            RuleStatus::Inactive => "INACTIVE",
            RuleStatus::Active => "ACTIVE",
            RuleStatus::Invalid => "INVALID",
        };
        json!({
            "id": self.id, "type": "group_rule", "name": self.name, "status": status,
            "created": time(self.created), "lastUpdated": time(self.updated),
            "allGroupsValid": self.status != RuleStatus::Invalid,
            "conditions": {
                "people": { "users": { "exclude": self.excluded }, "groups": { "exclude": [] } },
                "expression": { "value": self.expression, "type": "urn:okta:expression:1.0" }
            },
            "actions": { "assignUserToGroups": { "groupIds": self.groups } }
        })
    }
}

/// An assignment that was made to one user.
#[derive(Clone, Debug)]
pub struct Direct {
    pub user_name: String,
    /// Attributes in the app.
    pub profile: Map<String, Value>,
    pub created: Moment,
    pub updated: Moment,
}

/// An app of the org.
#[derive(Clone, Debug)]
pub struct App {
    pub id: String,
    pub label: String,
    pub active: bool,
    pub created: Moment,
    pub updated: Moment,
    /// What was posted, without what the org says by itself.
    sent: Map<String, Value>,
    pub direct: BTreeMap<String, Direct>,
    /// What was sent with the assignment of each group.
    pub groups: BTreeMap<String, Map<String, Value>>,
}

/// What an app is called by the org alone.
const APP_KEPT: [&str; 8] = ["id", "label", "status", "created", "lastUpdated", "_links", "_embedded", "features"];

impl App {
    /// A bookmark that nobody has posted.
    pub(super) fn new(id: &str, label: &str, groups: impl IntoIterator<Item = String>, now: Moment) -> Self {
        let groups = groups.into_iter().map(|group| (group, Map::new())).collect();
        Self {
            id: id.into(),
            label: label.into(),
            active: true,
            created: now,
            updated: now,
            sent: Map::new(),
            direct: BTreeMap::new(),
            groups,
        }
    }

    /// Keeps what a body says about the app.
    pub(super) fn keep(&mut self, body: &Value, now: Moment) {
        if let Some(label) = body["label"].as_str() {
            self.label = label.to_owned();
        }
        let sent = body.as_object().into_iter().flatten().filter(|(key, _)| !APP_KEPT.contains(&key.as_str()));
        self.sent = sent.map(|(key, value)| (key.clone(), value.clone())).collect();
        self.updated = now;
    }

    pub(super) fn json(&self, base: &str) -> Value {
        let this = format!("{base}/api/v1/apps/{}", self.id);
        let next = if self.active { "deactivate" } else { "activate" };
        let mut shown = json!({
            "id": self.id, "name": "bookmark", "label": self.label, "status": if self.active { "ACTIVE" } else { "INACTIVE" },
            "created": time(self.created), "lastUpdated": time(self.updated), "signOnMode": "BOOKMARK",
            "accessibility": { "selfService": false }, "visibility": { "autoSubmitToolbar": false, "hide": { "iOS": false, "web": false } },
            "features": [], "credentials": { "scheme": "EDIT_USERNAME_AND_PASSWORD" },
            "settings": { "app": { "url": "https://app.example.com", "requestIntegration": false } },
            "_links": {
                "self": { "href": this }, "users": { "href": format!("{this}/users") }, "groups": { "href": format!("{this}/groups") },
                next: { "href": format!("{this}/lifecycle/{next}"), "method": "POST" }
            }
        });
        if let Some(fields) = shown.as_object_mut() {
            fields.extend(self.sent.clone());
        }
        shown
    }

    /// The assignment of a group.
    pub(super) fn group_json(&self, group: &str, sent: &Map<String, Value>, base: &str) -> Value {
        let or = |key: &str, otherwise: Value| sent.get(key).cloned().unwrap_or(otherwise);
        let (app, group_at) = (format!("{base}/api/v1/apps/{}", self.id), format!("{base}/api/v1/groups/{group}"));
        json!({
            "id": group, "priority": or("priority", json!(0)), "profile": or("profile", json!({})),
            "lastUpdated": time(self.updated),
            "_links": {
                "app": { "href": app }, "self": { "href": format!("{app}/groups/{group}") }, "group": { "href": group_at }
            }
        })
    }
}

/// Every new user is of this type unless the call says otherwise.
pub const DEFAULT_TYPE: &str = "oty1sandboxdefault00";

/// A kind of link between users: `manager` and `subordinate`, say.
#[derive(Clone, Debug)]
pub struct LinkedObject {
    pub primary: String,
    pub associated: String,
    pub(super) json: Value,
    /// Associated user to primary user.
    pub links: BTreeMap<String, String>,
}

impl LinkedObject {
    /// Manager and subordinate, as administrators usually define them.
    pub(super) fn manager() -> Self {
        let side =
            |name: &str, title: &str| json!({ "name": name, "title": title, "description": title, "type": "USER" });
        let json = json!({ "primary": side("manager", "Manager"), "associated": side("subordinate", "Subordinate") });
        Self { primary: "manager".into(), associated: "subordinate".into(), json, links: BTreeMap::new() }
    }
}

/// One line of the system log.
#[derive(Clone, Debug)]
pub struct Event {
    pub at: Moment,
    pub kind: &'static str,
    pub target: String,
    /// Who did it, if not the token's owner.
    pub by: Option<&'static str>,
}

/// The roles that were assigned to one user or one group: name of the role by id of the assignment.
pub type Assigned = BTreeMap<String, String>;

/// The user that an answer is about: a create has no id in its path.
pub(super) fn user_in_body(body: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    value.get("id")?.as_str().filter(|id| id.starts_with("00u")).map(str::to_owned)
}
