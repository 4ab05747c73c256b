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

    /// Operations that a single-user answer advertises (recorded).
    pub(super) const fn links(self) -> &'static [&'static str] {
        match self {
            Status::Staged => &["activate", "resetFactors"],
            Status::Provisioned => &["suspend", "resetPassword", "reactivate", "deactivate"],
            Status::Suspended => &["unsuspend", "deactivate", "resetFactors"],
            Status::Deprovisioned => &["activate", "delete"],
            _ => &[
                "suspend",
                "resetPassword",
                "forgotPassword",
                "expirePassword",
                "changePassword",
                "resetFactors",
                "deactivate",
            ],
        }
    }
}

/// What lists still show: until when, and the status and attributes (none: not in the index yet).
type Stale = (Moment, Status, Option<BTreeMap<String, Value>>);

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
    /// Whether a password was ever set.
    pub(super) has_password: bool,
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
            has_password: status == Status::Active,
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
            Some((until, status, profile)) if now < *until => profile.as_ref().map(|p| (*status, p)),
            _ => Some((self.status, &self.profile)),
        }
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
        if single.is_some() {
            links["schema"] = json!({ "href": format!("{base}/api/v1/meta/schemas/user/osc1sandboxdefault00") });
            links["type"] = json!({ "href": format!("{base}/api/v1/meta/types/user/{}", self.kind) });
            for link in status.links() {
                links[*link] = json!({ "href": format!("{this}/lifecycle/{link}"), "method": "POST" });
            }
        }
        json!({
            "id": self.id, "status": status.as_str(), "created": time(self.created), "activated": self.activated.map(time),
            "statusChanged": time(self.status_changed), "lastLogin": null, "lastUpdated": time(self.updated),
            "passwordChanged": null, "type": { "id": self.kind }, "profile": shown,
            "transitioningToStatus": self.transition.map(|(status, _)| status.as_str()),
            "credentials": { "provider": { "type": "OKTA", "name": "OKTA" } }, "_links": links
        })
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
}

impl Group {
    pub fn new(id: &str, name: &str, kind: &'static str, now: Moment) -> Self {
        Self { id: id.into(), name: name.into(), description: None, kind, created: now }
    }

    pub fn json(&self, base: &str) -> Value {
        json!({
            "id": self.id, "created": time(self.created), "lastUpdated": time(self.created),
            "lastMembershipUpdated": time(self.created), "objectClass": ["okta:user_group"], "type": self.kind,
            "profile": { "name": self.name, "description": self.description },
            "_links": { "users": { "href": format!("{base}/api/v1/groups/{}/users", self.id) } }
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

/// The attributes every Okta user type has, with the shortest and longest text that is accepted.
pub const BASE_ATTRIBUTES: &[(&str, usize, usize)] = &[
    ("login", 5, 100),
    ("firstName", 1, 50),
    ("lastName", 1, 50),
    ("email", 5, 100),
    ("middleName", 0, 255),
    ("honorificPrefix", 0, 255),
    ("honorificSuffix", 0, 255),
    ("title", 0, 255),
    ("displayName", 0, 255),
    ("nickName", 0, 255),
    ("profileUrl", 0, 1024),
    ("secondEmail", 0, 100),
    ("mobilePhone", 0, 100),
    ("primaryPhone", 0, 100),
    ("streetAddress", 0, 1024),
    ("city", 0, 128),
    ("state", 0, 128),
    ("zipCode", 0, 50),
    ("countryCode", 0, 2),
    ("postalAddress", 0, 4096),
    ("preferredLanguage", 0, 255),
    ("locale", 0, 255),
    ("timezone", 0, 255),
    ("userType", 0, 255),
    ("employeeNumber", 0, 255),
    ("costCenter", 0, 255),
    ("organization", 0, 255),
    ("division", 0, 255),
    ("department", 0, 255),
    ("managerId", 0, 255),
    ("manager", 0, 255),
];
/// Every new user is of this type unless the call says otherwise.
pub const DEFAULT_TYPE: &str = "oty1sandboxdefault00";

/// A custom attribute.
#[derive(Clone, Debug)]
pub struct Property {
    pub title: String,
    /// `string`, `boolean`, `number`, `integer` or `array`.
    pub kind: String,
    pub longest: usize,
    pub unique: bool,
}

impl Property {
    pub fn text(title: &str) -> Self {
        Self { title: title.into(), kind: "string".into(), longest: 255, unique: false }
    }
}

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
